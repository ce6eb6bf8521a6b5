"""A trunk's registration: it comes about before the trunk is up, hinders calls while it is lost, and is taken back.

Knows nothing of calls.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog
import trio

from dialerd.model.errors import DialerdError
from dialerd.model.instants import SECOND
from dialerd_sip.core.digest import Credentials
from dialerd_sip.core.events import Event, RegistrationChanged
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.registration import Registration, RegistrationPlan
from dialerd_sip.numbers import escaped, host_of
from dialerd_sip.options import SipOptions
from dialerd_sip.shell.endpoint import Endpoint
from dialerd_sip.trunk import NoTarget, Trunk

_log = structlog.get_logger()

_MUST_WAIT_S: Final = (60.0, 300.0, 900.0)
"""Seconds after a refusal in which a trunk that comes up anew sends no REGISTER; the last one for ever. The daemon
starts a trunk again after one second, two, four: who is refused as fast as that is locked out, or its address is."""

_COMES_S: Final = 40.0  # longer than a registrar's silence, shorter than the engine waits for a trunk
_GOES_S: Final = 5.0  # for which a trunk that goes down waits for its registration to be taken back


Asked = tuple[str, str, Credentials | None]
"""Who wants to be registered, where, and with what: other credentials are tried at once."""


class Registering:
    """A registration.

    Args:
        trunk_name: the trunk's name.
        reachable: told when it comes about.

    Attributes:
        hindrance: why no call may be placed now, or None.
        refused: the registrar said no, and would again.
    """

    def __init__(self, trunk_name: str, reachable: Callable[[], None]) -> None:
        self._trunk_name = trunk_name
        self._reachable = reachable
        self._told = trio.Event()
        self.hindrance: str | None = "the trunk is not registered yet"
        self.refused = False

    def take(self, event: Event) -> None:
        """Take what became of the registration."""
        if not isinstance(event, RegistrationChanged):
            return
        self.refused = event.refused
        if event.registered:
            self.hindrance = None
            _log.info("sip.registered", trunk=self._trunk_name)
            self._reachable()
        else:
            self.hindrance = f"the trunk is not registered: {event.reason or 'it was taken back'}"
            if event.reason is not None:
                _log.warning(
                    "sip.registration_lost",
                    trunk=self._trunk_name,
                    reason=event.reason,
                    remedy="calls of this trunk wait, and it registers again by itself; where it is refused, correct "
                    "username and password in its options",
                )
        self._told.set()

    async def settled(self) -> None:
        """Wait until it has come about, or has failed."""
        while not self._told.is_set():
            await self._told.wait()

    def expect(self) -> None:
        """Wait for the next change from now on."""
        self._told = trio.Event()


_refused: trio.lowlevel.RunVar[dict[Asked, tuple[int, float]]] = trio.lowlevel.RunVar("sip_refused")


def _refusals() -> dict[Asked, tuple[int, float]]:
    """Return how often who was refused, and until when nobody is asked again."""
    try:
        return _refused.get()
    except LookupError:
        found: dict[Asked, tuple[int, float]] = {}
        _refused.set(found)
        return found


@asynccontextmanager
async def registered(
    name: str, options: SipOptions, endpoint: Endpoint, trunk: Trunk, credentials: Credentials | None
) -> AsyncIterator[Registering | None]:
    """Keep a trunk registered, where its options ask for it.

    Args:
        name: the trunk's.
        options: its options.
        endpoint: over which it registers.
        trunk: where.
        credentials: with what, or None.

    Raises:
        DialerdError: the registration was refused, or nobody answered.
    """
    if not options.register:
        yield None
        return
    registering = Registering(name, trunk.reachable)
    domain = options.from_domain or host_of(options.server)
    try:
        targets = tuple(trunk.target(flow, f"sip:{trunk.domain}") for flow in await trunk.look())
    except NoTarget as error:
        raise DialerdError(str(error)) from error
    plan = RegistrationPlan(
        name=f"register {name} {id(registering)}",
        aor=f"sip:{escaped(options.from_user or options.username or '')}@{domain}",
        targets=targets,
        credentials=credentials,
        expires=options.register_expires // SECOND,
    )
    refusals = _refusals()
    asked = plan.aor, options.server, credentials
    times, until = refusals.get(asked, (0, 0.0))
    if (left := until - trio.current_time()) > 0:
        raise DialerdError(
            f"the registrar refused this account, and is asked again in {left:.0f} s; see server, username and "
            "password in the options"
        )
    registration = Registration(endpoint.ua, plan)
    endpoint.listen(plan.name, registering.take)

    def moved(flows: tuple[Flow, ...]) -> None:
        registration.retarget(tuple(trunk.target(flow, f"sip:{trunk.domain}") for flow in flows), endpoint.now)
        endpoint.pump()

    registration.start(endpoint.now)
    endpoint.pump()
    trunk.follow(moved)
    try:
        with trio.move_on_after(_COMES_S):
            await registering.settled()
        if registering.refused:
            refusals[asked] = times + 1, trio.current_time() + _MUST_WAIT_S[min(times, len(_MUST_WAIT_S) - 1)]
        elif registering.hindrance is None:
            refusals.pop(asked, None)
        if registering.hindrance is not None:
            raise DialerdError(f"{registering.hindrance}; see server, username and password in the options")
        yield registering
    finally:
        trunk.follow(None)
        registering.expect()
        registration.stop(endpoint.now)
        endpoint.pump()
        with trio.move_on_after(_GOES_S) as scope:
            scope.shield = True
            await registering.settled()
        endpoint.unlisten(plan.name)
