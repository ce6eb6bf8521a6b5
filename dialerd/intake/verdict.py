"""The verdict on a campaign file that was read: it is a campaign now, it was one before, or it is refused.

Says so in the log and in the note beside the file. Knows nothing of how files are read and stored.
"""

from collections.abc import Callable
from pathlib import Path

import structlog
from attrs import frozen

from dialerd.intake.content import Identity
from dialerd.intake.departure import Departure
from dialerd.intake.folders import Folders
from dialerd.intake.kinds import ERROR, WARNINGS
from dialerd.intake.reading import Reading
from dialerd.model.errors import DialerdError
from dialerd.model.instants import Instant, to_iso
from dialerd.model.settings import Settings
from dialerd.store.records import NewCampaign, TakenFile
from dialerd.store.store import Store

Result = Departure | Exception
"""How a file leaves, or why it cannot be taken now."""

_log = structlog.get_logger()


class ReaderDied(DialerdError):
    """The reading process was lost over a file, which is to be read once more."""


@frozen(kw_only=True)
class Desk:
    """What campaign files are taken with.

    Args:
        folders: of the spool.
        store: where campaigns go.
        settings: returns the settings in force.
        published: told the key of every campaign that is ready to be dialled.
        now: returns the present instant.
    """

    folders: Folders
    store: Store
    settings: Callable[[], Settings]
    published: Callable[[int], None]
    now: Callable[[], Instant]


def check_reader(reading: Reading, *, last: bool) -> None:
    """See that the reading process lived, unless its death is to count as the file's fault by now.

    Raises:
        ReaderDied: it died, and the file is to be tried once more.
    """
    if reading.died and not last:
        raise ReaderDied("the reading process died over it; it is read once more")


def leaving(
    folders: Folders, spec: str, recipients: str | None, identities: list[Identity | None], listing: Path
) -> Departure:
    """Return the departure of a file that was read, to `rejected/` until it is known better."""
    return Departure(
        spec=spec,
        spec_identity=identities[0],
        recipients=recipients,
        recipients_identity=identities[1] if recipients is not None else None,
        folder=folders.rejected,
        ending=ERROR,
        listing=listing,
    )


def accept(departure: Departure, reading: Reading, new: NewCampaign, folders: Folders) -> None:
    """Let a file leave for `accepted/` that has become a campaign, and log it."""
    departure.folder, departure.ending = folders.accepted, WARNINGS
    departure.fingerprint, departure.campaign = reading.fingerprint, new.uid
    if reading.warnings.total:
        departure.heading = f"{departure.spec} was accepted with {_count(reading.warnings.total, 'warning')}."
    _log.info(
        "spool.file_accepted",
        file=departure.spec,
        campaign=new.uid,
        recipients=reading.rows - reading.duplicates,
        warnings=reading.warnings.total,
    )


def recognise(departure: Departure, taken: TakenFile, folders: Folders) -> None:
    """Deal with a file that is a campaign already: one that was not moved yet is moved, any other is refused."""
    if not taken.moved:
        departure.folder, departure.ending = folders.accepted, WARNINGS
        departure.fingerprint, departure.campaign = taken.fingerprint, taken.campaign
        _log.info("spool.file_recognised", file=departure.spec, campaign=taken.campaign)
        return
    at = to_iso(taken.taken_at)
    departure.heading = (
        f"{departure.spec} is campaign {taken.campaign} already, taken at {at}; nobody is dialled again.\n"
        "# Name, campaign file and recipients are the same byte by byte. To dial everybody once more, drop it under"
        " another name."
    )
    _log.warning(
        "spool.file_rejected",
        file=departure.spec,
        reason="taken before",
        campaign=taken.campaign,
        remedy="nobody is dialled again; to dial everybody once more, drop it under another name",
    )


def refuse(departure: Departure, reading: Reading) -> None:
    """Let a file leave for `rejected/` with its faults, and log it."""
    total = reading.faults.total
    departure.heading = (
        f"{departure.spec} is refused for {_count(total, 'fault')}; nobody of it is dialled.\n"
        "# Correct what follows and drop it into incoming/ again."
    )
    first = reading.faults.first[0] if reading.faults.first else None
    _log.warning(
        "spool.file_rejected",
        file=departure.spec,
        reason="faults",
        faults=total,
        first=first and first.path,
        remedy=f"correct what is listed beside it in {departure.folder.name}/ and drop it again",
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
