"""Where a trunk's calls go: its server's addresses in the order of trying, without those that answer nothing, and how
we look from there. Knows nothing of single calls.
"""

from collections.abc import Callable, Iterable
from typing import Final

import structlog
import trio

from dialerd.model.instants import SECOND
from dialerd.plugin.complaints import Complaints
from dialerd.plugin.provider import TrunkSite
from dialerd_sip.core.events import TargetChanged
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.health import Health
from dialerd_sip.core.plan import Target
from dialerd_sip.identity import Headers
from dialerd_sip.numbers import escaped, request_uri
from dialerd_sip.options import SipOptions
from dialerd_sip.shell.endpoint import LONGEST_DATAGRAM, Endpoint
from dialerd_sip.shell.errors import FlowError
from dialerd_sip.shell.resolving import ResolveError, Resolver
from dialerd_sip.shell.tls import Security

_log = structlog.get_logger()

_TARGETS: Final = 4  # that one call is tried at: more would outlast any ring timeout
_FIRST_WORD_S: Final = 4.0  # for which a trunk that comes up waits for somebody to answer
_AGAIN_S: Final = 30.0  # between two looks at the DNS
_SAME_S: Final = 1.0  # for which what a name leads to is not gone into again, while it leads there
_TRUSTED: Final = 64  # addresses that requests are taken from: those of now, and the last ones before

_LONG: Final = 800
"""Bytes of an INVITE without the headers of its trunk: ours, addresses of usual length and an offer."""
_CREDENTIALS: Final = 380
"""Bytes of credentials as they are long: SHA-256, and the nonces that servers make."""


class NoTarget(Exception):
    """There is nowhere to send a call to; the message says why and what to do."""


