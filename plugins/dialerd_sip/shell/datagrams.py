"""The UDP socket of an endpoint: drained without waiting, written without waiting. Knows nothing of what it carries.

Messages are taken in turns of some dozens, so that calls go on in between. Each is handed on with its flow; what a
turn was is told at its end, so that all answers to it leave together.

Linux tells of ICMP errors in the socket's error queue (ip(7), IP_RECVERR): each names the destination that it is about,
so that one dead peer is not taken for all of them (RFC 3261 section 18.4).
"""

import errno
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Final

import trio

from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.shell.addresses import Address
from dialerd_sip.shell.errors import BindError
from dialerd_sip.shell.waiting import close, readable, writable

_TURNS: Final = 1_000  # that a stall may have left: more than the socket's buffer holds
_TURN: Final = 64  # messages, about 5 ms of a user agent's time
_BUFFER: Final = 4 * 1024 * 1024  # bytes; two seconds of 2,000 calls a second
_LONGEST: Final = 65_535
_MOST_WAITING: Final = 8_192  # messages that the socket does not take yet; the kernel's buffer stands before it
_MOST_FLOWS: Final = 16_384
_LEAST: Final = 8  # shorter ones are keep-alives (RFC 5626 section 3.5.2 and vendors' own), never SIP

# linux/in.h, linux/in6.h, linux/errqueue.h: not among Python's names
_IP_MTU_DISCOVER: Final = 10
_IP_PMTUDISC_DONT: Final = 0
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
_MSG_ERRQUEUE: Final = 0x2000
_SOCK_EXTENDED_ERR: Final = struct.Struct("=IBBBBII")

_EARLIER: Final = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})
_AWAY: Final = frozenset(
    {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM, errno.EHOSTDOWN}
    | {errno.ENETDOWN, errno.EPROTO, errno.ENOPROTOOPT, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL}
)


class Datagrams:
    """A UDP socket.

    Args:
        family: AF_INET or AF_INET6.
        host, port: where to bind.
        arrived: called with each message and its flow.
        turned: called after each turn of `arrived`.
        refused: called with each flow that an ICMP error came for, or that the machine itself cannot send to; may be
            called from within `send`.
        counts: what is counted is added here: `udp_received`, `udp_sent`, `udp_dropped`, `udp_refused`.

    Raises:
        BindError: the address cannot be bound.
    """

    def __init__(
        self,
        family: int,
        host: str,
        port: int,
        *,
        arrived: Callable[[bytes, Flow], None],
        turned: Callable[[], None],
        refused: Callable[[Flow], None],
        counts: dict[str, int],
    ) -> None:
        self._arrived = arrived
        self._turned = turned
        self._refused = refused
        self.counts = counts
        counts.update(dict.fromkeys(("udp_received", "udp_sent", "udp_dropped", "udp_refused"), 0))
        self._flows: dict[Address, Flow] = {}
        self._waiting: deque[tuple[bytes, Flow]] = deque()
        self._writable = trio.Event()
        self._sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._set_up(family)
            self._sock.bind((host, port))
        except OSError as error:
            self._sock.close()
            raise BindError(
                f"cannot receive SIP over UDP at {host} port {port}: {error.strerror}; end what uses that port, or set "
                "the trunk's bind to another one"
            ) from error

    def _set_up(self, family: int) -> None:
        sock = self._sock
        sock.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            # long messages are cut in pieces rather than refused: many trunks have no TCP
            sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)

    @property
    def port(self) -> int:
        """The port that is bound."""
        port: int = self._sock.getsockname()[1]
        return port

    def close(self) -> None:
        """Close the socket; whoever waits for it is woken and ends."""
        close(self._sock)

    # in

    async def receive(self) -> None:
        """Take messages until the socket is closed."""
        while self._sock.fileno() >= 0:
            try:
                await readable(self._sock)
            except trio.ClosedResourceError:
                return
            self._turn()

    def catch_up(self) -> None:
        """Take what has come while this process stood still."""
        for _ in range(_TURNS):
            if self._sock.fileno() < 0 or not self._turn():
                return

    def _turn(self) -> bool:
        """Take some messages; return whether there may be more."""
        recvfrom, flows, arrived = self._sock.recvfrom, self._flows, self._arrived
        taken = 0
        while taken < _TURN:
            try:
                data, address = recvfrom(_LONGEST)
            except BlockingIOError:
                break
            except OSError:  # an error that is waiting in the queue is told here first
                self._read_errors()
                taken += 1
                continue
            taken += 1
            if len(data) < _LEAST:
                self.counts["udp_dropped"] += 1
                continue
            flow = flows.get(address)
            if flow is None:
                flow = self._flow_of(address)
            self.counts["udp_received"] += 1
            arrived(data, flow)
            if self._sock.fileno() < 0:  # closed by what was told
                return False
        if taken == 0:
            self._read_errors()
        self._turned()
        return taken >= _TURN

    def _flow_of(self, address: Address) -> Flow:
        if len(self._flows) >= _MOST_FLOWS:  # strangers with made-up addresses
            self._flows.clear()
        flow = self._flows[address] = Flow(Transport.UDP, address[0], address[1])
        return flow

    def _read_errors(self) -> None:
        for _ in range(_TURN):
            try:
                _, ancillary, _, address = self._sock.recvmsg(0, 512, _MSG_ERRQUEUE)
            except OSError:  # it is empty
                return
            for level, kind, data in ancillary:
                if (level, kind) in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)):
                    number = _SOCK_EXTENDED_ERR.unpack_from(data)[0]
                    if number in _AWAY and address:
                        self._tell_refused(Flow(Transport.UDP, address[0], address[1]))

    def _tell_refused(self, flow: Flow) -> None:
        self.counts["udp_refused"] += 1
        self._refused(flow)

    # out

    def send(self, data: bytes, flow: Flow) -> None:
        """Send a message at once, or, while the socket takes nothing, in order as soon as it does.

        Args:
            data: the message.
            flow: where to.
        """
        if self._waiting:
            self._queue(data, flow)
        elif not self._sent(data, flow):
            self._queue(data, flow)
            self._writable.set()

    def _sent(self, data: bytes, flow: Flow) -> bool:
        """Return False where the socket is full. An error that is told by a send may be that of an earlier one."""
        for _ in range(8):
            try:
                self._sock.sendto(data, (flow.host, flow.port))
            except BlockingIOError:
                return False
            except OSError as error:
                if error.errno in (errno.ENOBUFS, errno.ENOMEM, errno.EMSGSIZE):
                    self.counts["udp_dropped"] += 1  # as if it were lost on the way
                    return True
                if error.errno in _EARLIER and self._errors_waited():
                    continue
                self._tell_refused(flow)
                return True
            self.counts["udp_sent"] += 1
            return True
        self.counts["udp_dropped"] += 1
        return True

    def _errors_waited(self) -> bool:
        before = self.counts["udp_refused"]
        self._read_errors()
        return self.counts["udp_refused"] != before

    def _queue(self, data: bytes, flow: Flow) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            self.counts["udp_dropped"] += 1
        else:
            self._waiting.append((data, flow))

    async def flush(self) -> None:
        """Send what had to wait, whenever the socket takes it, until it is closed."""
        while True:
            await self._writable.wait()
            while self._waiting:
                try:
                    await writable(self._sock)
                except trio.ClosedResourceError:
                    return
                while self._waiting and self._sent(*self._waiting[0]):
                    self._waiting.popleft()
            self._writable = trio.Event()
