"""Pairs of sockets on even and odd ports, opened ahead (RFC 3550 section 11). Knows nothing of sessions.

A pair stays open and is heard for good. One that is given back rests for a while: nobody else gets its port, what still
comes from the call before is thrown away, and makes the rest longer. A pair costs two descriptors.
"""

import select
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from errno import EADDRINUSE
from typing import Any, Final

from dialerd_sip.media.sources import Address

REST_S: Final = 5.0
"""How long nothing may have come while a pair rests: longer than what is under way, and than a far end takes a breath
that has not understood the BYE."""

LEAST_REST_S: Final = 1.0
"""How long it rests at least, where all others are in use."""

_BUFFER: Final = 64 << 10  # bytes of packets that wait: a second and more of one stream, and little of a flood
_TRIES: Final = 256  # a millisecond's work; the search goes on from there with the next one
_EF: Final = 184  # expedited forwarding, DSCP 46 in the upper six bits (RFC 3246, RFC 4594 section 4.1)


class Pair:
    """An RTP and an RTCP socket.

    Attributes:
        host, port: where they are bound; RTCP is at the next port.
        owner: who hears what comes, or None.
        stirred_at: when a packet came that nobody heard.
    """

    __slots__ = ("host", "owner", "port", "rtcp", "rtp", "stirred_at")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.owner: Any = None
        self.stirred_at = float("-inf")
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
    made = socket.socket(socket.AF_INET6 if sixth else socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
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


class Ports:
    """The pairs of a range of ports, on any of the machine's addresses.

    Args:
        first, last: the range, ends included.
        poll: where their sockets are registered for reading.
    """

    def __init__(self, first: int, last: int, poll: select.epoll) -> None:
        self._first = first + first % 2
        self._count = max(0, (last - self._first + 1) // 2)
        self._poll = poll
        self._readers: dict[int, tuple[Callable[[int], tuple[bytes, Any]], Pair, bool]] = {}
        self._next: dict[str, int] = {}
        self._resting: dict[str, deque[tuple[float, Pair]]] = {}
        self._restless: dict[str, deque[Pair]] = {}  # at which something came while they rested

    def receive(self, descriptor: int, now: float) -> tuple[Any, bool, bytes, Address] | None:
        """Return a packet that waits at a socket, for its owner; None = there is none, or nobody wants it.

        One at a time: the next look tells at once of what is left, and a flood at one port holds up nobody.

        Args:
            descriptor: the socket's.
            now: the instant.

        Returns:
            The owner, whether it came to the RTCP port, the packet, and where it came from.
        """
        read, pair, reports = self._readers[descriptor]
        try:
            data, address = read(2_048)
        except OSError:  # nothing waits, or an ICMP error is told; the next packet says more than either
            return None
        if pair.owner is None:
            pair.stirred_at = now
            return None
        return pair.owner, reports, data, address if len(address) == 2 else address[:2]

    def take(self, host: str, now: float) -> Pair:
        """Return a pair on a local address.

        Raises:
            OSError: none can be had; the message says why.
        """
        resting, restless = self._resting.setdefault(host, deque()), self._restless.setdefault(host, deque())
        while resting and now - resting[0][0] >= REST_S:
            _, pair = resting.popleft()
            if now - pair.stirred_at >= REST_S:
                return pair
            restless.append(pair)
        restless.rotate(-1)  # whoever goes on speaking hides nobody
        if restless and now - restless[-1].stirred_at >= REST_S:
            return restless.pop()
        try:
            return self._open(host)
        except OSError:
            if resting and now - resting[0][0] >= LEAST_REST_S:
                _, pair = resting.popleft()
            elif restless:
                pair = restless.popleft()
            else:
                raise
        pair.drain()
        return pair

    def _open(self, host: str) -> Pair:
        for _ in range(min(_TRIES, self._count)):
            place = self._next.get(host, 0)
            self._next[host] = (place + 1) % self._count
            try:
                pair = Pair(host, self._first + 2 * place)
            except OSError as error:
                if error.errno != EADDRINUSE:
                    self._next[host] = place
                    raise
                continue
            for one, reports in ((pair.rtp, False), (pair.rtcp, True)):
                self._readers[one.fileno()] = one.recvfrom, pair, reports
                self._poll.register(one, select.EPOLLIN)
            return pair
        raise OSError(EADDRINUSE, "ports are in use, by calls or by other programs; widen rtp_ports")

    def give_back(self, pair: Pair, now: float) -> None:
        """Let a pair rest; nobody owns it any more."""
        pair.owner = None
        self._resting.setdefault(pair.host, deque()).append((now, pair))

    def close(self) -> None:
        """Close all pairs."""
        for _, pair, _ in self._readers.values():
            pair.close()
        self._readers.clear()
        self._resting.clear()
        self._restless.clear()
        self._next.clear()
