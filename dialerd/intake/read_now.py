"""Reading a campaign file in this process, for small inputs: a forecast, a small document, a test."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from dialerd.intake.campaign_file import read_campaign
from dialerd.intake.duplicate import Origin
from dialerd.intake.findings import RowCount
from dialerd.intake.recipients import Row
from dialerd.intake.source import Source
from dialerd.intake.terms import Terms
from dialerd.model.campaign import Recipient, ZoneGroup
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import Instant
from dialerd.model.settings import Settings
from dialerd.store.records import Duplicate, NewCampaign, RecipientBatch


def read_now(
    spec: Path | Source,
    settings: Settings,
    now: Instant,
    *,
    warn: Callable[[Fault], None] | None = None,
    terms: Terms | None = None,
) -> tuple[NewCampaign, list[Recipient]]:
    """Read one campaign file in this process and return it with its recipients, duplicates left out.

    Args:
        spec: the campaign file, whose recipients file lies beside it; or the bytes of a document.
        settings: what it is checked against.
        now: present instant.
        warn: told every warning; None = nobody is.
        terms: it is a document that was sent, and how it is taken; None = a file that was dropped.

    Raises:
        InvalidInput: with every fault.
    """
    kept = read_whole(spec, settings, now, terms=terms)
    warnings = list(kept.warnings)
    people: dict[str, Recipient] = {}
    for position, number, group, prompt, max_attempts, variables, metadata in kept.taken:
        if (first := people.get(number)) is not None:
            warnings.append(kept.origin.twice(Duplicate(position, number, first.position)))
            continue
        people[number] = Recipient(
            position=position,
            number=number,
            group=kept.groups[group],
            prompt=prompt,
            max_attempts=max_attempts,
            variables=msgspec.json.decode(variables) if variables else {},
            metadata=msgspec.json.decode(metadata) if metadata else {},
        )
    if warn is not None:
        for warning in warnings:
            warn(warning)
    return kept.new, list(people.values())


def read_whole(spec: Path | Source, settings: Settings, now: Instant, *, terms: Terms | None = None) -> "Kept":
    """Read one campaign file in this process and keep what it becomes, as it would go into the store.

    Args:
        spec, settings, now, terms: as for `read_now`.

    Raises:
        InvalidInput: with every fault.
    """
    kept = Kept()
    read_campaign(spec, settings, now, kept, terms)
    if kept.faults or not kept.is_campaign:
        raise InvalidInput(kept.faults)
    return kept


class Kept:
    """What a small campaign file becomes; a `FileSink` that keeps everything.

    Attributes:
        origin: where its rows come from.
        groups: its zone groups.
        taken: its rows, duplicates among them.
        faults: why it is refused.
        warnings: what does not refuse it; what was left out is among them.
        invalid: what is wrong with the rows that were left out.
    """

    def __init__(self) -> None:
        self.origin = Origin(file="", by_line=False)
        self.groups: list[ZoneGroup] = []
        self.taken: list[Row] = []
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []
        self.invalid: list[Fault] = []
        self._invalid_rows = RowCount()
        self._new: NewCampaign | None = None

    @property
    def is_campaign(self) -> bool:
        """Whether its spec is sound."""
        return self._new is not None

    @property
    def new(self) -> NewCampaign:
        """The campaign."""
        assert self._new is not None, "only what is a campaign is asked for it"
        return self._new

    @property
    def invalid_rows(self) -> int:
        """How many rows were left out."""
        return self._invalid_rows.rows

    def batches(self) -> list[RecipientBatch]:
        """Return its rows for the store: one batch, or none."""
        if not self.taken:
            return []
        rows = msgspec.json.encode(self.taken).decode()
        return [RecipientBatch(groups=tuple(self.groups), rows=rows, count=len(self.taken))]

    @property
    def wants_rows(self) -> bool:
        """See `Sink.wants_rows`."""
        return self._new is not None and not self.faults

    def fingerprint(self, fingerprint: str) -> bool:  # whatever it is, it is read
        """See `FileSink.fingerprint`."""
        return True

    def campaign(self, new: NewCampaign, origin: Origin) -> None:
        """See `FileSink.campaign`."""
        self._new, self.origin = new, origin

    def rows(self, groups: list[ZoneGroup], rows: list[Row]) -> None:
        """See `Sink.rows`."""
        self.groups = groups
        self.taken += rows

    def fault(self, fault: Fault) -> None:
        """See `Sink.fault`."""
        self.faults.append(fault)

    def warning(self, fault: Fault) -> None:
        """See `Sink.warning`."""
        self.warnings.append(fault)

    def left_out(self, fault: Fault) -> None:
        """See `Sink.left_out`."""
        self.warnings.append(fault)
        self.invalid.append(fault)
        self._invalid_rows.add(fault)
