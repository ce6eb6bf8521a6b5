"""Keys as telephone events, sent and received (RFC 4733 section 2). Knows nothing of sockets and of what is played."""

from collections import deque
from typing import Final

KEYS: Final = "0123456789*#ABCD"
"""Keys by their event codes (RFC 4733 section 3.2)."""

_DURATION: Final = 800  # timestamp units, 100 ms: twice the 40 ms that every receiver must take (ITU-T Q.24)
_PAUSE: Final = 800  # the same for the pause, for far ends that make tones of events
_VOLUME: Final = 10  # -10 dBm0, as RFC 4733 section 2.3.4 counts it
_ENDS: Final = 3  # section 2.5.1.4
_MOST: Final = 64  # keys that wait to be sent
_LONGEST: Final = 0xFFFF  # section 2.5.1.3: a longer event goes on in another segment
_NEAR_LONGEST: Final = _LONGEST - 1_440  # three packets of 60 ms before it, should the last ones be lost
_MASK: Final = 0xFFFF_FFFF


class KeySender:
    """Sends keys one after the other; asked at every packet's turn instead of the sound's."""

    __slots__ = ("_begun_at", "_code", "_duration", "_ends", "_pause", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[int] = deque(maxlen=_MOST)
        self._code: int | None = None
        self._begun_at = 0
        self._duration = 0
        self._ends = 0
        self._pause = 0

    def add(self, keys: str) -> None:
        """Have keys sent after those that wait; what is no key is left out."""
        self._waiting.extend(KEYS.index(key) for key in keys.upper() if key in KEYS)

    @property
    def busy(self) -> bool:
        """Whether anything is to be sent or to be waited for."""
        return self._code is not None or bool(self._waiting) or self._pause > 0

    def step(self, timestamp: int, size: int) -> tuple[bool, int, bytes] | None:
        """Return the marker, timestamp and payload of the packet whose turn it is; None = silence between keys.

        Args:
            timestamp: the timestamp that sound would have now.
            size: timestamp units in a packet.
        """
        first = False
        if self._code is None:
            if self._pause > 0 or not self._waiting:
                self._pause = max(0, self._pause - size)
                return None
            self._code, first = self._waiting.popleft(), True
            self._begun_at, self._duration, self._ends = timestamp, 0, 0
        if self._ends == 0:
            self._duration += size
        end = self._duration >= _DURATION and not first
        payload = bytes((self._code, 0x80 | _VOLUME if end else _VOLUME)) + self._duration.to_bytes(2, "big")
        if end:
            self._ends += 1
            if self._ends == _ENDS:
                self._code, self._pause = None, _PAUSE
        return first, self._begun_at, payload


class KeyReader:
    """Tells each key once, at the first packet of its event that comes, whichever it is (section 2.5.2.2).

    An event is known by its timestamp. Packets of events before it come too late; it was told, or is left out.
    """

    __slots__ = ("_code", "_duration", "_ended", "_ssrc", "_timestamp")

    def __init__(self) -> None:
        self._ssrc: int | None = None
        self._timestamp = 0
        self._code = 0
        self._duration = 0
        self._ended = False

    def read(self, ssrc: int, timestamp: int, payload: bytes, *, marker: bool) -> str | None:
        """Return the key that a packet begins, or None.

        Args:
            ssrc: the packet's source; a new one begins anew.
            timestamp: the packet's timestamp, at which its event began.
            payload: its payload.
            marker: whether it claims to be the first of its event.
        """
        if len(payload) < 4 or payload[0] >= len(KEYS):
            return None
        code, ended, duration = payload[0], bool(payload[1] & 0x80), int.from_bytes(payload[2:4], "big")
        ahead = timestamp - self._timestamp & _MASK
        if ssrc == self._ssrc:
            if ahead == 0:
                self._ended |= ended
                self._duration = max(self._duration, duration)
                return None
            if ahead >> 31:
                return None
        goes_on = ssrc == self._ssrc and not marker and self._goes_on(code, ahead)
        self._ssrc, self._timestamp, self._code = ssrc, timestamp, code
        self._ended, self._duration = ended, duration
        return None if goes_on else KEYS[code]

    def _goes_on(self, code: int, ahead: int) -> bool:
        return code == self._code and not self._ended and self._duration >= _NEAR_LONGEST and ahead <= _LONGEST
