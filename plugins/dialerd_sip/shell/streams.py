"""One connection: bytes cut into messages, written as far as the socket takes them, kept alive. Knows nothing of SIP
but the blank lines that keep a connection alive.

Half a minute without traffic is what some firewalls forget a connection after: whoever opened it sends two line breaks
more often (RFC 5626 section 4.4.1). A peer that has once answered them with one is held to it: when no answer comes,
the connection is lost. Many never answer; those are judged by TCP, which is told not to wait for minutes
(TCP_USER_TIMEOUT, tcp(7)).
"""

import random
import socket
import ssl
from collections.abc import Callable
from typing import Final

import trio

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.framing import Framer
from dialerd_sip.shell.tls import TlsLayer
from dialerd_sip.shell.waiting import close, readable, writable

PING: Final = b"\r\n\r\n"
PONG: Final = b"\r\n"
CLOSED: Final = "the peer has closed it"
"""Why a connection is over that its peer ended in order; many peers do that when nothing is on."""

_TURN: Final = 65_536  # bytes taken from a socket before others have their turn
_MOST_BACKLOG: Final = 1024 * 1024  # bytes that a peer may leave unread beyond what the kernel holds
_PING_S: Final = (25.0, 30.0)  # the same for all would be a burst (RFC 5626 section 4.4.1: 80 to 100 % of a maximum)
_PONG_S: Final = 10.0  # RFC 5626 section 4.4.1
_SILENT_MS: Final = 20_000  # unacknowledged bytes mean a lost peer: shorter than timer B, longer than a brief outage
_IDLE_S: Final = 600.0  # of a connection that the peer opened: it opens another when it needs one


def prepare(sock: socket.socket) -> None:
    """Set a connection's options."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT_MS)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


class Connection:
    """A connection that is open.

    Args:
        flow: the flow it is.
        sock: its socket, prepared.
        layer: its TLS, shaken, or None.
        ours: whether we opened it: we keep it alive then, and else the peer has to.
        arrived: called with each message and the flow.
        turned: called after each turn of `arrived`.
        lost: called once, with the connection and why, when it is over and nobody here closed it; may be called from
            within `send`.
        counts: `tcp_received` and `tcp_sent` are added here.
    """

    __slots__ = (
        "_answers",
        "_arrived",
        "_backlog",
        "_counts",
        "_framer",
        "_heard_s",
        "_layer",
        "_lost",
        "_ours",
        "_pinged",
        "_scope",
        "_sock",
        "_turned",
        "_writable",
        "flow",
    )

    def __init__(
        self,
        flow: Flow,
        sock: socket.socket,
        layer: TlsLayer | None,
        *,
        ours: bool,
        arrived: Callable[[bytes, Flow], None],
        turned: Callable[[], None],
        lost: Callable[["Connection", str], None],
        counts: dict[str, int],
    ) -> None:
        self.flow = flow
        self._sock = sock
        self._layer = layer
        self._ours = ours
        self._arrived, self._turned, self._lost = arrived, turned, lost
        self._counts = counts
        self._framer = Framer()
        self._backlog = bytearray()
        self._writable = trio.Event()
        self._scope = trio.CancelScope()
        self._heard_s = trio.current_time()
        self._pinged = self._answers = False

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        return self._sock.fileno() < 0

    def close(self) -> None:
        """End it at once; nobody is told."""
        if not self.closed:
            close(self._sock)
            self._scope.cancel()
            self._backlog.clear()

    def _lose(self, why: str) -> None:
        if not self.closed:
            self.close()
            self._lost(self, why)

    # out

    def send(self, data: bytes) -> None:
        """Send a message, as far as the socket takes it at once; the rest follows.

        Args:
            data: the message.
        """
        self._counts["tcp_sent"] += 1
        self._send(data)

    def _send(self, data: bytes) -> None:
        if self.closed:
            return
        if self._layer is not None:
            try:
                data = self._layer.seal(data)
            except ssl.SSLError as error:
                self._lose(f"TLS: {error.reason or error}")
                return
        self._write(data)

    def _write(self, data: bytes) -> None:
        if not data or self.closed:
            return
        taken = 0
        if not self._backlog:
            try:
                taken = self._sock.send(data)
            except BlockingIOError:
                taken = 0
            except OSError as error:
                self._lose(error.strerror or str(error))
                return
        if taken < len(data):
            self._backlog += data[taken:]
            if len(self._backlog) > _MOST_BACKLOG:
                self._lose("the peer does not read")
            else:
                self._writable.set()

    async def _flush(self) -> None:
        while True:
            await self._writable.wait()
            while self._backlog:
                await writable(self._sock)
                try:
                    del self._backlog[: self._sock.send(self._backlog[:_TURN])]
                except BlockingIOError:
                    continue
                except OSError as error:
                    self._lose(error.strerror or str(error))
                    return
            self._writable = trio.Event()

    # in

    async def run(self) -> None:
        """Carry messages until it is over."""
        with self._scope:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._flush)
                    nursery.start_soon(self._keep_alive if self._ours else self._await_idleness)
                    self._take(b"")  # what came together with the handshake's last bytes
                    await self._receive()
                    nursery.cancel_scope.cancel()
            except* trio.ClosedResourceError:  # closed while it was waited for
                self.close()

    async def _receive(self) -> None:
        while not self.closed:
            await readable(self._sock)
            try:
                data = self._sock.recv(_TURN)
            except BlockingIOError:
                continue
            except OSError as error:
                self._lose(error.strerror or str(error))
                return
            if not data:
                self._lose(CLOSED)
                return
            self._take(data)

    def _take(self, data: bytes) -> None:
        self._heard_s = trio.current_time()
        why = None
        if self._layer is not None:
            try:
                data = self._layer.unseal(data)
            except ssl.SSLZeroReturnError:
                data, why = b"", CLOSED
            except ssl.SSLError as error:
                data, why = b"", f"TLS: {error.reason or error}"
            self._write(self._layer.to_send())
        if self._pinged and data == PONG:
            self._answers = True
        self._pinged = False  # whatever it is, it is a sign of life
        try:
            for message in self._framer.feed(data):
                self._counts["tcp_received"] += 1
                self._arrived(message, self.flow)
                if self.closed:
                    return
        except BadMessage as error:  # where the next message begins, nobody can tell (RFC 3261 section 18.3)
            why = error.reason
        if pings := self._framer.pings:
            self._send(PONG * min(pings, 16))
        self._turned()
        if why is not None:
            self._lose(why)

    # life

    async def _keep_alive(self) -> None:
        while True:
            await trio.sleep(random.uniform(*_PING_S))  # spreads load, guards nothing
            self._pinged = True
            self._send(PING)
            await trio.sleep(_PONG_S)
            if self._pinged and self._answers:
                self._lose("the peer does not answer keep-alives any more")
                return
            self._pinged = False

    async def _await_idleness(self) -> None:
        due_s = self._heard_s + _IDLE_S
        while trio.current_time() < due_s:
            await trio.sleep_until(due_s)
            due_s = self._heard_s + _IDLE_S
        self._lose("nothing was heard for ten minutes")
