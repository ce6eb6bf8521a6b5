"""Rows of a list of do-not-call entries, from CSV to what the store takes, with every fault of every row.

Runs in a thread: a million rows must hold nobody up. What is sound goes to a file, some rows a line, so that memory
does not grow with the list, and so that nothing is stored before the last row was found to be sound.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from attrs import define, field

from dialerd.intake.csv_rows import advice, field_places
from dialerd.intake.findings import SHOWN
from dialerd.intake.lines import MAX_RECORD, Lines, LongLine
from dialerd.intake.source import Source
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import NEVER, Instant, to_instant
from dialerd.model.wording import hint, shown
from dialerd.rules.numbers import BadNumber, parse_number
from dialerd.store.suppressions import Entry

COLUMNS: Final[Sequence[str]] = ("number", "scope", "reason", "source", "expires_at")
"""The first is required; all may stand in any order."""

MOST_WORDS: Final = 1_000
"""Characters of a reason or a source."""

CHUNK: Final = 1_000
"""Entries of one transaction; each may end a recipient in every campaign, while dispatch waits."""

_SEPARATORS: Final = (",", ";", "\t")
_YEARS: Final = range(1970, 10_000)


@define(kw_only=True, eq=False)
class Rows:
    """Reads rows; all faults are counted, the first of them are held.

    Args:
        defaults: what empty cells, and columns that are missing, stand for.
        region: country of numbers without a +, or None.
        scope: returns the stored form of a scope; raises `InvalidInput`.
        now: the present instant.

    Attributes:
        count: sound rows.
        faults: the first faults.
        fault_count: how many there are.
    """

    defaults: Entry
    region: str | None
    scope: Callable[[str], str]
    now: Instant
    count: int = 0
    fault_count: int = 0
    faults: list[Fault] = field(factory=list)
    _scopes: dict[str, str | None] = field(factory=dict)
    _advice: dict[str, str] = field(factory=dict)

    def read(self, file: Path, sound: Path) -> None:
        """Read a CSV file; what is sound in it goes to the file `sound`, see `chunks`.

        Raises:
            InvalidInput: there are faults; the first of them are told, and how many more there are.
        """
        csv.field_size_limit(MAX_RECORD)
        try:
            with Source(file) as source, sound.open("wb") as out:
                self._read(source, out)
        except InvalidInput as error:
            for fault in error.faults:
                self.fault(fault.path, fault.message, fault.line, fault.column)
        if self.fault_count:
            more = self.fault_count - len(self.faults)
            rest = (Fault("", f"there are {more} faults more; mend these first"),) if more else ()
            raise InvalidInput([*self.faults, *rest])

    def fault(self, path: str, message: str, line: int | None, column: int | None = None) -> None:
        """Note a fault."""
        self.fault_count += 1
        if len(self.faults) < SHOWN:
            self.faults.append(Fault(path, message, line=line, column=column))

    def _read(self, source: Source, out: BinaryIO) -> None:
        lines = Lines(source)
        lines.begin()
        first = next((line for line in lines if line.strip()), None)
        if first is None:
            self.fault("", 'is empty; the first line names the columns, one of them "number"', None)
            return
        separator = max(_SEPARATORS, key=lambda one: ("number" in _split(first, one), len(_split(first, one))))
        at = lines.number
        names = [name.strip() for name in _split(first, separator)]
        if not self._header(names, at, list(field_places(first, separator))):
            return
        index = {name: names.index(name) for name in COLUMNS if name in names}
        # chain, as a generator would be over after the first exception that passes through it
        reader = csv.reader(chain((), lines), delimiter=separator, strict=True)
        waiting: list[Entry] = []
        while True:
            lines.begin()
            at = lines.number + 1
            try:
                fields = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                self.fault("", advice(error), at)
                continue
            except LongLine as error:
                self.fault("", str(error), lines.number)
                continue
            if not fields or (len(fields) == 1 and not fields[0].strip()):
                continue
            if len(fields) != len(names):
                self.fault("", f"has {len(fields)} fields, but the header names {len(names)}", at)
                continue
            cells = {name: fields[where] for name, where in index.items()}
            entry = self._entry(cells, at, _Places("".join(lines.record), separator, index))
            if entry is not None and not self.fault_count:
                waiting.append(entry)
                if len(waiting) == CHUNK:
                    self._write(waiting, out)
        self._write(waiting, out)

    def _header(self, names: Sequence[str], line: int, places: Sequence[tuple[int, int]]) -> bool:
        before = self.fault_count
        for where, name in enumerate(names):
            column = places[where][1] if where < len(places) else None
            if name not in COLUMNS:
                self.fault(name, f"is not a column of such a list{hint(name, COLUMNS)}", line, column)
            elif name in names[:where]:
                self.fault(name, "is named twice; leave one of them out", line, column)
        if "number" not in names:
            self.fault("number", 'there is no column "number"; the first line names the columns', line)
        return self.fault_count == before

    def _entry(self, cells: dict[str, str], line: int, places: "_Places") -> Entry | None:
        """Return the entry of a row, or None where it has faults."""
        before = self.fault_count

        def bad(name: str, message: str) -> None:
            below, column = places.of(name)
            self.fault(name, message, line + below, column)

        number, scope, expires_at = "", self.defaults.scope, self.defaults.expires_at
        try:
            number = parse_number(cells["number"], self.region).number
        except BadNumber as error:
            bad("number", str(error))
        if text := cells.get("scope", "").strip():
            found = self._scope(text)
            scope = found or scope
            if found is None:
                bad("scope", self._advice[text])
        for name in ("reason", "source"):
            if (message := bad_words(cells.get(name))) is not None:
                bad(name, message)
        if text := cells.get("expires_at", "").strip():
            try:
                expires_at = read_expiry(text, self.now)
            except ValueError as error:
                bad("expires_at", str(error))
        if self.fault_count > before:
            return None
        return Entry(
            number=number,
            scope=scope,
            reason=cells.get("reason") or self.defaults.reason,
            source=cells.get("source") or self.defaults.source,
            expires_at=expires_at,
        )

    def _scope(self, text: str) -> str | None:
        if text not in self._scopes:
            try:
                self._scopes[text] = self.scope(text)
            except InvalidInput as error:
                self._scopes[text] = None
                self._advice[text] = error.faults[0].message
        return self._scopes[text]

    def _write(self, entries: list[Entry], out: BinaryIO) -> None:
        if entries:
            rows = [[one.number, one.scope, one.reason, one.source, one.expires_at] for one in entries]
            out.write(msgspec.json.encode(rows) + b"\n")
            self.count += len(entries)
            entries.clear()


class _Places:
    """Where fields stand in a row; looked for only when there is something to tell."""

    def __init__(self, text: str, separator: str, index: dict[str, int]) -> None:
        self._text = text
        self._separator = separator
        self._index = index

    def of(self, name: str) -> tuple[int, int]:
        """Return the lines between the row's first and the field's, and its column."""
        places = field_places(self._text, self._separator)
        return next((place for at, place in enumerate(places) if at == self._index.get(name)), (0, 1))


def chunks(sound: BinaryIO) -> Iterator[list[Entry]]:
    """Yield the entries that `Rows.read` found to be sound, `CHUNK` at a time."""
    for line in sound:
        yield [
            Entry(number=number, scope=scope, reason=reason, source=source, expires_at=expires_at)
            for number, scope, reason, source, expires_at in msgspec.json.decode(line)
        ]


def bad_words(text: str | None) -> str | None:
    """Return what is wrong with a reason or a source, or None."""
    if text is None:
        return None
    if len(text) > MOST_WORDS:
        return f"has {len(text)} characters; {MOST_WORDS} are the most"
    if "\0" in text:
        return "has a NUL character, which is not text; remove it"
    return None


def read_expiry(text: str, now: Instant) -> Instant:
    """Return the instant at which an entry ends.

    Raises:
        ValueError: it is no moment with an offset, or is past.
    """
    try:
        moment = datetime.fromisoformat(text)
        instant = to_instant(moment)
    except (ValueError, OverflowError) as error:
        raise ValueError(f'{shown(text)} is not a moment such as "2027-06-15T09:00:00+01:00" or "…Z"') from error
    if moment.year not in _YEARS or not now < instant < NEVER:
        raise ValueError(f"{shown(text)} is past; leave it out for an entry for good")
    return instant


def _split(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line.strip("\r\n")], delimiter=separator, strict=True), [])
    except csv.Error:
        return line.strip("\r\n").split(separator)
