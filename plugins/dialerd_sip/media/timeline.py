"""Where received packets stand in time. Knows nothing of what is in them."""

from typing import Final

from dialerd_sip.media.rtp import RATE

_EARLY: Final = RATE * 2  # a timestamp further ahead of our clock than this belongs to another beginning
_LATE: Final = RATE * 5  # and one further behind
_MASK: Final = 0xFFFF_FFFF


class Timeline:
    """Positions of packets by their timestamps, held together by our clock where timestamps jump.

    A source's first packet is put where our clock is; all others by their timestamps, so that neither jitter nor loss
    moves them. A position is never far from our clock, whatever a far end writes into its timestamps.

    Args:
        began: the instant of position 0, in seconds.
    """

    __slots__ = ("_began", "_position", "_ssrc", "_timestamp")

    def __init__(self, began: float) -> None:
        self._began = began
        self._ssrc: int | None = None
        self._timestamp = 0
        self._position = 0

    def place(self, ssrc: int, timestamp: int, now: float) -> int:
        """Return the position of a packet in samples; never negative.

        Args:
            ssrc: its source.
            timestamp: its timestamp.
            now: when it came, in seconds.
        """
        elapsed = int((now - self._began) * RATE)
        position = self._position + ((timestamp - self._timestamp + 0x8000_0000 & _MASK) - 0x8000_0000)
        if ssrc != self._ssrc or not elapsed - _LATE <= position <= elapsed + _EARLY:
            self._ssrc, position = ssrc, elapsed
        elif position < self._position:
            return max(0, position)  # out of order: the anchor stays where the newest is
        self._timestamp, self._position = timestamp, position
        return max(0, position)
