"""All connections of an endpoint: opened when they are wanted, used by all calls, opened again when they are lost.

One attempt at a time to open a flow; all who want it wait for the same one. What fails rests for a growing while, in
which nobody waits: a call goes on to its next target at once. Connections are also accepted, at the endpoint's own
port: a far end whose connection was lost, or one of a former life of ours, reaches us there (RFC 3261 section 18.2.2).

Knows nothing of what it carries.
"""

import socket
from collections.abc import Callable
from typing import Any, Final

import structlog
import trio
from attrs import define

from dialerd.plugin.complaints import Complaints
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.shell.addresses import Routes
from dialerd_sip.shell.dialling import Dialler
from dialerd_sip.shell.errors import FlowError
from dialerd_sip.shell.listening import Listener
from dialerd_sip.shell.streams import CLOSED, Connection
from dialerd_sip.shell.tls import Security, TlsLayer

_log = structlog.get_logger()

_FIRST_REST_S: Final = 0.5
_LONGEST_REST_S: Final = 8.0  # an only target that is back must not be left alone for long
_NO_TCP_S: Final = 300.0  # how long a peer is taken to have no TCP beside its UDP
_MOST_PENDING: Final = 512 * 1024  # bytes that wait for a connection
_MOST_KNOWN: Final = 4_096
_MOST_WAIT_S: Final = 1.0  # for a connection that UDP can do without


@define
class _Opening:
    """An attempt to open a flow: what waits for it, and how it went."""

    done: trio.Event
    pending: list[bytes]
    size: int = 0
    error: str | None = None


@define
class _Rest:
    """A flow that could not be opened: until when and for how long it is left alone, and why."""

    until_s: float
    pause_s: float
    why: str


