"""Recipients from a JSON file: a list of objects with the keys of an inline recipient.

Read piece by piece: one object and a piece of the file are in memory, never the list.
"""

import codecs
import re
from functools import partial
from typing import Any, Final

from dialerd.intake import json_text
from dialerd.intake.lines import MAX_RECORD, not_text
from dialerd.intake.locate import Locator
from dialerd.intake.object_row import add_object
from dialerd.intake.recipients import Placed, Rows
from dialerd.intake.source import Source
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.utf8 import not_utf8

_PIECE: Final = 1 << 16


def read_json(source: Source, rows: Rows) -> None:
    """Hand every object of a JSON list to `rows`; their positions are their places in the list.

    Args:
        source: the file, from its beginning.
        rows: takes the rows, and the faults of single rows.

    Raises:
        InvalidInput: the file cannot be read to its end.
    """
    text = _Text(source)
    if text.peek() == "":
        raise text.refused("is empty; it must be a list of objects")
    if text.peek() != "[":
        raise text.refused("must be a list of objects")
    text.at += 1
    position = 0
    while (char := text.peek()) != "]":
        if position:
            if char != ",":
                raise text.refused("is not JSON: a comma or the closing ] is missing")
            text.at += 1
            text.peek()
        line, column = text.place()
        value, objection = text.value()
        if objection is None:
            add_object(rows, position + 1, value, text.placed(line, column), path=f"[{position}]")
        else:
            rows.bad(objection, line=line, column=column, path=f"[{position}]")
        position += 1
    text.at += 1
    if text.peek():
        raise text.refused("is not JSON: something follows the list")


class _Text:
    """The part of the text that is in memory; `at` is where reading stands in it."""

    def __init__(self, source: Source) -> None:
        self.at = 0
        self._source = source
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._bytes = 0
        self._over = False
        self._begin = 0  # of the value read last
        self._counted = 0  # up to where line ends were counted
        self._line = 1
        self._line_begin = 0  # offset of the present line; negative once its beginning left memory

    def peek(self) -> str:
        """Go past blanks and return the character there, or "" at the end."""
        while True:
            match = _BLANKS.match(self._text, self.at)
            self.at = self.at if match is None else match.end()
            if self.at < len(self._text):
                return self._text[self.at]
            if not self._fill():
                return ""

    def value(self) -> tuple[Any, str | None]:
        """Read the value that begins here; with it, what makes it unusable, or None."""
        while True:
            try:
                value, end, objection = json_text.decode_one(self._text, self.at)
            except json_text.BadJson as error:
                if len(self._text) - self.at <= MAX_RECORD:
                    ahead = 0 if error.offset is None else error.offset - self.at
                    if self._fill():
                        continue
                    self.at += ahead
                    raise self.refused(str(error)) from error
                raise self.refused(f"{error}; or it does not end within 1 MiB, the most for one recipient") from error
            # a number may go on in the next piece
            if end == len(self._text) and self._fill():
                continue
            self._begin, self.at = self.at, end
            return value, objection

    def place(self) -> tuple[int, int]:
        """Return line and column of where reading stands."""
        if ends := self._text.count("\n", self._counted, self.at):
            self._line += ends
            self._line_begin = self._text.rfind("\n", self._counted, self.at) + 1
        self._counted = self.at
        return self._line, self.at - self._line_begin + 1

    def placed(self, line: int, column: int) -> Placed:
        """Return what tells places in the value read last, which stands at `line` and `column`."""
        return partial(_place, self._text, (self._begin, self.at), (line, column))

    def refused(self, message: str) -> InvalidInput:
        """Return a fault of the file at the place where reading stands."""
        line, column = self.place()
        return InvalidInput([self._source.fault(message, line=line, column=column)])

    def _fill(self) -> bool:
        """Read another piece, and let go of what was read; False at the end of the file."""
        if self._over:
            return False
        self.place()
        # as much again as is there, so that one large value is not decoded too often
        raw = self._source.file.read(max(_PIECE, len(self._text) - self.at))
        if self._bytes == 0 and (message := not_text(raw)) is not None:
            raise InvalidInput([self._source.fault(message)])
        if b"\0" in raw:
            offset = self._bytes + raw.index(b"\0")
            raise InvalidInput([self._source.fault(f"holds a NUL byte at offset {offset}: it is binary, not text")])
        pending = self._decode.getstate()[0]
        try:
            more = self._decode.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            raise InvalidInput([self._foreign(error, len(pending))]) from error
        if self._bytes == 0:
            more = more.removeprefix("\ufeff")
        self._bytes += len(raw)
        self._over = not raw
        self._line_begin -= self.at
        self._text, self.at, self._counted = self._text[self.at :] + more, 0, 0
        return not self._over

    def _foreign(self, error: UnicodeDecodeError, pending: int) -> Fault:
        before: bytes = error.object[: error.start]
        line = self._line + self._text.count("\n", self.at) + before.count(b"\n")
        message = not_utf8(error.object[error.start], self._bytes - pending + error.start)
        return self._source.fault(message, line=line)


def _place(text: str, span: tuple[int, int], begin: tuple[int, int], path: str) -> tuple[int, int]:
    """Return where `path`, whose first step is the value's index, stands; the value is at `span`, its place `begin`."""
    line, column = begin
    inside = path.partition("]")[2].lstrip(".")
    below, within = Locator(text[slice(*span)], toml=False).find(inside)
    if below is None or within is None:
        return line, column
    return line + below - 1, within + (column - 1 if below == 1 else 0)


_BLANKS: Final = re.compile(f"[{json_text.BLANK}]*")