class Trunk:
    """Where the calls of one trunk go.

    Args:
        site: the trunk's.
        options: its options.
        endpoint: over which they go.
        resolver: where names lead.
        security: how connections over TLS are checked.

    Attributes:
        reachable: to be told when something that kept calls back is over; something else may still.
    """

    def __init__(
        self, site: TrunkSite, options: SipOptions, endpoint: Endpoint, resolver: Resolver, security: Security
    ) -> None:
        self.reachable = site.reachable
        self._name = site.name
        self._options = options
        self._endpoint = endpoint
        self._resolver = resolver
        self._security = security
        self._server = options.outbound_proxy or options.server
        self._before = (f"<sip:{options.outbound_proxy};lr>",) if options.outbound_proxy else ()
        self._seen: dict[tuple[str, Transport], tuple[str, str]] = {}
        self._hosts: dict[str, None] = {}
        self._found: tuple[Flow, ...] = ()  # what the name led to when it was last gone into
        self._found_at = 0.0
        self._routes: tuple[Flow, ...] = ()  # what came of that
        self._lost = False  # there was no way to it when it was last looked at
        self._complaints = Complaints()
        self._word = trio.Event()
        self._told: dict[Flow, bool] = {}
        self._follower: Callable[[tuple[Flow, ...]], None] | None = None
        self._followed: frozenset[Flow] = frozenset()
        interval = options.options_interval
        self._health = Health(endpoint.ua, interval / SECOND) if interval else None

    async def look(self) -> tuple[Flow, ...]:
        """Look where the server's name leads, take requests from there, and have each address asked.

        Raises:
            NoTarget: it leads nowhere now.
        """
        try:
            flows = (await self._resolver.flows(self._server, self._options.transport))[:_TARGETS]
        except ResolveError as error:
            raise NoTarget(str(error)) from error
        now = self._endpoint.now
        if flows == self._found and now - self._found_at < _SAME_S:
            return self._routes
        found, flows = flows, tuple(flow for flow in flows if self._endpoint.reaches(flow))
        if not flows:
            raise NoTarget(
                f"no address of {self._server} is of the family of bind ({self._options.bind}); bind one of that family"
            )
        flows = self._routed(flows)
        self._trust(flow.host for flow in flows)
        if self._health is not None and self._health.watch(
            {flow: self.target(flow, "sip:" + self.domain) for flow in flows}, now
        ):
            self._endpoint.pump()
        self._found, self._found_at, self._routes = found, now, flows
        return flows

    def _routed(self, flows: tuple[Flow, ...]) -> tuple[Flow, ...]:
        """Return those to which a route leads; a network that is away for a while comes back.

        Raises:
            NoTarget: there is none.
        """
        routed, trouble = [], None
        for flow in flows:
            try:
                self._endpoint.local_address(flow)
            except FlowError as error:
                trouble = error
            else:
                routed.append(flow)
        if not routed:
            raise NoTarget(f"{trouble}; see to this machine's network, or correct server")
        return tuple(routed)

    async def all_targets(self, user: str) -> tuple[Target, ...]:
        """Return all places that a call may have gone to, also those that do not answer.

        Args:
            user: user part of its Request-URI.

        Raises:
            NoTarget: there is nowhere now.
        """
        uri = request_uri(user, self.domain, self._options)
        return tuple([self.target(flow, uri) for flow in await self.look()])

    async def targets(self, user: str) -> tuple[Target, ...]:
        """Return where a call is to be tried, in order.

        Args:
            user: user part of its Request-URI.

        Raises:
            NoTarget: there is nowhere now.
        """
        flows = await self.look()
        alive = flows if self._health is None else tuple(flow for flow in flows if not self._health.is_dead(flow))
        if not alive:
            raise NoTarget(
                f"no address of {self._server} answers OPTIONS; see that the trunk is there, or set options_interval = "
                '"0s" where it does not answer them'
            )
        uri = request_uri(user, self.domain, self._options)
        return tuple([self.target(flow, uri) for flow in alive])

    async def open_targets(self, user: str, headers: Headers) -> tuple[Target, ...]:
        """Return where a call is to be tried, from the first place on to which the way is open.

        Where the DNS chose UDP, an INVITE that is too long for it goes over TCP, if the far end has that: RFC 3261
        section 18.1.1. Who wrote `transport` into the options has chosen.

        Args:
            user: user part of its Request-URI.
            headers: of its INVITE.

        Raises:
            NoTarget: there is nowhere now.
        """
        targets = await self.targets(user)
        long = length_of(self._options, headers)
        trouble: NoTarget | None = None
        for at, target in enumerate(targets):
            flow = target.flow
            if self._options.transport is None and long > LONGEST_DATAGRAM:
                flow = await self._endpoint.flow_for(flow, long)
            try:
                await self.open(flow)
            except NoTarget as error:
                trouble = error
                continue
            first = target if flow is target.flow else self.target(flow, target.uri)
            return (first, *targets[at + 1 :])
        assert trouble is not None, "there is a target, or targets() says why not"
        raise trouble

    async def open(self, flow: Flow) -> None:
        """See to it that what is sent over a flow goes out at once.

        Raises:
            NoTarget: it cannot be opened.
        """
        try:
            await self._endpoint.open(flow, self._security)
        except FlowError as error:
            raise NoTarget(str(error)) from error

    def follow(self, moved: Callable[[tuple[Flow, ...]], None] | None) -> None:
        """Have `moved` called with the server's addresses each time they have been looked at; None = no more."""
        self._follower = moved

    async def keep_looking(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look again and again until cancelled; started when an address has answered, or a while has passed."""
        self._endpoint.watch(self._changed)
        try:
            await self._look_once()
            if self._health is not None:
                with trio.move_on_after(_FIRST_WORD_S):
                    await self._word.wait()
            task_status.started()
            while True:
                await trio.sleep(_AGAIN_S)
                await self._look_once()
        finally:
            self._endpoint.unwatch(self._changed)
            if self._health is not None:
                self._health.stop()
            self._endpoint.ua.trust(self, frozenset())

    async def _look_once(self) -> None:
        try:
            flows = await self.look()
            # of more addresses than are tried, each look draws others: that is no move
            if self._follower is not None and (len(flows) < _TARGETS or self._followed.isdisjoint(flows)):
                self._followed = frozenset(flows)
                self._follower(flows)
            lost = not [flow for flow in flows if await self._is_open(flow)]
        except NoTarget as error:
            self._tell_not_found(error)
            lost = True
        if self._lost and not lost:
            self.reachable()
        self._lost = lost

    async def _is_open(self, flow: Flow) -> bool:
        """Open a flow that is a connection; tell whether that could be done."""
        if flow.transport is not Transport.UDP:
            try:
                await self.open(flow)
            except NoTarget as error:
                self._tell_not_found(error)
                return False
        return True

    def _tell_not_found(self, error: NoTarget) -> None:
        self._complaints.tell(
            _log.warning,
            "sip.server_not_found",
            self._server,
            trunk=self._name,
            reason=str(error),
            remedy="calls of this trunk wait until its server is found: see server and transport in its options, "
            "and the DNS",
        )

    def _changed(self, event: TargetChanged) -> None:
        if self._health is None or event.flow not in self._health.watched:
            return
        self._word.set()
        # another trunk of this endpoint asks the same address, and may know earlier or later
        if self._health.is_alive(event.flow) is not event.alive or self._told.get(event.flow) is event.alive:
            return
        self._told = {flow: told for flow, told in self._told.items() if flow in self._health.watched}
        self._told[event.flow] = event.alive
        address = f"{event.flow.host}:{event.flow.port}"
        if event.alive:
            _log.info("sip.target_found", trunk=self._name, target=address, transport=event.flow.transport.value)
            self.reachable()
        else:
            _log.warning(
                "sip.target_lost",
                trunk=self._name,
                target=address,
                transport=event.flow.transport.value,
                reason=event.reason,
                remedy="it does not answer OPTIONS, and gets no calls until it does: see that the trunk is there, or "
                'set options_interval = "0s" where it does not answer them',
            )

    def _trust(self, hosts: Iterable[str]) -> None:
        before = tuple(self._hosts)
        for host in hosts:
            self._hosts.pop(host, None)
            self._hosts[host] = None
        while len(self._hosts) > _TRUSTED:
            del self._hosts[next(iter(self._hosts))]
        if tuple(self._hosts) != before:
            self._endpoint.ua.trust(self, frozenset(self._hosts))

    @property
    def domain(self) -> str:
        """The host of Request-URIs, with its port where one is given."""
        return self._options.server

    def target(self, flow: Flow, uri: str) -> Target:
        """Return a place to send requests to, with our addresses as they are seen there.

        Args:
            flow: the way.
            uri: Request-URI there.
        """
        host, _ = self._endpoint.local_address(flow)
        contact, sent_by = self._seen_at(self._options.public_address or host, flow.transport)
        return Target(flow=flow, uri=uri, contact=contact, sent_by=sent_by, routes=self._before)

    def _seen_at(self, host: str, transport: Transport) -> tuple[str, str]:
        """Return our Contact, and our host and port, at an address of ours; the same ones for call after call."""
        known = self._seen.get((host, transport))
        if known is None:
            if len(self._seen) >= _TRUSTED:
                self._seen.clear()
            sent_by = f"[{host}]:{self._endpoint.port}" if ":" in host else f"{host}:{self._endpoint.port}"
            user = escaped(self._options.username or "dialerd")
            parameter = "" if transport is Transport.UDP else f";transport={transport}"
            known = self._seen[host, transport] = f"<sip:{user}@{sent_by}{parameter}>", sent_by
        return known


def length_of(options: SipOptions, headers: Headers) -> int:
    """Return how many bytes an INVITE has about, with credentials where the trunk may ask for them.

    Args:
        options: the trunk's.
        headers: of the INVITE, the trunk's own.
    """
    credentials = 0 if options.username is None else _CREDENTIALS
    return _LONG + credentials + sum(len(name) + len(value) + 4 for name, value in headers)
