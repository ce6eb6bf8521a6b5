"""The operations at a desk: all of them, over a running engine with its store, on the engine's bench."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio
from attrs import define

from dialerd.intake.reading import Reader
from dialerd.model.campaign_view import Created
from dialerd.model.once import Once
from dialerd.model.settings import Settings
from dialerd.operations.ground import Ground
from dialerd.operations.operations import Operations

sys.path.append(str(Path(__file__).parents[1] / "engine"))

from rig import Phones, Rig, number, rig  # lies where the line above points


@define(eq=False)
class Desk:
    """The operations of a running engine.

    Args:
        bench: the engine with its store and its clock.
        operations: what may be asked of it.
    """

    bench: Rig
    operations: Operations

    async def create(
        self, people: int = 3, *, once: Once | None = None, draft: bool | None = None, launch: bool = False, **spec: Any
    ) -> Created:
        """Create a campaign of so many made-up people by its document."""
        return await self.operations.campaigns.create_document(
            document(people, **spec), once=once, draft=draft, launch=launch
        )

    async def over(self, campaign: str, within_s: float = 3_600.0) -> None:
        """Wait until a campaign is over."""
        live = self.bench.engine.campaigns.campaign(await self.operations.campaigns.uid(campaign))
        with trio.fail_after(within_s):
            await live.ended.wait()


def document(people: int = 3, **spec: Any) -> bytes:
    """Return a campaign document of so many made-up people."""
    everybody = [{"phone": number(i)} for i in range(people)]
    keys = {"name": "x", "agent": "a", "recipients": everybody} | spec
    return msgspec.json.encode({key: value for key, value in keys.items() if value is not None})


@asynccontextmanager
async def desk(phones: Phones, scratch: Path, wanted: Settings | None = None, **parts: Any) -> AsyncIterator[Desk]:
    """Run an engine with its operations until the block ends.

    Args:
        phones: the provider of every trunk, or one by trunk.
        scratch: a directory for what is on its way.
        wanted: the settings; None = the rig's.
        parts: further arguments of `rig`.
    """
    async with rig(phones, wanted, **parts) as bench, Reader() as reader:

        async def reload() -> None:
            await bench.engine.reload(bench.engine.settings)

        operations = Operations(
            Ground(
                store=bench.store,
                engine=bench.engine,
                reader=reader,
                settings=lambda: bench.engine.settings,
                now=bench.clock.now,
                scratch=scratch,
                reload=reload,
                standing=lambda: "",
            )
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(operations.recipients.run)
            nursery.start_soon(operations.events.run)
            yield Desk(bench, operations)
            nursery.cancel_scope.cancel()
