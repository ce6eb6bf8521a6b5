"""Recipients from a CSV file (RFC 4180, with `,` `;` or tab between fields).

Quotes are read strictly, so that a slip cannot glue rows together unseen. Knows nothing of what a number is.
"""

import csv
import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from dialerd.intake.columns import Columns, faults_of, read_columns, separator
from dialerd.intake.lines import MAX_RECORD, Lines, LongLine
from dialerd.intake.recipients import Rows
from dialerd.intake.source import Source
from dialerd.model.errors import InvalidInput
from dialerd.model.retry import MAX_ATTEMPTS
from dialerd.model.wording import shown

_COUNT: Final = re.compile(r"[0-9]{1,9}")

_ADVICE: Final = (  # what the csv module says, and what to do about it
    ("expected after", 'has text behind a closing quote; a quote inside a quoted field is written twice ("")'),
    ("unexpected end", 'ends within a quoted field; the closing quote (") is missing'),
    ("new-line character", "has a carriage return inside a field; end lines with a line feed, or quote the field"),
)


def read_csv(source: Source, rows: Rows) -> None:
    """Hand every row of a CSV file to `rows`.

    Args:
        source: the file, from its beginning.
        rows: takes the rows, and all faults.

    Raises:
        InvalidInput: the file cannot be read to its end.
    """
    csv.field_size_limit(MAX_RECORD)  # as much as a record may have; its own default is an eighth of that
    lines = Lines(source)
    reading = _Reading(source, lines, rows)
    if (columns := reading.header()) is None:
        rows.refuse(source.fault("is empty; the first line names the columns, one of them phone"))
        return
    for fault in faults_of(columns, source.name, reading.line, reading.places()):
        rows.refuse(fault)
    if "phone" in columns.known:
        reading.rows(columns)


class _Reading:
    """One pass over one file; `line` is where the present row begins."""

    def __init__(self, source: Source, lines: Lines, rows: Rows) -> None:
        self.line = 0
        self._source = source
        self._lines = lines
        self._rows = rows
        self._separator = ","
        self._names: dict[str, int] = {}

    def header(self) -> Columns | None:
        """Read the header; None where there is nothing."""
        self._lines.begin()
        try:
            first = next((line for line in self._lines if line.strip()), None)
        except LongLine as error:
            raise InvalidInput([self._source.fault(str(error), line=self._lines.number)]) from error
        if first is None:
            return None
        self._separator = separator(first)
        # chain, as a generator would be over after the first exception that passes through it
        self._reader = csv.reader(chain((first,), self._lines), delimiter=self._separator, strict=True)
        self.line = self._lines.number
        del self._lines.record[:-1]  # blank lines before it
        try:
            columns = read_columns(next(self._reader))
        except csv.Error as error:
            raise InvalidInput([self._source.fault(advice(error), line=self.line)]) from error
        except LongLine as error:
            raise InvalidInput([self._source.fault(str(error), line=self._lines.number)]) from error
        self._names = {name: index for index, name in reversed(list(enumerate(columns.names)))}
        return columns

    def rows(self, columns: Columns) -> None:
        """Read every row behind the header."""
        width = len(columns.names)
        lines, reader = self._lines, self._reader
        while True:
            lines.begin()
            self.line = lines.number + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self._rows.bad(advice(error), line=self.line)
                continue
            except LongLine as error:
                self._rows.bad(str(error), line=lines.number)
                continue
            if len(fields) == width:
                self._row(columns, fields)
            elif fields and (len(fields) > 1 or fields[0].strip()):
                message = f"has {_fields(len(fields))}, but the header names {width}; quote what holds a separator"
                self._rows.bad(message, line=self.line)

    def _row(self, columns: Columns, fields: list[str]) -> None:
        known = columns.known
        timezone = (fields[known["timezone"]] or None) if "timezone" in known else None
        prompt = (fields[known["prompt"]] or None) if "prompt" in known else None
        max_attempts, keep = None, True
        if "max_attempts" in known and (text := fields[known["max_attempts"]]):
            max_attempts = _count(text)
            if not (keep := max_attempts is not None):
                line, column = self.place("max_attempts")
                message = f"{shown(text)} is not a whole number from 1 to {MAX_ATTEMPTS}"
                self._rows.bad(message, line=line, column=column, path="max_attempts")
        self._rows.add(
            self.line,
            fields[known["phone"]],
            self.place,
            timezone=timezone,
            prompt=prompt,
            max_attempts=max_attempts,
            variables={name: fields[index] for name, index in columns.variables},
            metadata={name: fields[index] for name, index in columns.metadata},
            keep=keep,
        )

    def place(self, name: str) -> tuple[int, int]:
        """Return line and column of the field called `name` in the present row."""
        index = self._names.get(name, 0)
        below, column = next((at for count, at in enumerate(self.places()) if count == index), (0, 1))
        return self.line + below, column

    def places(self) -> Iterator[tuple[int, int]]:
        """Yield for each field of the present row the lines between the row's first and its own, and its column."""
        return field_places("".join(self._lines.record), self._separator)


def field_places(text: str, separator: str) -> Iterator[tuple[int, int]]:
    """Yield for each field of a row the lines between the row's first and its own, and its column.

    Args:
        text: the row as it is written.
        separator: what stands between fields.
    """
    begin = 0
    while True:
        yield text.count("\n", 0, begin), begin - (text.rfind("\n", 0, begin) + 1) + 1
        if text[begin : begin + 1] == '"':
            begin += 1
            while (end := text.find('"', begin)) >= 0 and text[end + 1 : end + 2] == '"':
                begin = end + 2
            begin = max(end, begin)
        if (begin := text.find(separator, begin) + 1) == 0:
            return


def _count(text: str) -> int | None:
    number = int(text) if _COUNT.fullmatch(text) else 0
    return number if 1 <= number <= MAX_ATTEMPTS else None


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def advice(error: csv.Error) -> str:
    """Return what to do about what the csv module objects to."""
    text = str(error)
    return next((advice for words, advice in _ADVICE if words in text), f"is not CSV: {text}")
