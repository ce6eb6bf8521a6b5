"""Pairs of sockets on even and odd ports, opened ahead (RFC 3550 section 11). Knows nothing of sessions.

A pair stays open and is heard for good. One that is given back rests for a while: nobody else gets its port, what still
comes from the call before is thrown away, and makes the rest longer. A pair costs two descriptors.
"""

import select
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from errno import EADDRINUSE, EAGAIN
from typing import Any, Final

from dialerd_sip.media.sources import Address

REST_S: Final = 5.0
"""How long nothing may have come while a pair rests: longer than what is under way, and than a far end takes a breath
that has not understood the BYE."""

LEAST_REST_S: Final = 1.0
"""How long it rests at least, where all others are in use."""

_BUFFER: Final = 64 << 10  # bytes of packets that wait: a second and more of one stream, and little of a flood
_TRIES: Final = 64  # half a millisecond's work; the search goes on from there with the next one
_PAUSE_S: Final = 1.0  # after a search that found no port free: other programs seldom let go of theirs
_FORMER: Final = 8  # addresses that are kept of those that speak to a pair that rests
_EF: Final = 184  # expedited forwarding, DSCP 46 in the upper six bits (RFC 3246, RFC 4594 section 4.1)


class Pair:
    """An RTP and an RTCP socket.

    Attributes:
        host, port: where they are bound; RTCP is at the next port.
        owner: who hears what comes, or None.
        stirred_at: when a packet came that nobody heard.
        former: addresses that speak of the call before, where it had not been quiet when the pair was handed out.
        resting: whether it is given back.
    """

    __slots__ = ("former", "host", "owner", "port", "resting", "rtcp", "rtp", "stirred_at")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.owner: Any = None
        self.stirred_at = float("-inf")
        self.former: tuple[Address, ...] = ()
        self.resting = False
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


class _Search:
    """The pairs of ports of one address that are not ours yet."""

    def __init__(self, count: int) -> None:
        self.places = deque(range(count))
        self.failed = 0  # one after the other
        self.pauses_until = float("-inf")


class Ports:
    """The pairs of a range of ports, on any of the machine's addresses.

    Args:
        first, last: the range, ends included.
        poll: where their sockets are registered for reading.

    Attributes:
        unwanted: packets that came to ports that were nobody's.
    """

    def __init__(self, first: int, last: int, poll: select.epoll) -> None:
        self._first = first + first % 2
        self._count = max(0, (last - self._first + 1) // 2)
        self._poll = poll
        self._readers: dict[int, tuple[Callable[[int], tuple[bytes, Any]], Pair, bool]] = {}
        self._searches: dict[str, _Search] = {}
        self.unwanted = 0
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
            self.unwanted += 1
            pair.stirred_at = now
            if pair.resting and not reports and len(pair.former) < _FORMER and address[:2] not in pair.former:
                pair.former += (address[:2],)
            return None
        return pair.owner, reports, data, address if len(address) == 2 else address[:2]

    def take(self, host: str, now: float) -> Pair:
        """Return a pair on a local address.

        Raises:
            BlockingIOError: none was found yet; the search goes on with the next call.
            OSError: none can be had; the message says why.
        """
        pair = self._rested(host, now)
        if pair is not None:
            pair.former = ()
        else:
            try:
                return self._open(host, now)
            except OSError:
                resting, restless = self._resting[host], self._restless[host]
                if resting and now - resting[0][0] >= LEAST_REST_S:
                    _, pair = resting.popleft()
                elif restless:
                    pair = restless.popleft()
                else:
                    raise
            pair.drain()
        pair.resting = False
        return pair

    def _rested(self, host: str, now: float) -> Pair | None:
        """Return a pair at which nothing has come for a while."""
        resting, restless = self._resting.setdefault(host, deque()), self._restless.setdefault(host, deque())
        while resting and now - resting[0][0] >= REST_S:
            _, pair = resting.popleft()
            if now - pair.stirred_at >= REST_S:
                return pair
            restless.append(pair)
        restless.rotate(-1)  # whoever goes on speaking hides nobody
        if restless and now - restless[-1].stirred_at >= REST_S:
            return restless.pop()
        return None

    def _open(self, host: str, now: float) -> Pair:
        search = self._searches.get(host)
        if search is None:
            search = self._searches[host] = _Search(self._count)
        places = search.places
        if now >= search.pauses_until:
            for _ in range(min(_TRIES, len(places))):
                try:
                    pair = Pair(host, self._first + 2 * places[0])
                except OSError as error:
                    if error.errno != EADDRINUSE:
                        raise
                    places.rotate(-1)
                    search.failed += 1
                    continue
                places.popleft()
                search.failed = 0
                for one, reports in ((pair.rtp, False), (pair.rtcp, True)):
                    self._readers[one.fileno()] = one.recvfrom, pair, reports
                    self._poll.register(one, select.EPOLLIN)
                return pair
            if search.failed < len(places):
                raise BlockingIOError(EAGAIN, "ports are still being looked for")
            search.failed, search.pauses_until = 0, now + _PAUSE_S
        raise OSError(EADDRINUSE, "ports are in use, by calls or by other programs; widen rtp_ports")

    def give_back(self, pair: Pair, now: float, believed: Address | None = None) -> None:
        """Let a pair rest; nobody owns it any more.

        Args:
            pair: the pair.
            now: the instant.
            believed: where its call was spoken to from, or None.
        """
        pair.owner, pair.resting = None, True
        if believed is not None:
            pair.former = (believed,)
        self._resting.setdefault(pair.host, deque()).append((now, pair))

    def close(self) -> None:
        """Close all pairs."""
        for _, pair, _ in self._readers.values():
            pair.close()
        self._readers.clear()
        self._resting.clear()
        self._restless.clear()
        self._searches.clear()
