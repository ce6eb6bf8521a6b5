"""Keeping providers up: each trunk's provider is entered in a task of its own, and entered again when it fails to.

A trunk whose provider is not up takes no calls; its campaigns wait, the others go on.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog
import trio
from attrs import define, field

from dialerd.engine.lines import Lines, Trunk
from dialerd.model.settings import TrunkSettings
from dialerd.plugin.provider import Provider

_log = structlog.get_logger()

_FIRST_REST_S, _MAX_REST_S = 1.0, 60.0

MakeProvider = Callable[[str, TrunkSettings], Provider]
"""Makes the provider of a trunk from its name and its table."""


@define(eq=False)
class _Keeper:
    """The task that keeps one provider.

    Args:
        trunk: whose provider.
        settings: what it was made from.
        leave: set when it is to be left.
    """

    trunk: Trunk
    settings: TrunkSettings
    leave: trio.Event = field(factory=trio.Event)


class Trunks:
    """Keeps the providers of all trunks.

    Args:
        nursery: whose tasks they are; outlives every call.
        lines: the trunks.
        make: makes providers.
        changed: called when a trunk came up.
    """

    def __init__(self, nursery: trio.Nursery, lines: Lines, make: MakeProvider, changed: Callable[[], None]) -> None:
        self._nursery = nursery
        self._lines = lines
        self._make = make
        self._changed = changed
        self._keepers: dict[str, _Keeper] = {}

    async def update(self) -> None:
        """Bring up what is new or has other options, and let go of what is gone; return when each was tried once."""
        for name, keeper in list(self._keepers.items()):
            trunk = self._lines.trunks.get(name)
            if trunk is not keeper.trunk or trunk.settings.options != keeper.settings.options:
                del self._keepers[name]
                keeper.leave.set()
        async with trio.open_nursery() as first_tries:
            for name, trunk in self._lines.trunks.items():
                if name not in self._keepers:
                    keeper = self._keepers[name] = _Keeper(trunk, trunk.settings)
                    first_tries.start_soon(self._nursery.start, self._keep, keeper)

    def leave(self) -> None:
        """Let every provider go; their tasks end."""
        for keeper in self._keepers.values():
            keeper.leave.set()
        self._keepers.clear()

    async def _keep(self, keeper: _Keeper, task_status: trio.TaskStatus[None]) -> None:
        trunk = keeper.trunk
        rest_s = _FIRST_REST_S
        while not keeper.leave.is_set():
            async with AsyncExitStack() as stack:
                provider = await self._enter(keeper, stack, rest_s)
                if provider is not None:
                    trunk.provider = provider
                    _log.info("trunk.up", trunk=trunk.name, provider=keeper.settings.provider)
                    self._changed()
                    task_status.started()
                    await keeper.leave.wait()
                    if trunk.provider is provider:
                        trunk.provider = None
                    await self._emptied(trunk)
                    return
            if rest_s == _FIRST_REST_S:
                task_status.started()
            with trio.move_on_after(rest_s):
                await keeper.leave.wait()
            rest_s = min(2 * rest_s, _MAX_REST_S)

    async def _enter(self, keeper: _Keeper, stack: AsyncExitStack, rest_s: float) -> Provider | None:
        try:
            provider = self._make(keeper.trunk.name, keeper.settings)
            return await stack.enter_async_context(provider)
        except Exception as error:  # noqa: BLE001  # a plugin that cannot come up keeps its trunk down, nothing else
            _log.error("trunk.failed_to_come_up", trunk=keeper.trunk.name, error=repr(error), retry_s=rest_s)
            return None

    async def _emptied(self, trunk: Trunk) -> None:
        """Wait until the calls that are on a provider's hands have ended, before it is closed."""
        while trunk.limit.limiter.borrowed_tokens:  # noqa: ASYNC110  # seldom, and not worth an event per call's end
            await trio.sleep(1.0)
