"""Rows for a campaign that is stored already: the same checks and findings as for those of a campaign file.

Runs in the worker, or in place for small files; holds one row at a time. Knows nothing of processes and of the store.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal, Protocol

from attrs import frozen

from dialerd.intake.csv_rows import read_csv
from dialerd.intake.duplicate import Origin
from dialerd.intake.json_rows import read_json
from dialerd.intake.jsonl_rows import read_jsonl
from dialerd.intake.recipients import Rows, Sink
from dialerd.intake.resolve import known_of
from dialerd.intake.source import Source
from dialerd.model.errors import InvalidInput
from dialerd.model.instants import Instant
from dialerd.model.settings import Settings
from dialerd.store.records import NewCampaign

Format = Literal["csv", "jsonl", "json"]
"""How recipients are written: with a header, one object a line, or a list of objects."""


@frozen(kw_only=True)
class Addition:
    """What rows are read for.

    Args:
        campaign: the stored campaign, in the form in which it was stored.
        format: how they are written.
        skip_invalid: bad rows are left out instead of refusing all.
    """

    campaign: NewCampaign
    format: Format
    skip_invalid: bool


class AdditionSink(Sink, Protocol):
    """Takes what the rows become."""

    def campaign(self, new: NewCampaign, origin: Origin) -> None:
        """Take the campaign that they are for; rows follow as they are found."""


_READERS: Final[Mapping[str, Callable[[Source, Rows], None]]] = {
    "csv": read_csv,
    "jsonl": read_jsonl,
    "json": read_json,
}


def read_addition(
    file: Path | Source, addition: Addition, settings: Settings, now: Instant, sink: AdditionSink
) -> None:
    """Read the rows of a file into `sink`.

    Args:
        file: where they are; or the bytes of a small one.
        addition: what they are for.
        settings: what they are checked against.
        now: present instant.
        sink: takes rows and findings.
    """
    try:
        with Source(file) if isinstance(file, Path) else file as source:
            sink.campaign(addition.campaign, Origin(file=source.name, by_line=addition.format != "json"))
            resolved = known_of(addition.campaign, settings, skip_invalid=addition.skip_invalid)
            rows = Rows(source.name, settings, resolved, now, sink)
            _READERS[addition.format](source, rows)
            rows.close()
    except InvalidInput as error:
        for fault in error.faults:
            sink.fault(fault)
