"""Keeping providers up: each trunk's provider is entered in a task of its own, and entered again when it fails to.

A trunk whose provider is not up takes no calls; its campaigns wait, the others go on.
"""

import math
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Final, cast

import structlog
import trio
from attrs import define, evolve, field

from dialerd.engine.breach import meant
from dialerd.engine.lines import Lines, Trunk
from dialerd.model.errors import DialerdError, PluginError
from dialerd.model.settings import Settings, TrunkSettings
from dialerd.plugin.provider import Provider, TrunkSite
from dialerd.plugin.raised import words
from dialerd.plugin.sites import site_of
from dialerd.rules.rests import LONGEST_REST_S, rest_s

_log = structlog.get_logger()

_PATIENCE_S = 10.0  # how long a start or a reload waits for providers
_ENTER_S = 120.0  # a provider that has not come up by then is left, and tried again
_EXIT_S = 30.0  # one that has not closed by then is cancelled
_CALLS_OF_A_PROVIDER: Final = ("place", "reconcile", "follow")

MakeProvider = Callable[[TrunkSite, TrunkSettings], Provider]
"""Makes the provider of a trunk from its site and its table."""


@define(eq=False)
class _Keeper:
    """The task that keeps one provider.

    Args:
        trunk: whose provider.
        settings: what it was made from.
        site: what else it was made from.
        leave: set when it is to be left.
        tried: set once it came up or failed to.
    """

    trunk: Trunk
    settings: TrunkSettings
    site: TrunkSite
    leave: trio.Event = field(factory=trio.Event)
    tried: trio.Event = field(factory=trio.Event)


