"""Recipients: from what a row says to what the store takes, in batches, with the faults of each row.

Every format hands its rows to the same `Rows`. Knows nothing of files: a row's place is asked of the format, and only
when there is something to report.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

import msgspec
from attrs import field, frozen, validators

from dialerd.intake.gaps import gaps_of
from dialerd.intake.resolve import Resolved
from dialerd.model.campaign import ZoneGroup
from dialerd.model.errors import Fault
from dialerd.model.instants import Instant, Plain
from dialerd.model.retry import MAX_ATTEMPTS
from dialerd.model.settings import Settings
from dialerd.rules.numbers import BadNumber, parse_number, zone_group
from dialerd.rules.openings import opens_before_end
from dialerd.rules.zones import BadZone, known_zone, zone

BATCH_ROWS: Final = 1_000
"""Rows of a batch; one transaction of the store, for which a due call waits (20 ms on the machine of the figures)."""

BATCH_CHARACTERS: Final = 2 << 20
"""Free text of a batch after which it is full, whatever its rows: bounds what the daemon holds at once."""

_ADVISED: Final = 100  # proposals for zones are slow to find; a file that is wrong throughout needs no more of them

Row = list[Any]
"""`[position, number, group, prompt, max_attempts, variables, metadata]`, as in `RecipientBatch.rows`."""

Placed = Callable[[str], tuple[int | None, int | None]]
"""Tells line and column of a path; of a row in a document of rows, the path begins with the row's."""


@frozen(kw_only=True)
class RecipientSpec:
    """A recipient as its author wrote it, inline or in a JSON or JSONL file.

    Args:
        phone: the number to ring.
        timezone: IANA zone in which it lies; replaces the zones that the number may lie in.
        prompt: replaces the campaign's prompt.
        max_attempts: replaces the retry policy's limit.
        variables: override the campaign's, key by key.
        metadata: echoed in the notices of this recipient's calls.
    """

    phone: str
    timezone: str | None = None
    prompt: str | None = None
    max_attempts: int | None = field(
        default=None, validator=validators.optional([validators.ge(1), validators.le(MAX_ATTEMPTS)])
    )
    variables: dict[str, Plain] = field(factory=dict)
    metadata: dict[str, Plain] = field(factory=dict)


class Sink(Protocol):
    """Takes what rows become."""

    @property
    def wants_rows(self) -> bool:
        """Whether the file may still become a campaign; once it cannot, only findings are of use."""

    def rows(self, groups: list[ZoneGroup], rows: list[Row]) -> None:
        """Take a batch; `groups` are all zone groups so far, to which rows refer by index."""

    def fault(self, fault: Fault) -> None:
        """Take a fault of the file."""

    def warning(self, fault: Fault) -> None:
        """Take a warning."""

    def left_out(self, fault: Fault) -> None:
        """Take what is wrong with a row that is left out for it; of one row there may be several, in a row."""


@frozen
class _Group:
    """What is known of a zone group in this campaign, asked once for all its rows.

    Args:
        index: its place among the campaign's groups.
        refused: why none of its numbers may be rung, or None.
        never: why none of its numbers will be rung, or None.
    """

    index: int
    refused: str | None
    never: str | None


