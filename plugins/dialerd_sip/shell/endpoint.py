"""An endpoint: a bind address with its user agent, shared by all trunks that use it.

Everything that a user agent is told and tells passes through `pump`, which does not wait: events first, so that what
an INVITE is has been handed over before it leaves; then the messages; then the timer is set. One task reads the UDP
socket, one writes what it did not take, one sleeps until the next deadline; a connection has its own.

Knows nothing of calls, options and prompts.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
import trio

from dialerd.plugin.complaints import Complaints
from dialerd.plugin.raised import spare_ctrl_c
from dialerd_sip.core.events import Event, RegistrationChanged, TargetChanged
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.timing import Timing
from dialerd_sip.core.ua import UserAgent
from dialerd_sip.shell.addresses import Routes, parse_bind
from dialerd_sip.shell.connections import Connections
from dialerd_sip.shell.datagrams import Datagrams
from dialerd_sip.shell.listening import listen_at
from dialerd_sip.shell.sharing import shared
from dialerd_sip.shell.tls import Security

_log = structlog.get_logger()

LONGEST_DATAGRAM: Final = 1_300
"""Bytes of a request above which it goes over TCP where the peer has it (RFC 3261 section 18.1.1)."""

_STALLED_S: Final = 0.25  # beyond a deadline, after which the process, or the machine, stood still
_PORTS_TRIED: Final = 20  # where the system chooses, for one that is free for UDP and TCP
_ROUNDS: Final = 1_000  # of events and messages in a pump; more would be a user agent at odds with itself


class Endpoint:
    """A bind address with its user agent.

    Args:
        bind: `host:port`.
        timing: the user agent's timers.

    Attributes:
        ua: the user agent. After anything was asked of it, call `pump()`.

    Raises:
        BindError: the address cannot be used.
    """

    ua: UserAgent

    def __init__(self, bind: str, timing: Timing | None = None) -> None:
        self.host, port = parse_bind(bind)
        self.ua = UserAgent(timing or Timing())
        self._routes = Routes(self.host)
        self._told: dict[str, Callable[[Event], None]] = {}
        self._watchers: dict[Callable[[TargetChanged], None], None] = {}
        self._failed: dict[Flow, str] = {}
        self._pumping = False
        self._wake_at = float("inf")
        self._clock = trio.lowlevel.current_clock().current_time
        self._timer = trio.CancelScope()
        self._complaints = Complaints()
        self._counts: dict[str, int] = {}
        self._open_sockets(port)

    def _open_sockets(self, port: int) -> None:
        for _ in range(_PORTS_TRIED):
            self._datagrams = Datagrams(
                self._routes.family,
                self.host,
                port,
                arrived=self._arrived,
                turned=self.pump,
                refused=lambda flow: self._flow_failed(flow, "refused"),
                counts=self._counts,
            )
            self.port = self._datagrams.port
            listening = listen_at(self._routes, self.host, self.port)
            if listening is not None or port:
                break
            self._datagrams.close()  # the port that the system chose is taken by somebody's TCP
        if listening is None:
            self._complaints.tell(
                _log.warning,
                "sip.listen_failed",
                self.host,
                host=self.host,
                port=self.port,
                remedy="another process has this port for TCP; far ends cannot open connections to dialerd until it is "
                "ended, or bind names another port",
            )
        self._connections = Connections(
            self._routes,
            listening,
            arrived=self._arrived,
            turned=self.pump,
            failed=self._flow_failed,
            trusts=self.ua.trusts,
            counts=self._counts,
        )

    @property
    def now(self) -> float:
        """The instant on the user agent's clock (trio's)."""
        return self._clock()

    @property
    def counts(self) -> dict[str, int]:
        """What was received, sent, dropped and refused, by transport, with the user agent's own counts."""
        return self._counts | self.ua.counts

    # the user agent's life

    def pump(self) -> None:
        """Hand out all events, send all that is to go out, and set the timer: synchronous, without a checkpoint."""
        if self._pumping:  # called by whom an event was told: what it asked for is done when it returns
            return
        self._pumping = True
        try:
            now = self._clock()
            for _ in range(_ROUNDS):
                self._hand_out()
                datagrams = self.ua.datagrams_to_send(now)
                for data, flow in datagrams:
                    if flow.transport is Transport.UDP:
                        self._datagrams.send(data, flow)
                    else:
                        self._connections.send(data, flow)
                # only now: what a failure sets going must not be overtaken by what was queued before it
                while self._failed:
                    failed, why = self._failed.popitem()
                    self.ua.flow_failed(failed, why, now)
                    datagrams = [(b"", failed)]
                if not datagrams:
                    break
        finally:
            self._pumping = False
        self._set_timer()

    def _hand_out(self) -> None:
        while (event := self.ua.next_event()) is not None:
            if isinstance(event, TargetChanged):
                for watcher in tuple(self._watchers):
                    self._tell(watcher, event)
                continue
            told = self._told.get(event.name if isinstance(event, RegistrationChanged) else event.call_id)
            if told is not None:
                self._tell(told, event)

    def _tell(self, told: Callable[[Any], None], event: Event) -> None:
        try:
            told(event)
        except Exception as error:  # noqa: BLE001  # one call's fault must not keep others from being told
            self._complain(error, type(event).__name__)

    def _complain(self, error: Exception, over: str) -> None:
        spare_ctrl_c(error)
        self._complaints.tell(
            _log.error,
            "sip.endpoint_failed",
            over,
            error=error,
            trace=True,
            over=over,
            remedy="an error within dialerd's SIP plugin; the endpoint goes on: report it, with this line",
        )

    def _arrived(self, data: bytes, flow: Flow) -> None:
        try:
            self.ua.receive_datagram(data, flow, self._clock())
        except Exception as error:  # noqa: BLE001  # whatever a stranger sends, the endpoint goes on
            self._complain(error, "receive")

    def _flow_failed(self, flow: Flow, why: str) -> None:
        self._failed[flow] = why
        if not self._pumping:
            self.pump()

    def _set_timer(self) -> None:
        """Have the timer's task wake no later than the next deadline; earlier than needed does no harm."""
        deadline = self.ua.next_deadline()
        if deadline is not None and deadline < self._wake_at:
            self._wake_at = self._timer.deadline = deadline

    async def _tick(self) -> None:
        while True:
            deadline = self.ua.next_deadline()
            self._wake_at = float("inf") if deadline is None else deadline
            with trio.CancelScope(deadline=self._wake_at) as self._timer:
                await trio.sleep_forever()
            if self._clock() - self._wake_at > _STALLED_S:
                # an answer that waits in the socket must not be missed by the timer that says that none came
                self._datagrams.catch_up()
            try:
                self.ua.handle_timer(self._clock())
            except Exception as error:  # noqa: BLE001  # one call's fault must not stop the timers of others
                self._complain(error, "timer")
            self.pump()

    async def run(self, started: Callable[[], None]) -> None:
        """Carry messages until cancelled or closed; `started` is called when it does."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._datagrams.receive)
            nursery.start_soon(self._datagrams.flush)
            nursery.start_soon(self._tick)
            self._connections.start(nursery)
            started()

    def close(self) -> None:
        """Close all sockets at once; the port is free then."""
        self._connections.close()
        self._datagrams.close()

    # what trunks and calls need

    def listen(self, key: str, told: Callable[[Event], None]) -> None:
        """Have `told` called with each event of a Call-ID, or of a registration's name; synchronous."""
        self._told[key] = told

    def unlisten(self, key: str) -> None:
        """Have it called no more."""
        self._told.pop(key, None)

    def watch(self, told: Callable[[TargetChanged], None]) -> None:
        """Have `told` called when any target of this endpoint begins or ceases to answer OPTIONS; synchronous."""
        self._watchers[told] = None

    def unwatch(self, told: Callable[[TargetChanged], None]) -> None:
        """Have it called no more."""
        self._watchers.pop(told, None)

    def reaches(self, flow: Flow) -> bool:
        """Tell whether a flow's peer has an address of the family that this endpoint is bound to."""
        return self._routes.reaches(flow.host)

    async def open(self, flow: Flow, security: Security | None = None) -> None:
        """See to it that bytes for a flow go out at once: a connection is opened, where it is one of TCP or TLS.

        Args:
            flow: where to.
            security: how its TLS is checked; remembered for when the connection has to be opened again.

        Raises:
            FlowError: it cannot be opened.
        """
        if flow.transport is Transport.UDP:
            self._routes.towards(flow.host)
        else:
            await self._connections.open(flow, security)

    async def flow_for(self, flow: Flow, size: int) -> Flow:
        """Return the flow that a request of so many bytes goes over: TCP instead of UDP where it is long and the peer
        has TCP, else the same (RFC 3261 section 18.1.1). It is to be asked before the Via is written.

        Args:
            flow: where the request would go.
            size: its length in bytes, with room for what an answered challenge adds.
        """
        if flow.transport is not Transport.UDP or size <= LONGEST_DATAGRAM:
            return flow
        return await self._connections.instead_of(flow)

    def accept_with(self, security: Security) -> None:
        """Accept connections over TLS with a certificate, from now on; without one nothing changes.

        Raises:
            FlowError: its files cannot be used.
        """
        self._connections.accept_with(security)

    def local_address(self, flow: Flow) -> tuple[str, int]:
        """Return our address as the peer of a flow is to see it in Via and Contact: the bind address, or the one that
        the machine's routes use for it, unless the trunk's options name another.

        Raises:
            FlowError: no route leads there.
        """
        return self._routes.towards(flow.host), self.port


@asynccontextmanager
async def endpoint_at(
    bind: str, timing: Timing | None = None, security: Security | None = None
) -> AsyncIterator[Endpoint]:
    """Open the endpoint of a bind address, `host:port`, or share the one that is open; the last to leave closes it.

    Args:
        bind: `host:port`.
        timing: the user agent's timers; the last ones given count, so that a reload changes them.
        security: with our certificate, where connections over TLS are to be accepted; the last one given counts.

    Raises:
        BindError: the address cannot be used.
    """
    host, port = parse_bind(bind)
    async with shared((host, port), lambda: Endpoint(bind, timing)) as endpoint:
        if timing is not None:
            endpoint.ua.set_timing(timing)
        if security is not None:
            endpoint.accept_with(security)
        yield endpoint
