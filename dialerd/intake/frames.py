"""What the daemon and its worker say to each other: frames of a kind, a length and a body.

Settings go down pickled, from the daemon to its own child; everything that comes up, where hostile files were read, is
JSON. Knows nothing of pipes.
"""

import pickle
import struct
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import msgspec
from attrs import evolve, frozen

from dialerd.intake.addition import Addition
from dialerd.intake.duplicate import Origin
from dialerd.intake.findings import Findings
from dialerd.intake.terms import Terms
from dialerd.model.campaign import ZoneGroup
from dialerd.model.errors import Fault
from dialerd.model.instants import Instant
from dialerd.model.settings import Settings
from dialerd.model.structuring import structure
from dialerd.model.unstructuring import unstructure
from dialerd.store.records import NewCampaign, RecipientBatch

_HEAD: Final = struct.Struct("!BI")
_COUNTS: Final = struct.Struct("!II")

HEAD_SIZE: Final = _HEAD.size
MAX_BODY: Final = 64 << 20
"""Bytes of a frame; a batch is at most a few MiB."""


class Kind(IntEnum):
    """What a frame says."""

    # down
    SETTINGS = 1
    JOBS = 2
    ANSWER = 3  # to FINGERPRINT
    # up
    FINGERPRINT = 10
    CAMPAIGN = 11
    BATCH = 12
    END = 13


@frozen(kw_only=True)
class Job:
    """One file to read.

    Args:
        spec: the campaign file.
        now: present instant.
        listing: where findings are appended.
        ask: wait for an ANSWER to the FINGERPRINT; otherwise the file is read on whatever it is.
        addition: the file holds rows for a stored campaign, and this is what they are for; there is no FINGERPRINT.
        terms: it is a document that was sent, and how it is taken; None = a file that was dropped.
    """

    spec: Path
    now: Instant
    listing: Path
    ask: bool = True
    addition: Addition | None = None
    terms: Terms | None = None


@frozen(kw_only=True)
class End:
    """The end of a job.

    Args:
        faults, warnings: what was found.
        invalid: what is wrong with the rows that were left out for it, the first `SHOWN`; all are among the warnings.
        invalid_rows: how many rows that are.
        resident: the worker's memory, in bytes.
    """

    faults: Findings
    warnings: Findings
    invalid: tuple[Fault, ...]
    invalid_rows: int
    resident: int


def frame(kind: Kind, body: bytes = b"") -> bytes:
    """Return a frame."""
    return _HEAD.pack(kind, len(body)) + body


def head(data: bytes | bytearray | memoryview) -> tuple[Kind, int]:
    """Return kind and body length from the first `HEAD_SIZE` bytes of a frame.

    Raises:
        ValueError: they are no frame's.
    """
    kind, length = _HEAD.unpack_from(data)
    if length > MAX_BODY:
        raise ValueError(f"a frame of {length} bytes")
    return Kind(kind), length


def settings_body(settings: Settings) -> bytes:
    """Return what the worker needs of the settings: not the trunks' options, which may hold secrets."""
    trunks = {name: evolve(trunk, options={}) for name, trunk in settings.trunks.items()}
    return pickle.dumps(evolve(settings, trunks=trunks))


def read_settings(body: bytes) -> Settings:
    """Return the settings in a body that the daemon made."""
    settings: Settings = pickle.loads(body)
    return settings


def jobs_body(jobs: Sequence[Job]) -> bytes:
    """Return the body that brings jobs, done in their order."""
    return pickle.dumps(jobs)


def read_jobs(body: bytes) -> Sequence[Job]:
    """Return the jobs in a body that the daemon made."""
    jobs: Sequence[Job] = pickle.loads(body)
    return jobs


def campaign_body(new: NewCampaign, origin: Origin) -> bytes:
    """Return a campaign's body."""
    return msgspec.json.encode([unstructure(new), unstructure(origin)])


def read_campaign(body: bytes) -> tuple[NewCampaign, Origin]:
    """Return the campaign in a body, and where its rows come from."""
    new, origin = msgspec.json.decode(body)
    return structure(new, NewCampaign), structure(origin, Origin)


def batch_body(fresh: Sequence[ZoneGroup], rows: Sequence[Any]) -> bytes:
    """Return a batch's body.

    Args:
        fresh: the zone groups that no batch before brought.
        rows: as in `RecipientBatch.rows`.
    """
    groups = msgspec.json.encode([unstructure(group) for group in fresh])
    return _COUNTS.pack(len(rows), len(groups)) + groups + msgspec.json.encode(rows)


def read_batch(body: bytes | memoryview, known: tuple[ZoneGroup, ...]) -> RecipientBatch:
    """Return the batch in a body; its rows stay text.

    Args:
        body: the body.
        known: zone groups that the batches before brought.
    """
    count, size = _COUNTS.unpack_from(body)
    begin = _COUNTS.size + size
    fresh = msgspec.json.decode(body[_COUNTS.size : begin])
    groups = (*known, *(structure(group, ZoneGroup) for group in fresh)) if fresh else known
    return RecipientBatch(groups=groups, rows=str(body[begin:], "utf-8"), count=count)


def end_body(end: End) -> bytes:
    """Return the body that ends a job."""
    return msgspec.json.encode(unstructure(end))


def read_end(body: bytes) -> End:
    """Return the end in a body."""
    return structure(msgspec.json.decode(body), End)
