"""Pairs of sockets on even and odd ports, opened ahead (RFC 3550 section 11). Knows nothing of sessions.

A pair that is given back stays open and rests for a while: nobody else gets its port, what still comes from the call
before is thrown away with it, and no call has to wait for the system. A pair costs two descriptors.
"""

import socket
from collections import deque
from contextlib import suppress
from errno import EADDRINUSE
from typing import Final

from dialerd_sip.media.sources import Address

REST_S: Final = 5.0
"""How long a pair rests: longer than what is under way, and than a far end that has not understood the BYE at once."""

LEAST_REST_S: Final = 1.0
"""How long it rests at least, where all others are in use."""

_BUFFER: Final = 64 << 10  # bytes of packets that wait: a second and more of one stream, and little of a flood
_TRIES: Final = 256  # a millisecond's work; the search goes on from there with the next one
_EF: Final = 184  # expedited forwarding, DSCP 46 in the upper six bits (RFC 3246, RFC 4594 section 4.1)


class Pair:
    """An RTP and an RTCP socket.

    Attributes:
        host, port: where they are bound; RTCP is at the next port.
    """

    __slots__ = ("host", "port", "rtcp", "rtp")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.rtp = _socket(host, port)
        try:
            self.rtcp = _socket(host, port + 1)
        except OSError:
            self.rtp.close()
            raise

    def drain(self) -> None:
        """Throw away what waits."""
        for one in (self.rtp, self.rtcp):
            with suppress(BlockingIOError):
                for _ in range(1_000):  # more than the buffer holds, and less than for ever
                    one.recv(1)

    def close(self) -> None:
        """Close both."""
        self.rtp.close()
        self.rtcp.close()


def _socket(host: str, port: int) -> socket.socket:
    sixth = ":" in host
    made = socket.socket(socket.AF_INET6 if sixth else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        with suppress(OSError):  # a sandbox may forbid it; sound flows all the same
            if sixth:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _EF)
            else:
                made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _EF)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


def receive(one: socket.socket) -> tuple[bytes, Address] | None:
    """Return a packet that waits and where it comes from, or None."""
    try:
        data, address = one.recvfrom(2_048)
    except OSError:  # nothing waits, or an ICMP error is told; the next packet says more than either
        return None
    return data, address if len(address) == 2 else address[:2]


class Ports:
    """The pairs of a range of ports, on any of the machine's addresses.

    Args:
        first, last: the range, ends included.
    """

    def __init__(self, first: int, last: int) -> None:
        self._first = first + first % 2
        self._count = max(0, (last - self._first + 1) // 2)
        self._next: dict[str, int] = {}
        self._resting: dict[str, deque[tuple[float, Pair]]] = {}

    def take(self, host: str, now: float) -> Pair:
        """Return a pair on a local address.

        Raises:
            OSError: none can be had; the message says why.
        """
        resting = self._resting.setdefault(host, deque())
        if resting and now - resting[0][0] >= REST_S:
            return self._rested(resting)
        try:
            return self._open(host)
        except OSError:
            if resting and now - resting[0][0] >= LEAST_REST_S:
                return self._rested(resting)
            raise

    def _open(self, host: str) -> Pair:
        for _ in range(min(_TRIES, self._count)):
            place = self._next.get(host, 0)
            self._next[host] = (place + 1) % self._count
            try:
                return Pair(host, self._first + 2 * place)
            except OSError as error:
                if error.errno != EADDRINUSE:
                    self._next[host] = place
                    raise
        raise OSError(EADDRINUSE, "ports are in use, by calls or by other programs; widen rtp_ports")

    def give_back(self, pair: Pair, now: float) -> None:
        """Let a pair rest."""
        self._resting.setdefault(pair.host, deque()).append((now, pair))

    def close(self) -> None:
        """Close all pairs that rest."""
        for resting in self._resting.values():
            for _, pair in resting:
                pair.close()
        self._resting.clear()
        self._next.clear()

    def _rested(self, resting: deque[tuple[float, Pair]]) -> Pair:
        _, pair = resting.popleft()
        pair.drain()
        return pair
