"""A daemon's inside where things happen: a store, an engine over the simulator, and the events."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import trio
from attrs import frozen
from sqlalchemy import text

from dialerd.engine.clock import Clock, SystemClock, VirtualClock
from dialerd.engine.engine import Engine
from dialerd.intake.reading import Reader
from dialerd.model.campaign import CampaignSpec, ZoneGroup
from dialerd.model.settings import (
    AgentSettings,
    ApiSettings,
    DaemonSettings,
    NumberSettings,
    PersonSettings,
    QuietHours,
    Settings,
    TrunkSettings,
)
from dialerd.model.states import CampaignState
from dialerd.operations.events import Events
from dialerd.operations.follower import Follower
from dialerd.operations.ground import Ground
from dialerd.plugin.host import PluginHost
from dialerd.store import campaigns, recipients
from dialerd.store.database import MEMORY
from dialerd.store.records import NewCampaign, RecipientBatch
from dialerd.store.store import Store, open_store

TOLD = "SELECT id FROM notices ORDER BY id"


def settings(talk: str = "0ms", lines: int = 20, **api: Any) -> Settings:
    """Return settings of one simulated trunk whose calls are answered at once."""
    options = {"ring_time": "0ms", "talk_time": talk, "outcomes": {"answered": 1}}
    trunk = TrunkSettings(provider="simulator", max_concurrent=lines, countries=("GB",), options=options)
    return Settings(
        daemon=DaemonSettings(max_concurrent=lines, drain=1_000),
        api=ApiSettings(**api),
        trunks={"sim": trunk},
        numbers={"+447111999001": NumberSettings(trunk="sim")},
        agents={"a": AgentSettings(say="hello")},
        quiet_hours=QuietHours(enabled=False),
        person=PersonSettings(cooldown=0),
    )


@frozen(kw_only=True, eq=False)
class Place:
    """What is at work."""

    store: Store
    engine: Engine
    events: Events
    ground: Ground
    clock: Clock

    async def dial(self, count: int, name: str = "x") -> int:
        """Store a campaign of so many people, let the engine have it, and return its key."""
        spec = CampaignSpec(name=name, agent="a")
        now = self.clock.now()
        new = NewCampaign(spec=spec, uid=name, timezone="UTC", start_at=None, end_at=None, created_at=now)
        key = await self.store.write(campaigns.begin, new)
        rows = [[i + 1, f"+447111{i:06}", 0, None, None, None, None] for i in range(count)]
        group = ZoneGroup(country="GB", zones=("Europe/London",))
        batch = RecipientBatch(groups=(group,), rows=msgspec.json.encode(rows).decode(), count=count)
        assert not await self.store.write_bulk(recipients.add, key, batch)
        await self.store.write(lambda c: campaigns.publish(c, key, state=CampaignState.SCHEDULED, taken=None, now=now))
        await self.engine.campaigns.adopt(key)
        return key

    async def dialled(self, key: int) -> None:
        """Wait until a campaign is over."""
        with trio.fail_after(60):
            while (campaign := self.engine.campaigns.by_key(key)) is not None:
                await campaign.ended.wait()

    async def rows(self, query: str, **values: object) -> list[Any]:
        """Return what a query finds."""
        return await self.store.read(lambda c: [tuple(row) for row in c.execute(text(query), values)])

    async def ids(self) -> list[int]:
        """Return the ids of the notices that there are."""
        return [row[0] for row in await self.rows(TOLD)]


@asynccontextmanager
async def place(
    path: Path | None,
    wanted: Settings | None = None,
    *,
    ending: Callable[[], Awaitable[None]] | None = None,
    **parts: Any,
) -> AsyncIterator[Place]:
    """Run store, engine and events until the block ends, and stop them as the daemon does.

    Args:
        path: the database's file; None = one in memory, with a virtual wall clock.
        wanted: the settings; None = `settings()`.
        ending: awaited between the engine's end and that of the events.
        parts: further arguments of `Engine`.
    """
    url = MEMORY if path is None else f"sqlite:///{path}"
    clock: Clock = VirtualClock(int(time.time() * 1_000)) if path is None else SystemClock()
    chosen = wanted or settings()
    async with open_store(url) as store:
        engine = Engine(store, chosen, PluginHost().make_provider, clock, random=Random(1), **parts)

        async def reload() -> None:
            raise NotImplementedError

        ground = Ground(
            store=store,
            engine=engine,
            reader=Reader(),
            settings=lambda: engine.settings,
            now=clock.now,
            scratch=Path("/nowhere"),
            reload=reload,
            standing=str,
        )
        events = Events(ground)
        async with trio.open_nursery() as outer:
            outer.start_soon(events.run)
            async with trio.open_nursery() as nursery:
                await nursery.start(engine.run)
                yield Place(store=store, engine=engine, events=events, ground=ground, clock=clock)
                engine.stop()
            if ending is not None:
                await ending()
            await events.finish()
            outer.cancel_scope.cancel()


def ids_of(data: bytes) -> list[int]:
    """Return the ids of the events in a whole number of events' text, `lost` left out."""
    blocks = [dict(line.split(": ", 1) for line in block.split("\n")) for block in data.decode().split("\n\n") if block]
    return [int(block["id"]) for block in blocks if block.get("event", "lost") != "lost"]


def lost_in(data: bytes) -> list[dict[str, int]]:
    """Return what `lost` events say."""
    blocks = [dict(line.split(": ", 1) for line in block.split("\n")) for block in data.decode().split("\n\n") if block]
    return [msgspec.json.decode(block["data"]) for block in blocks if block.get("event") == "lost"]


async def take(follower: Follower, upto: int, within_s: float = 20.0) -> list[int]:
    """Return the ids that a follower gets until it has had everything up to an id."""
    ids: list[int] = []
    with trio.fail_after(within_s):
        while follower.last < upto:
            ids += ids_of(await anext(follower))
    return ids
