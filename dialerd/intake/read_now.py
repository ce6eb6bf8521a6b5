"""Reading a campaign file in this process, for small inputs: a forecast, a test."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from dialerd.intake.campaign_file import read_campaign
from dialerd.intake.duplicate import Origin
from dialerd.intake.recipients import Row
from dialerd.model.campaign import Recipient, ZoneGroup
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import Instant
from dialerd.model.settings import Settings
from dialerd.store.records import Duplicate, NewCampaign


def read_now(
    spec: Path, settings: Settings, now: Instant, *, warn: Callable[[Fault], None] | None = None
) -> tuple[NewCampaign, list[Recipient]]:
    """Read one campaign file in this process and return it with its recipients, duplicates left out.

    Args:
        spec: the campaign file; its recipients file lies beside it.
        settings: what it is checked against.
        now: present instant.
        warn: told every warning; None = nobody is.

    Raises:
        InvalidInput: with every fault.
    """
    sink = _Sink(warn)
    read_campaign(spec, settings, now, sink)
    if sink.faults or sink.new is None:
        raise InvalidInput(sink.faults)
    return sink.new, list(sink.recipients.values())


class _Sink:
    """Keeps everything."""

    def __init__(self, warn: Callable[[Fault], None] | None) -> None:
        self.new: NewCampaign | None = None
        self.recipients: dict[str, Recipient] = {}
        self.faults: list[Fault] = []
        self._origin = Origin(file="", by_line=False)
        self._warn = warn

    @property
    def wants_rows(self) -> bool:
        return self.new is not None and not self.faults

    def fingerprint(self, fingerprint: str) -> bool:
        return True

    def campaign(self, new: NewCampaign, origin: Origin) -> None:
        self.new = new
        self._origin = origin

    def rows(self, groups: list[ZoneGroup], rows: list[Row]) -> None:
        for position, number, group, prompt, max_attempts, variables, metadata in rows:
            if (kept := self.recipients.get(number)) is not None:
                self.warning(self._origin.twice(Duplicate(position, number, kept.position)))
                continue
            self.recipients[number] = Recipient(
                position=position,
                number=number,
                group=groups[group],
                prompt=prompt,
                max_attempts=max_attempts,
                variables=msgspec.json.decode(variables) if variables else {},
                metadata=msgspec.json.decode(metadata) if metadata else {},
            )

    def fault(self, fault: Fault) -> None:
        self.faults.append(fault)

    def warning(self, fault: Fault) -> None:
        if self._warn is not None:
            self._warn(fault)