class Rows:
    """Checks rows one by one and hands them on in batches.

    Args:
        file: name of the file the rows come from.
        settings: what they are checked against.
        resolved: what is known of their campaign.
        now: present instant.
        sink: takes batches and findings.
    """

    def __init__(self, file: str, settings: Settings, resolved: Resolved, now: Instant, sink: Sink) -> None:
        self.file = file
        self.kept = 0
        self.left_out = 0
        self._region = settings.daemon.default_region
        self._quiet = settings.quiet_hours
        self._resolved = resolved
        self._now = now
        self._sink = sink
        self._rows: list[Row] = []
        self._size = 0
        self._groups: list[ZoneGroup] = []
        self._known: dict[int, _Group] = {}
        self._advice: dict[str, str] = {}
        self._gaps = gaps_of(resolved, settings)

    def refuse(self, fault: Fault) -> None:
        """Note what is wrong with the file as a whole."""
        self._sink.fault(fault)

    def bad(self, message: str, *, line: int | None, column: int | None = None, path: str = "") -> None:
        """Note what is wrong with a row: it is left out with `skip_invalid`, otherwise it refuses the file."""
        self.bad_fault(Fault(path, message, file=self.file, line=line, column=column))

    def bad_fault(self, fault: Fault) -> None:
        """Note what is wrong with a row, as `bad` does."""
        self.left_out += 1
        (self._sink.left_out if self._resolved.skip_invalid else self._sink.fault)(fault)

    def add(
        self,
        position: int,
        phone: str,
        placed: Placed,
        *,
        timezone: str | None = None,
        prompt: str | None = None,
        max_attempts: int | None = None,
        variables: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        keep: bool = True,
        path: str = "",
    ) -> None:
        """Check one row and keep it, or note what is wrong with it.

        Args:
            position: names the row in messages and reports.
            phone, timezone, prompt, max_attempts, variables, metadata: as in `RecipientSpec`.
            placed: tells where a part of the row stands.
            keep: False where the row has a fault already, and is only checked for more.
            path: where the row stands in its document; put in front of every path.
        """
        try:
            zones = zone_group(parsed := parse_number(phone, self._region), timezone)
        except (BadNumber, BadZone):
            self._explain(phone, timezone, placed, path)
            return
        # equal groups are the same object, and comparing them would cost as much as parsing the number
        group = self._known.get(id(zones)) or self._meet(zones)
        if group.refused is not None:
            self._bad_at(below(path, "phone"), group.refused, placed)
            return
        if prompt is not None and "\0" in prompt:  # the database would end it there
            self._bad_at(below(path, "prompt"), "has a NUL character, which is not text; remove it", placed)
            return
        if group.never is not None and keep:
            self._sink.warning(self._at(below(path, "timezone" if timezone else "phone"), group.never, placed))
        if self._gaps is not None and keep:
            self._gaps.look(prompt, variables, partial(self._at, below(path, "variables"), "", placed))
        if keep and self._sink.wants_rows:
            spoken = _text(variables)
            told = _text(metadata)
            self._rows.append([position, parsed.number, group.index, prompt, max_attempts, spoken, told])
            self._size += len(spoken or "") + len(told or "") + len(prompt or "")
            self.kept += 1
            if len(self._rows) >= BATCH_ROWS or self._size >= BATCH_CHARACTERS:
                self.flush()

    def flush(self) -> None:
        """Hand on the rows that were kept, if the file may still become a campaign."""
        if self._rows and self._sink.wants_rows:
            self._sink.rows(self._groups, self._rows)
        self._rows = []
        self._size = 0

    def close(self) -> None:
        """Hand on the last rows, and tell what was counted over all of them."""
        self.flush()
        for warning in self._gaps.warnings() if self._gaps is not None else ():
            self._sink.warning(warning)

    def _meet(self, zones: ZoneGroup) -> _Group:
        """Note a zone group that was not seen in this file yet."""
        resolved = self._resolved
        opens = resolved.hours is None or opens_before_end(resolved.hours, zones, self._quiet, self._now)
        never = None if opens else _never(zones)
        group = _Group(len(self._groups), resolved.refusal(zones.country), never)
        self._groups.append(zones)
        self._known[id(zones)] = group
        return group

    def _explain(self, phone: str, timezone: str | None, placed: Placed, path: str) -> None:
        """Note what is wrong with a row's number and with its zone."""
        try:
            parse_number(phone, self._region)
        except BadNumber as error:
            self._bad_at(below(path, "phone"), str(error), placed)
        if timezone is not None and not known_zone(timezone):
            self._bad_at(below(path, "timezone"), self._zone_advice(timezone), placed)

    def _zone_advice(self, name: str) -> str:
        if name not in self._advice:
            if len(self._advice) >= _ADVISED:
                return "is not an IANA time zone"
            try:
                zone(name)
            except BadZone as error:
                self._advice[name] = str(error)
        return self._advice[name]

    def _bad_at(self, path: str, message: str, placed: Placed) -> None:
        self.bad_fault(self._at(path, message, placed))

    def _at(self, path: str, message: str, placed: Placed) -> Fault:
        line, column = placed(path)
        return Fault(path, message, file=self.file, line=line, column=column)


def _never(zones: ZoneGroup) -> str:
    if zones.placeless:
        where = "the quiet hours for numbers without a place"
    elif len(zones.zones) > 3:
        where = f"the quiet hours of its {len(zones.zones)} zones"
    else:
        where = f"the quiet hours of {', '.join(zones.zones) or 'numbers whose zone is unknown'}"
    return (
        f"will not be rung: the campaign's start, end and windows and {where} leave no moment open; "
        "it will end as expired"
    )


def below(path: str, key: str) -> str:
    """Return the path of `key` in what stands at `path`."""
    return f"{path}.{key}" if path else key


def _text(values: Mapping[str, Any] | None) -> str | None:
    return _ENCODER.encode(values).decode() if values else None


_ENCODER: Final = msgspec.json.Encoder()