class Connections:
    """Opens, accepts and keeps connections.

    Args:
        routes: which address of ours a connection leaves from.
        listening: socket on which connections are accepted, or None.
        arrived, turned: see `Connection`.
        failed: called with a flow and why: `refused` where it could not be opened, so that nothing was sent over it,
            or `connection` where it was lost, so that nobody knows what arrived.
        trusts: tells whether connections from an IP address are accepted.
        counts: `tcp_received`, `tcp_sent`, `tcp_opened`, `tcp_accepted`, `tcp_lost`, `tcp_turned_away` are added here.
    """

    def __init__(
        self,
        routes: Routes,
        listening: socket.socket | None,
        *,
        arrived: Callable[[bytes, Flow], None],
        turned: Callable[[], None],
        failed: Callable[[Flow, str], None],
        trusts: Callable[[str], bool],
        counts: dict[str, int],
    ) -> None:
        self._routes = routes
        self._arrived, self._turned, self._failed = arrived, turned, failed
        self._counts = counts
        names = ("received", "sent", "opened", "accepted", "lost", "turned_away")
        counts.update({f"tcp_{name}": 0 for name in names})
        self._nursery: trio.Nursery | None = None
        self._open: dict[Flow, Connection] = {}
        self._opening: dict[Flow, _Opening] = {}
        self._rests: dict[Flow, _Rest] = {}
        self._security: dict[Flow, Security] = {}
        self._without_tcp: dict[Flow, float] = {}
        self._guessed: set[Flow] = set()
        self._complaints = Complaints()
        self._dialler = Dialler(routes)
        self._listener = Listener(listening, trusts=trusts, accepted=self._accepted, counts=counts)

    def start(self, nursery: trio.Nursery) -> None:
        """Work in a nursery from now on."""
        self._drop()
        self._nursery = nursery
        nursery.start_soon(self._listener.run)

    def close(self) -> None:
        """Close all connections at once, without telling anybody."""
        self._listener.close()
        self._drop()

    def _drop(self) -> None:
        for connection in tuple(self._open.values()):
            connection.close()
        self._open.clear()

    def accept_with(self, security: Security) -> None:
        """Accept TLS connections too, with a certificate."""
        self._listener.accept_with(security)

    # out

    def send(self, data: bytes, flow: Flow) -> None:
        """Send a message, at once where the connection is open, else as soon as it is.

        Args:
            data: the message.
            flow: where to.
        """
        connection = self._open.get(flow)
        if connection is not None:
            connection.send(data)
            return
        opening = self._opening.get(flow)
        if opening is None:
            try:
                opening = self._begin(flow)
            except FlowError:
                self._failed(flow, "refused")
                return
        opening.pending.append(data)
        opening.size += len(data)
        if opening.size > _MOST_PENDING:
            opening.pending.clear()
            opening.size = 0
            self._failed(flow, "refused")

    async def open(self, flow: Flow, security: Security | None) -> None:
        """Open a flow, unless it is open.

        Args:
            flow: which.
            security: how TLS is checked from now on when it is opened; None = as before.

        Raises:
            FlowError: it cannot be opened, or could not be a moment ago.
        """
        if security is not None and self._security.get(flow) != security:
            if len(self._security) >= _MOST_KNOWN:
                self._security.clear()
            self._security[flow] = security
            self._rests.pop(flow, None)
        if flow in self._open:
            return
        opening = self._opening.get(flow) or self._begin(flow)
        await opening.done.wait()
        if opening.error is not None:
            raise FlowError(opening.error)

    async def instead_of(self, flow: Flow) -> Flow:
        """Return the TCP flow to the same place as a UDP one, opened, or the same flow where there is none."""
        tcp = Flow(Transport.TCP, flow.host, flow.port)
        now = trio.current_time()
        if now < self._without_tcp.get(tcp, 0.0):
            return flow
        if tcp not in self._open:
            self._guessed.add(tcp)
        with trio.move_on_after(_MOST_WAIT_S):
            if await self._opens(tcp):
                self._guessed.discard(tcp)
                return tcp
        if len(self._without_tcp) >= _MOST_KNOWN:
            self._without_tcp.clear()
            self._guessed.clear()
        self._without_tcp[tcp] = now + _NO_TCP_S
        return flow

    async def _opens(self, flow: Flow) -> bool:
        try:
            await self.open(flow, None)
        except FlowError:
            return False
        return True

    # opening

    def _begin(self, flow: Flow) -> _Opening:
        rest = self._rests.get(flow)
        if rest is not None and trio.current_time() < rest.until_s:
            raise FlowError(rest.why)
        self._routes.towards(flow.host)
        if self._nursery is None:
            raise FlowError("the endpoint is not open yet")
        opening = self._opening[flow] = _Opening(trio.Event(), [])
        self._nursery.start_soon(self._carry, flow, opening)
        return opening

    async def _carry(self, flow: Flow, opening: _Opening) -> None:
        opening.error = "the endpoint was closed"
        try:
            sock, layer = await self._dialler.dial(flow, self._security.get(flow, Security()))
            opening.error = None
        except FlowError as error:
            opening.error = str(error)
        finally:
            del self._opening[flow]
            if opening.error is not None:
                opening.done.set()
        if opening.error is not None:
            self._rest(flow, opening.error)
            self._failed(flow, "refused")
            return
        self._counts["tcp_opened"] += 1
        if self._rests.pop(flow, None) is not None and flow not in self._guessed:
            _log.info("sip.connection_opened", **_fields(flow))
        connection = self._connection(flow, sock, layer, ours=True)
        opening.done.set()
        for data in opening.pending:
            connection.send(data)
        await connection.run()

    def _rest(self, flow: Flow, why: str) -> None:
        former = self._rests.get(flow)
        pause_s = _FIRST_REST_S if former is None else min(2 * former.pause_s, _LONGEST_REST_S)
        if len(self._rests) >= _MOST_KNOWN:
            self._rests.clear()
        self._rests[flow] = _Rest(trio.current_time() + pause_s, pause_s, why)
        if flow in self._guessed:  # nobody said that it had TCP
            return
        self._complaints.tell(
            _log.warning,
            "sip.connection_failed",
            f"{flow}",
            **_fields(flow),
            reason=why,
            remedy="nothing, where the far end is being restarted: it is tried again for each call; else compare "
            "server, transport and tls_ options of the trunk with what its carrier says, and look at firewalls",
        )

    # life

    async def _accepted(self, flow: Flow, sock: socket.socket, layer: TlsLayer | None) -> None:
        self._counts["tcp_accepted"] += 1
        await self._connection(flow, sock, layer, ours=False).run()

    def _connection(self, flow: Flow, sock: socket.socket, layer: TlsLayer | None, *, ours: bool) -> Connection:
        connection = self._open[flow] = Connection(
            flow,
            sock,
            layer,
            ours=ours,
            arrived=self._arrived,
            turned=self._turned,
            lost=self._lost,
            counts=self._counts,
        )
        return connection

    def _lost(self, connection: Connection, why: str) -> None:
        flow = connection.flow
        if self._open.get(flow) is connection:
            del self._open[flow]
        self._counts["tcp_lost"] += 1
        if why == CLOSED:
            _log.debug("sip.connection_closed", **_fields(flow))
        else:
            self._complaints.tell(
                _log.warning,
                "sip.connection_lost",
                f"{flow.transport} {flow.host} {flow.name}",
                **_fields(flow),
                reason=why,
                remedy="nothing, it is opened again when it is wanted; if it stays, look at the far end and at "
                "firewalls between",
            )
        self._failed(flow, "connection")


def _fields(flow: Flow) -> dict[str, Any]:
    return {"transport": flow.transport.value, "host": flow.host, "port": flow.port}
