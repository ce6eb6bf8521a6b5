"""The lines of a dropped text file: UTF-8, numbered, and of bounded length, whatever the file holds."""

import codecs
from typing import Final, Self

from dialerd.intake.source import Source
from dialerd.model.errors import DialerdError, InvalidInput
from dialerd.model.utf8 import not_utf8

MAX_RECORD: Final = 1 << 20
"""Bytes of one line, or of one row that spans several; bounds the memory that a broken file can take."""

_UTF8_BOM: Final = codecs.BOM_UTF8
_FOREIGN: Final = (  # longest first: UTF-32's mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_PACKED: Final = (
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet"),
)


class LongLine(DialerdError):
    """A line is longer than `MAX_RECORD`; it was passed over, and reading may go on with the next."""


class Lines:
    """Iterates over a file's lines as text, without a byte order mark, line ends as they are.

    Args:
        source: the file, from its beginning.

    Raises:
        InvalidInput: while iterating; the file is no UTF-8 text, or a record does not end. Nothing follows.
        LongLine: while iterating; the next line may be asked for.
    """

    def __init__(self, source: Source) -> None:
        self.number = 0
        self.record: list[str] = []
        self._source = source
        self._readline = source.file.readline
        self._offset = 0
        self._size = 0

    def begin(self) -> None:
        """Begin a record: what follows counts towards its size and is kept in `record`."""
        self.record.clear()
        self._size = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        raw = self._readline(MAX_RECORD + 1)
        if not raw:
            raise StopIteration
        self.number += 1
        if self._offset == 0:
            raw = self._without_mark(raw)
        if len(raw) > MAX_RECORD and raw[-1:] != b"\n":
            self._pass_over(raw)
        if b"\0" in raw:
            raise self._binary(raw)
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            message = not_utf8(raw[error.start], self._offset + error.start)
            column = len(raw[: error.start].decode()) + 1
            raise InvalidInput([self._source.fault(message, line=self.number, column=column)]) from error
        self._offset += len(raw)
        self._size += len(raw)
        if self._size > MAX_RECORD and self.record:
            first = self.number - len(self.record)
            message = 'the row that begins here does not end within 1 MiB; a quote (") may be left open'
            raise InvalidInput([self._source.fault(message, line=first)])
        self.record.append(text)
        return text

    def _without_mark(self, raw: bytes) -> bytes:
        """Return the first line without its byte order mark; refuse what is known not to be UTF-8."""
        if (message := not_text(raw)) is not None:
            raise InvalidInput([self._source.fault(message)])
        if raw.startswith(_UTF8_BOM):
            self._offset = len(_UTF8_BOM)
            return raw[len(_UTF8_BOM) :]
        return raw

    def _pass_over(self, raw: bytes) -> None:
        self._offset += len(raw)
        while piece := self._readline(MAX_RECORD):
            self._offset += len(piece)
            if piece.endswith(b"\n"):
                break
        raise LongLine("is longer than 1 MiB, the most that one row may have")

    def _binary(self, raw: bytes) -> InvalidInput:
        column = raw.index(b"\0")
        message = f"holds a NUL byte at offset {self._offset + column}: it is binary or UTF-16; save it as UTF-8 text"
        return InvalidInput([self._source.fault(message, line=self.number)])


def not_text(head: bytes) -> str | None:
    """Return what is wrong with a file that begins with `head`, as far as its first bytes tell, otherwise None."""
    for mark, encoding in _FOREIGN:
        if head.startswith(mark):
            return f"is {encoding}; save it as UTF-8"
    for mark, what in _PACKED:
        if head.startswith(mark):
            return f"is {what}, not text; save it as UTF-8 text"
    return None
