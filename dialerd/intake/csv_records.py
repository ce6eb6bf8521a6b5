"""The records of a CSV file (RFC 4180, with `,` `;` or tab between fields), of whatever list it is.

Quotes are read strictly, so that a slip cannot glue rows together unseen. Knows nothing of what the columns mean.
"""

import csv
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from dialerd.intake.columns import separator
from dialerd.intake.lines import MAX_RECORD, Lines, LongLine
from dialerd.intake.source import Source
from dialerd.model.errors import InvalidInput

_ADVICE: Final = (  # what the csv module says, and what to do about it
    ("expected after", 'has text behind a closing quote; a quote inside a quoted field is written twice ("")'),
    ("unexpected end", 'ends within a quoted field; the closing quote (") is missing'),
    ("new-line character", "has a carriage return inside a field; end lines with a line feed, or quote the field"),
)


class Records:
    """One pass over one file: its header, then its rows.

    Args:
        source: the file, from its beginning.
        wanted: the column that such a list must have; the separator is the one that yields it.

    Attributes:
        line: where the present record begins.
    """

    def __init__(self, source: Source, wanted: str) -> None:
        csv.field_size_limit(MAX_RECORD)  # as much as a record may have; its own default is an eighth of that
        self.line = 0
        self._source = source
        self._wanted = wanted
        self._lines = Lines(source)
        self._separator = ","
        self._width = 0

    def header(self) -> list[str] | None:
        """Return the names of the columns, or None where there is nothing.

        Raises:
            InvalidInput: the header cannot be read.
        """
        lines = self._lines
        lines.begin()
        try:
            first = next((line for line in lines if line.strip()), None)
        except LongLine as error:
            raise self._unreadable(str(error), lines.number) from error
        if first is None:
            return None
        self._separator = separator(first, self._wanted)
        # chain, as a generator would be over after the first exception that passes through it
        self._reader = csv.reader(chain((first,), lines), delimiter=self._separator, strict=True)
        self.line = lines.number
        del lines.record[:-1]  # blank lines before it
        try:
            names = next(self._reader)
        except csv.Error as error:
            raise self._unreadable(_advice(error), self.line) from error
        except LongLine as error:
            raise self._unreadable(str(error), lines.number) from error
        self._width = len(names)
        return names

    def rows(self, bad: Callable[[str, int], None]) -> Iterator[list[str]]:
        """Yield the fields of every row behind the header that has as many as it; blank lines are passed over.

        Args:
            bad: is told of every other row: what is wrong with it, and its line.

        Raises:
            InvalidInput: while iterating; the file cannot be read to its end.
        """
        lines, width = self._lines, self._width
        while True:
            lines.begin()
            self.line = lines.number + 1
            try:
                fields = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                bad(_advice(error), self.line)
                continue
            except LongLine as error:
                bad(str(error), lines.number)
                continue
            if len(fields) == width:
                yield fields
            elif fields and (len(fields) > 1 or fields[0].strip()):
                found = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
                bad(f"has {found}, but the header names {width}; quote what holds a separator", self.line)

    def place(self, index: int) -> tuple[int, int]:
        """Return line and column of a field of the present record."""
        below, column = next((at for count, at in enumerate(self.places()) if count == index), (0, 1))
        return self.line + below, column

    def places(self) -> Iterator[tuple[int, int]]:
        """Yield for each field of the present record the lines between the record's first and its, and its column."""
        text, begin = "".join(self._lines.record), 0
        while True:
            yield text.count("\n", 0, begin), begin - (text.rfind("\n", 0, begin) + 1) + 1
            if text[begin : begin + 1] == '"':
                begin += 1
                while (end := text.find('"', begin)) >= 0 and text[end + 1 : end + 2] == '"':
                    begin = end + 2
                begin = max(end, begin)
            if (begin := text.find(self._separator, begin) + 1) == 0:
                return

    def _unreadable(self, message: str, line: int) -> InvalidInput:
        return InvalidInput([self._source.fault(message, line=line)])


def _advice(error: csv.Error) -> str:
    """Return what to do about what the csv module objects to."""
    text = str(error)
    return next((advice for words, advice in _ADVICE if words in text), f"is not CSV: {text}")
