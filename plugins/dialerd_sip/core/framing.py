"""Cutting messages out of a stream by Content-Length (RFC 3261 section 18.3). Knows nothing of sockets."""

import re
from collections.abc import Iterator

from dialerd_sip.core.bad import BadMessage

_LENGTH = re.compile(rb"\n(?:content-length|l)[ \t]*:[ \t]*(?:\r?\n[ \t]+)?(\d{1,9})[ \t]*\r?(?=\n)", re.IGNORECASE)
_ANY_LENGTH = re.compile(rb"\n(?:content-length|l)[ \t]*:", re.IGNORECASE)


class Framer:
    """The bytes of one connection as whole messages.

    Args:
        longest: bytes that a message may have.
    """

    __slots__ = ("_buffer", "_longest", "_pings", "_searched", "_size")

    def __init__(self, longest: int = 65_536) -> None:
        self._longest = longest
        self._buffer = bytearray()
        self._pings = 0
        self._searched = 0  # no end of the head begins before it
        self._size = 0  # of the message at the front, where its head is whole

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes and yield the messages that are whole, without the CRLF between them (RFC 3261 section 7.5).

        Raises:
            BadMessage: the stream cannot be framed any more (no Content-Length, too long); close it.
        """
        buffer = self._buffer
        buffer += data
        while True:
            if not self._size:
                self._skip_breaks()
                end = buffer.find(b"\r\n\r\n", self._searched)
                if end < 0:
                    self._searched = max(0, len(buffer) - 3)
                    if len(buffer) > self._longest:
                        raise BadMessage("a message that is too long")
                    return
                self._size = self._measure(end)
            if len(buffer) < self._size:
                return
            with memoryview(buffer) as view:  # one copy, not two
                message = bytes(view[: self._size])
            del buffer[: self._size]
            self._size = self._searched = 0
            yield message

    def _skip_breaks(self) -> None:
        buffer = self._buffer
        while buffer.startswith(b"\r\n\r\n"):
            self._pings += 1
            del buffer[:4]
        if buffer.startswith(b"\r\n") and len(buffer) > 2 and not b"\r\n".startswith(buffer[2:4]):
            del buffer[:2]

    def _measure(self, end: int) -> int:
        head = bytes(self._buffer[: end + 2])
        found = {int(digits) for digits in _LENGTH.findall(head)}
        if len(found) != 1 or len(_LENGTH.findall(head)) != len(_ANY_LENGTH.findall(head)):
            raise BadMessage("a message in a stream without one Content-Length")
        size = end + 4 + found.pop()
        if size > self._longest:
            raise BadMessage("a message that is too long")
        return size

    @property
    def pings(self) -> int:
        """How many double-CRLF keep-alives came since this was last asked; each wants a CRLF back (RFC 5626, 4.4.1)."""
        pings, self._pings = self._pings, 0
        return pings
