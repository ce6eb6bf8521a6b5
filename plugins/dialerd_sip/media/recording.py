"""What was received, as a WAV file of µ-law: 8 KB a second, and one table look-up for A-law.

The header is written first and brought up to date with each second of sound, so that the file is whole but for the
last second or two when the process is killed. Work on the disk is handed to a sink: a thread of the media process,
since a disk that makes writers wait would hold up all streams.

Knows nothing of sockets; what was lost is silence, by its place in time.
"""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dialerd_sip.media.law import ALAW_TO_ULAW, ULAW_SILENCE
from dialerd_sip.media.rtp import RATE

Sink = Callable[[Callable[[], None], int], bool]
"""Takes a piece of work on the disk with the bytes that it holds, to be done in the order of coming; False = there is
too much of it, which is never said of work that holds nothing."""

MOST: Final = 4 * 3_600 * RATE
"""Bytes of sound in a file, four hours; a call is bounded by its `max_duration` long before."""

HEADER_SIZE: Final = 58
_PIECE: Final = RATE  # a second is written at once
_HELD: Final = RATE // 2  # and half a second kept back, for packets that come out of order
_SILENCE: Final = bytes((ULAW_SILENCE,))
_WAVE_FORMAT_MULAW: Final = 7  # RFC 2361


def header(size: int) -> bytes:
    """Return the header of a file with `size` bytes of µ-law.

    Formats other than PCM have an extended format and a `fact` chunk (Microsoft, "Multimedia Data Standards Update",
    3.0, 1994).
    """
    return (
        struct.pack("<4sI4s", b"RIFF", HEADER_SIZE - 8 + size + size % 2, b"WAVE")
        + struct.pack("<4sIHHIIHHH", b"fmt ", 18, _WAVE_FORMAT_MULAW, 1, RATE, RATE, 1, 8, 0)
        + struct.pack("<4sII", b"fact", 4, size)
        + struct.pack("<4sI", b"data", size)
    )


class Recording:
    """One file.

    Args:
        path: where it is written; its folder is made. What is there is replaced.
        sink: does the work on the disk.
        failed: called by the sink with the reason, when the file cannot be written any more.
        most: bytes of sound at most.
    """

    def __init__(self, path: str, sink: Sink, failed: Callable[[str], None], most: int = MOST) -> None:
        self._path = path
        self._sink = sink
        self._failed = failed
        self._most = most
        self._buffer = bytearray()
        self._at = 0  # position of the buffer's beginning
        self._descriptor: int | None = None
        self._ended = False
        self._hand(self._open)

    def heard(self, position: int, payload: bytes, *, alaw: bool) -> None:
        """Take a packet's sound.

        Args:
            position: where it stands, in samples from the beginning.
            payload: its bytes.
            alaw: whether they are A-law.
        """
        if alaw:
            payload = payload.translate(ALAW_TO_ULAW)
        start = position - self._at
        if self._ended or start < 0:
            return
        if position + len(payload) > self._most:
            self.end()
            return
        buffer = self._buffer
        if start > len(buffer):
            buffer += _SILENCE * (start - len(buffer))
        buffer[start : start + len(payload)] = payload
        while len(buffer) > _PIECE + _HELD:
            self._write(_PIECE)

    def end(self) -> None:
        """Write what is left and close the file."""
        if not self._ended:
            self._write(len(self._buffer))
            self._ended = True
            self._hand(self._shut)  # behind all that was handed over before

    def _write(self, size: int) -> None:
        piece, at = bytes(self._buffer[:size]), self._at
        del self._buffer[:size]
        self._at += size
        if piece and not self._hand(lambda: self._put(at, piece), size):
            self._ended = True
            self._hand(lambda: self._give_up("the disk is too slow"))

    def _hand(self, work: Callable[[], None], size: int = 0) -> bool:
        def guarded() -> None:
            try:
                work()
            except OSError as error:
                self._give_up(str(error))

        return self._sink(guarded, size)

    def _give_up(self, reason: str) -> None:
        self._ended = True
        self._failed(reason)
        self._shut()

    def _open(self) -> None:
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        # what people say is nobody's but the operator's
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        os.write(self._descriptor, header(0))

    def _put(self, at: int, piece: bytes) -> None:
        if self._descriptor is not None:
            os.pwrite(self._descriptor, piece, HEADER_SIZE + at)
            os.pwrite(self._descriptor, header(at + len(piece)), 0)

    def _shut(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