class Trunks:
    """Keeps the providers of all trunks.

    Args:
        nursery: whose tasks they are; outlives every call.
        lines: the trunks.
        make: makes providers.
        changed: called when a trunk came up, or is to be tried again at once.
        settings: tells the daemon's settings, from which the sites are.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        lines: Lines,
        make: MakeProvider,
        changed: Callable[[], None],
        settings: Callable[[], Settings],
    ) -> None:
        self._nursery = nursery
        self._lines = lines
        self._make = make
        self._changed = changed
        self._settings = settings
        self._keepers: dict[str, _Keeper] = {}
        self._left = False

    async def update(self) -> None:
        """Bring up what is new or has other options or another site, and let go of what is gone.

        Returns when each has been tried once; one whose provider takes its time comes up by and by.
        """
        settings = self._settings()
        for name, keeper in list(self._keepers.items()):
            trunk = self._lines.trunks.get(name)
            if trunk is not keeper.trunk or _wants_another(keeper, trunk.settings, site_of(name, settings)):
                del self._keepers[name]
                keeper.leave.set()
        fresh = []
        for name, trunk in self._lines.trunks.items() if not self._left else ():
            if name not in self._keepers:
                site = evolve(site_of(name, settings), reachable=partial(self._reachable, trunk))
                self._keepers[name] = keeper = _Keeper(trunk, trunk.settings, site)
                self._nursery.start_soon(self._keep, keeper)
                fresh.append(keeper)
        with trio.move_on_after(_PATIENCE_S) as patience:
            for keeper in fresh:
                await keeper.tried.wait()
        if patience.cancelled_caught:
            slow = [keeper.trunk.name for keeper in fresh if not keeper.tried.is_set()]
            _log.warning(
                "trunk.slow",
                trunks=slow,
                waited_s=_PATIENCE_S,
                remedy=f"nothing waits for them any more; one that is not up after {_ENTER_S:g} s is tried again",
            )

    def leave(self) -> None:
        """Let every provider go; their tasks end, and no other is begun."""
        self._left = True
        for keeper in self._keepers.values():
            keeper.leave.set()
        self._keepers.clear()

    def _reachable(self, trunk: Trunk) -> None:
        """Let a trunk's next call go out at once, where it rests; see `TrunkSite`."""
        if trunk.reachable():
            _log.info("trunk.reachable", trunk=trunk.name)
            self._changed()

    async def _keep(self, keeper: _Keeper) -> None:
        failures = 0
        while not keeper.leave.is_set():
            began_s = trio.current_time()
            failure, was_up = await self._serve(keeper)
            keeper.tried.set()
            if trio.current_time() - began_s > LONGEST_REST_S:
                failures = 0  # it was up for a good while
            failures += 1
            if failure is not None:
                if not keeper.leave.is_set():
                    keeper.trunk.failure = _shown(failure)
                _log.error(
                    "trunk.failed",
                    trunk=keeper.trunk.name,
                    was_up=was_up,
                    error=words(failure),
                    retry_s=None if keeper.leave.is_set() else rest_s(failures),
                    remedy="its campaigns wait and the others go on; look at its options, at the carrier and at what "
                    "its plugin logged",
                )
            with trio.move_on_after(rest_s(failures)):
                await keeper.leave.wait()

    async def _serve(self, keeper: _Keeper) -> tuple[BaseException | None, bool]:
        """Enter a provider and keep it until it is to be left; one that fails only keeps its trunk down.

        Returns:
            What failed, and whether it had been up.
        """
        trunk = keeper.trunk
        failure: BaseException | None = None
        was_up = False
        with trio.CancelScope(deadline=trio.current_time() + _ENTER_S) as patience:
            try:
                async with AsyncExitStack() as stack:
                    provider = _usable(await stack.enter_async_context(self._make(keeper.site, keeper.settings)))
                    patience.deadline = math.inf
                    try:
                        was_up = True
                        await self._lend(keeper, provider)
                    finally:  # from here on it closes
                        patience.deadline = trio.current_time() + _EXIT_S
            except BaseException as error:  # noqa: BLE001  # a plugin's fault keeps its trunk down, nothing else
                failure = meant(error)
            finally:
                if trunk.kept_by is keeper:
                    trunk.provider = None
        if patience.cancelled_caught:
            failure = failure or TimeoutError(
                f"it did not close within {_EXIT_S:g} s" if was_up else f"it did not come up within {_ENTER_S:g} s"
            )
        return failure, was_up

    async def _lend(self, keeper: _Keeper, provider: Provider) -> None:
        """Let the trunk's calls go over a provider until it is to be left and has none any more."""
        if keeper.leave.is_set():  # another has taken its place while it came up
            return
        trunk = keeper.trunk
        trunk.provider = provider
        trunk.kept_by = keeper
        trunk.failure = None
        trunk.providers.insert(0, provider)
        try:
            _log.info("trunk.up", trunk=trunk.name, provider=keeper.settings.provider)
            self._changed()
            keeper.tried.set()
            await keeper.leave.wait()
            if trunk.kept_by is keeper:
                trunk.provider = None
            # it ends: a call that a provider does not return is taken from it in the end
            while trunk.calls_by_provider.get(id(provider)):  # noqa: ASYNC110  # seldom, not worth an event a call
                await trio.sleep(1.0)
        finally:
            trunk.providers = [other for other in trunk.providers if other is not provider]


def _shown(failure: BaseException) -> str:
    """Return what people are shown of why a provider is not up: the words of ours and of the system, without secrets.

    Others' errors may hold anything, such as a URL with a login; the log, which leaves that out, has them.
    """
    if isinstance(failure, DialerdError):
        return words(failure).removeprefix(f"{type(failure).__name__}: ")
    return words(failure) if isinstance(failure, OSError) else f"{type(failure).__name__}, the log says more"


def _usable(entered: object) -> Provider:
    """Return what a provider's `__aenter__` returned.

    Raises:
        PluginError: it is no provider.
    """
    if not all(callable(getattr(entered, name, None)) for name in _CALLS_OF_A_PROVIDER):
        raise PluginError(f"its __aenter__ returned {words(entered)}; it must return the provider: return self")
    return cast("Provider", entered)


def _wants_another(keeper: _Keeper, table: TrunkSettings, site: TrunkSite) -> bool:
    """Tell whether a trunk's table and site want another provider than the one that is kept."""
    made = keeper.settings
    return (made.provider, made.options, keeper.site) != (table.provider, table.options, site)
