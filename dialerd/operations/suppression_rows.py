"""Rows of a list of do-not-call entries, from CSV to what the store takes, with every fault of every row.

Runs in a thread: a million rows must hold nobody up. What is sound goes to a file, some rows a line, so that memory
does not grow with the list, and so that nothing is stored before the last row was found to be sound.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import BinaryIO, Final

import msgspec
from attrs import define, field

from dialerd.intake.csv_records import Records
from dialerd.intake.findings import SHOWN
from dialerd.intake.source import Source
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import NEVER, Instant, to_instant
from dialerd.model.wording import hint, shown
from dialerd.operations.incoming import refusal
from dialerd.rules.numbers import BadNumber, parse_number
from dialerd.store.suppressions import Entry

COLUMNS: Final[Sequence[str]] = ("number", "scope", "reason", "source", "expires_at")
"""The first is required; all may stand in any order."""

MOST_WORDS: Final = 1_000
"""Characters of a reason or a source."""

CHUNK: Final = 1_000
"""Entries of one transaction; each may end a recipient in every campaign, while dispatch waits."""

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
        expired: rows whose entry has expired meanwhile; they are passed over.
        faults: the first faults.
        fault_count: how many there are.
    """

    defaults: Entry
    region: str | None
    scope: Callable[[str], str]
    now: Instant
    count: int = 0
    expired: int = 0
    fault_count: int = 0
    faults: list[Fault] = field(factory=list)
    _scopes: dict[str, str | None] = field(factory=dict)
    _advice: dict[str, str] = field(factory=dict)

    def read(self, source: Source, sound: BinaryIO) -> None:
        """Read a CSV file and close it; what is sound in it is written to `sound`, see `chunks`.

        Raises:
            InvalidInput: there are faults; the first of them are told, and how many more there are.
        """
        try:
            with source:
                self._read(source, sound)
        except InvalidInput as error:
            for fault in error.faults:
                self.fault(fault.path, fault.message, fault.line, fault.column)
        if self.fault_count:
            raise refusal(self.faults, self.fault_count)

    def fault(self, path: str, message: str, line: int | None, column: int | None = None) -> None:
        """Note a fault."""
        self.fault_count += 1
        if len(self.faults) < SHOWN:
            self.faults.append(Fault(path, message, line=line, column=column))

    def _read(self, source: Source, out: BinaryIO) -> None:
        records = Records(source, "number")
        if (header := records.header()) is None:
            self.fault("", 'is empty; the first line names the columns, one of them "number"', None)
            return
        names = [name.strip() for name in header]
        if not self._header(names, records):
            return
        index = {name: names.index(name) for name in COLUMNS if name in names}
        waiting: list[Entry] = []
        for fields in records.rows(partial(self.fault, "")):
            if len(fields) == 1 and not fields[0].strip():
                continue
            entry = self._entry({name: fields[where] for name, where in index.items()}, index, records)
            if entry is not None and not self.fault_count:
                waiting.append(entry)
                if len(waiting) == CHUNK:
                    self._write(waiting, out)
        self._write(waiting, out)

    def _header(self, names: Sequence[str], records: Records) -> bool:
        before = self.fault_count
        for where, name in enumerate(names):
            if name not in COLUMNS:
                self.fault(name, f"is not a column of such a list{hint(name, COLUMNS)}", *records.place(where))
            elif name in names[:where]:
                self.fault(name, "is named twice; leave one of them out", *records.place(where))
        if "number" not in names:
            self.fault("number", 'there is no column "number"; the first line names the columns', records.line)
        return self.fault_count == before

    def _entry(self, cells: Mapping[str, str], index: Mapping[str, int], records: Records) -> Entry | None:
        """Return the entry of the present row, or None where it has faults."""
        before = self.fault_count

        def bad(name: str, message: str) -> None:
            self.fault(name, message, *records.place(index[name]))

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
                expires_at = read_moment(text)
            except ValueError as error:
                bad("expires_at", str(error))
        if self.fault_count > before:
            return None
        if expires_at <= self.now:  # an exported list is read in again, however old it is
            self.expired += 1
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
    instant = read_moment(text)
    if instant <= now:
        raise ValueError(f"{shown(text)} is past; leave it out for an entry for good")
    return instant


def read_moment(text: str) -> Instant:
    """Return the instant that a list names.

    Raises:
        ValueError: it is no moment with an offset.
    """
    try:
        moment = datetime.fromisoformat(text)
        instant = to_instant(moment)
    except (ValueError, OverflowError) as error:
        raise ValueError(f'{shown(text)} is not a moment such as "2027-06-15T09:00:00+01:00" or "…Z"') from error
    if moment.year not in _YEARS or instant >= NEVER:
        raise ValueError(f"{shown(text)} is in no year of this or the next centuries")
    return instant
