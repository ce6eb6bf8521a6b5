"""RTP packets and what is known of their sender (RFC 3550 sections 5.1, 6.4.1, A.1, A.3 and A.8).

Knows nothing of sockets, codecs and sessions. The clock of RTP is 8,000 Hz throughout, as G.711 and its key events
have it.
"""

import struct
from typing import Final

RATE: Final = 8_000
"""Timestamp units a second of PCMU, PCMA and telephone-event (RFC 3551 section 6, RFC 4733 section 2.2)."""

HEADER: Final = struct.Struct("!BBHII")
"""Version and flags, marker and payload type, sequence number, timestamp, SSRC."""

_VERSION: Final = 0x80
_SEQUENCES: Final = 1 << 16
_MAX_DROPOUT: Final = 3_000  # A.1: a larger step forward is a restart, once a second packet confirms it
_MAX_MISORDER: Final = 100  # A.1
_MASK: Final = 0xFFFF_FFFF


def parse(data: bytes) -> tuple[int, int, int, int, bytes] | None:
    """Return the marker and payload type as one byte, sequence number, timestamp, SSRC and payload; None = not RTP.

    Contributing sources, a header extension and padding are left out of the payload (RFC 3550 sections 5.1, 5.3.1).
    What is RTCP on the wrong port is no RTP (RFC 5761 section 4).
    """
    if len(data) < 12:
        return None
    flags, kind, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    if flags == _VERSION:
        return None if 192 <= kind <= 223 else (kind, sequence, timestamp, ssrc, data[12:])
    if flags >> 6 != 2 or 192 <= kind <= 223:
        return None
    start, end = 12 + 4 * (flags & 0x0F), len(data)
    if flags & 0x10:  # an extension
        if start + 4 > end:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if flags & 0x20:  # padding; its last byte counts it
        padding = data[-1]
        if not padding:
            return None
        end -= padding
    if start > end:
        return None
    return kind, sequence, timestamp, ssrc, data[start:end]


class Reception:
    """What has come of one source. The first packet is told to `seen` like all others.

    Args:
        ssrc: the source.
        sequence: sequence number of its first packet.
    """

    __slots__ = (
        "_bad",
        "_cycles",
        "_first",
        "_former",
        "_jitter_16ths",
        "_reported",
        "_transit",
        "highest",
        "received",
        "ssrc",
    )

    def __init__(self, ssrc: int, sequence: int) -> None:
        self.ssrc = ssrc
        self._former = 0, 0  # packets and losses of sequences that were given up
        self._jitter_16ths = 0
        self._transit: int | None = None
        self._start(sequence)

    def _start(self, sequence: int) -> None:
        self._first = self.highest = sequence
        self._cycles = 0
        self._bad = -1
        self.received = 0
        self._reported = 0, 0  # expected and received at the last report

    def seen(self, sequence: int, timestamp: int, arrived: int) -> bool:
        """Count a packet; return whether it belongs to the sequence (A.1) and is worth hearing.

        Args:
            sequence: its sequence number.
            timestamp: its timestamp.
            arrived: when it came, in timestamp units of our own clock, of whatever beginning.
        """
        step = sequence - self.highest & 0xFFFF
        if step < _MAX_DROPOUT:
            if sequence < self.highest:
                self._cycles += _SEQUENCES
            self.highest = sequence
            self._bad = -1
        elif step <= _SEQUENCES - _MAX_MISORDER:
            if sequence != self._bad:
                self._bad = sequence + 1 & 0xFFFF
                return False
            self._former = self.total, self.lost  # two in a row: the source has started again
            self._start(sequence)
            self._transit = None
        self.received += 1
        transit = arrived - timestamp & _MASK
        if self._transit is not None:
            apart = (transit - self._transit + 0x8000_0000 & _MASK) - 0x8000_0000
            self._jitter_16ths += abs(apart) - (self._jitter_16ths + 8 >> 4)  # A.8
        self._transit = transit
        return True

    @property
    def total(self) -> int:
        """Packets that came, of all sequences."""
        return self._former[0] + self.received

    @property
    def expected(self) -> int:
        """Packets that were sent since the sequence began, by their numbers (A.3)."""
        return self._cycles + self.highest - self._first + 1

    @property
    def lost(self) -> int:
        """Packets that never came, of all sequences; doubles count against it, but it is never negative here."""
        return self._former[1] + max(0, self.expected - self.received)

    @property
    def extended_highest(self) -> int:
        """Highest sequence number with its cycles (section 6.4.1)."""
        return self._cycles + self.highest & _MASK

    @property
    def jitter(self) -> int:
        """Interarrival jitter in timestamp units."""
        return self._jitter_16ths >> 4

    @property
    def jitter_ms(self) -> float:
        """Interarrival jitter."""
        return self._jitter_16ths / 16 * 1000 / RATE

    def fraction_lost(self) -> int:
        """Return the share of packets lost since this was asked last, in 256ths (A.3)."""
        expected, received = self.expected - self._reported[0], self.received - self._reported[1]
        self._reported = self.expected, self.received
        lost = expected - received
        return min(255, (lost << 8) // expected) if expected > 0 and lost > 0 else 0
