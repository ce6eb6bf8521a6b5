"""A plugin for tests: a simulated trunk that takes its time to come up, and may want a secret."""

from collections.abc import Iterable
from typing import Self

import trio
from attrs import frozen
from dialerd_simulator import Simulator, SimulatorOptions

from dialerd.model.instants import SECOND, Duration
from dialerd.plugin.hookspecs import ProviderFactory, hookimpl
from dialerd.plugin.provider import TrunkSite
from dialerd.plugin.secrets import read_secret

TOKEN = "a-made-up-token"


@frozen(kw_only=True)
class SlowOptions(SimulatorOptions):
    """What a slow trunk takes, besides what a simulated one does.

    Args:
        comes_up_after: how long it takes to come up.
        token: names the secret that must be `TOKEN`; absent = none is wanted.
    """

    comes_up_after: Duration = 0
    token: str | None = None


class Slow(Simulator):
    """A slow trunk."""

    def __init__(self, site: TrunkSite, options: SlowOptions) -> None:
        super().__init__(site, options)
        self._slow = options

    async def __aenter__(self) -> Self:
        """Come up, in time."""
        if self._slow.token is not None and read_secret(self._slow.token, "token") != TOKEN:
            raise ValueError("the token is wrong")
        await trio.sleep(self._slow.comes_up_after / SECOND)
        return await super().__aenter__()


@hookimpl
def dialerd_providers() -> Iterable[ProviderFactory]:
    """Offer the provider `slow`."""
    return [ProviderFactory(name="slow", options=SlowOptions, make=Slow)]
