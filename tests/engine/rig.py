"""An engine on a bench: a store, a virtual clock, providers made for tests, and a look at what is left afterwards."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec
import trio
from attrs import define, evolve
from sqlalchemy import text

from dialerd.engine.clock import Clock, VirtualClock
from dialerd.engine.engine import Engine
from dialerd.model.campaign import CampaignSpec, ZoneGroup
from dialerd.model.instants import Instant, to_instant
from dialerd.model.settings import (
    AgentSettings,
    NumberSettings,
    PersonSettings,
    QuietHours,
    Settings,
    TrunkSettings,
)
from dialerd.model.states import CampaignState
from dialerd.plugin.provider import Provider, TrunkSite
from dialerd.store import campaigns, recipients, reports
from dialerd.store.database import MEMORY
from dialerd.store.records import CampaignRow, NewCampaign, RecipientBatch, Totals
from dialerd.store.store import Store, open_store

START: Instant = to_instant(datetime(2026, 6, 1, 10, 0, tzinfo=UTC))  # a Monday; 11:00 in London
CALLER_ID = "+441632960001"
OTHER_ID = "+441632960002"
LONDON = ZoneGroup(country="GB", zones=("Europe/London",))
NEW_YORK = ZoneGroup(country="US", zones=("America/New_York",))


def number(i: int) -> str:
    """Return the i-th made-up number; each thousand of them lies in another place."""
    return f"+4471{i // 1000 % 100:02}{i % 1000:03}{i // 100000:03}"


def settings(**changes: Any) -> Settings:
    """Return settings with one trunk, one caller id and one agent, without quiet hours, but for `changes`."""
    wanted: dict[str, Any] = {
        "trunks": {"t": TrunkSettings(provider="phone", max_concurrent=50, countries=("GB", "US"))},
        "numbers": {CALLER_ID: NumberSettings(trunk="t")},
        "agents": {"a": AgentSettings(say="hello")},
        "quiet_hours": QuietHours(enabled=False),
        "person": PersonSettings(cooldown=0),
    }
    return Settings(**wanted | changes)


class RealClock:
    """A wall clock that begins at an instant of the test's and goes with the host's.

    Args:
        start: what it reads now.
    """

    recheck_s = 1.0

    def __init__(self, start: Instant) -> None:
        self._start = start
        self._zero = time.monotonic()

    def now(self) -> Instant:
        """See `Clock.now`."""
        return self._start + int((time.monotonic() - self._zero) * 1_000)


class SteppedClock(VirtualClock):
    """A wall clock that goes with trio's, and that a test steps.

    Attributes:
        offset: milliseconds by which it was stepped.
    """

    recheck_s = 1.0
    offset = 0

    def now(self) -> Instant:
        """See `Clock.now`."""
        return super().now() + self.offset


@define(eq=False)
class Rig:
    """A running engine with its store.

    Args:
        store: the store.
        engine: the engine.
        clock: its wall clock.
    """

    store: Store
    engine: Engine
    clock: Clock

    async def add(
        self,
        people: int | Iterable[str],
        *,
        name: str = "x",
        groups: Sequence[ZoneGroup] = (LONDON,),
        start_at: Instant | None = None,
        end_at: Instant | None = None,
        limits: Mapping[str, int] | None = None,
        adopt: bool = True,
        timezone: str = "Europe/London",
        agent: str = "a",
        **spec: Any,
    ) -> CampaignRow:
        """Store a campaign and hand it to the engine.

        Args:
            people: numbers, or how many.
            name: its name, its id too.
            groups: zone groups over which the people are spread in turn.
            limits: numbers of attempts of single people.
            adopt: whether the engine is told.
            others: as of `CampaignSpec` and `NewCampaign`.
        """
        numbers = [number(i) for i in range(people)] if isinstance(people, int) else list(people)
        new = NewCampaign(
            spec=CampaignSpec(name=name, agent=agent, **spec),
            uid=name,
            timezone=timezone,
            start_at=start_at,
            end_at=end_at,
            created_at=self.clock.now(),
        )
        key = await self.store.write(campaigns.begin, new)
        rows = [
            [i + 1, called, i % len(groups), None, (limits or {}).get(called), None, None]
            for i, called in enumerate(numbers)
        ]
        for at in range(0, len(rows), 2_000):
            part = rows[at : at + 2_000]
            batch = RecipientBatch(groups=tuple(groups), rows=msgspec.json.encode(part).decode(), count=len(part))
            assert not await self.store.write_bulk(recipients.add, key, batch)
        now = self.clock.now()
        await self.store.write(lambda c: campaigns.publish(c, key, state=CampaignState.SCHEDULED, taken=None, now=now))
        if adopt:
            await self.engine.campaigns.adopt(key)
        (row,) = await self.store.read(campaigns.by_ids, [key])
        return row

    async def over(self, *rows: CampaignRow, within_s: float = 3600.0, poll_s: float = 1.0) -> None:
        """Wait until campaigns are over.

        Args:
            rows: which.
            within_s: seconds of trio's clock after which the test fails.
            poll_s: how often to look.
        """
        with trio.fail_after(within_s):
            for row in rows:
                while self.engine.campaigns.by_key(row.id) is not None:  # noqa: ASYNC110  # it has no event
                    await trio.sleep(poll_s)

    async def totals(self, row: CampaignRow) -> Totals:
        """Return a campaign's counters."""
        return (await self.store.read(reports.totals, [row.id]))[row.id]

    async def state(self, row: CampaignRow) -> CampaignState:
        """Return a campaign's state as it is stored."""
        (found,) = await self.store.read(campaigns.by_ids, [row.id])
        return found.state

    async def rows(self, query: str, **values: object) -> list[Any]:
        """Return what a query finds."""
        return await self.store.read(lambda c: list(c.execute(text(query), values)))

    async def open_attempts(self) -> int:
        """Return how many attempts have no end."""
        return int((await self.rows("SELECT count(*) FROM attempts WHERE ended_at IS NULL"))[0][0])

    async def recipients(self, row: CampaignRow) -> Counter[tuple[str, str | None]]:
        """Return how many recipients stand in which state with which final word."""
        found = await self.rows("SELECT state, final FROM recipients WHERE campaign_id = :key", key=row.id)
        return Counter((state, final) for state, final in found)

    def borrowed(self) -> dict[str, int]:
        """Return the limits of which something is taken."""
        lines = self.engine.lines
        limits = {"daemon": lines.daemon}
        for kind in (lines.trunks, lines.caller_ids, lines.agents):
            limits |= {name: line.limit for name, line in kind.items()}
        return {name: taken for name, limit in limits.items() if (taken := limit.used)}


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until a condition holds; the test fails after some seconds."""
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await trio.sleep(0.002)


Phones = Provider | Mapping[str, Provider]


@asynccontextmanager
async def rig(
    phones: Phones,
    wanted: Settings | None = None,
    *,
    url: str = MEMORY,
    start: Instant = START,
    clock: Clock | None = None,
    clean: bool = True,
    **parts: Any,
) -> AsyncIterator[Rig]:
    """Run an engine until the block ends; then stop it and look that it left nothing behind.

    Args:
        phones: the provider of every trunk, or one by trunk.
        wanted: the settings; None = `settings()`.
        url: the store's.
        start: the wall clock's beginning.
        clock: another wall clock.
        clean: whether every line must be free and no attempt open after the stop.
        parts: further arguments of `Engine`.
    """
    async with open_store(url) as store:
        wall = clock or (VirtualClock(start) if url == MEMORY else RealClock(start))

        def make(site: TrunkSite, _: TrunkSettings) -> Provider:
            return phones[site.name] if isinstance(phones, Mapping) else phones

        engine = Engine(store, wanted or settings(), parts.pop("make", make), wall, random=Random(1), **parts)
        bench = Rig(store, engine, wall)
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            yield bench
            engine.stop()
        if clean:
            assert bench.borrowed() == {}
            assert await bench.open_attempts() == 0


@asynccontextmanager
async def crashed(
    phones: Phones, wanted: Settings | None = None, *, url: str, start: Instant = START, **parts: Any
) -> AsyncIterator[Rig]:
    """Run an engine that is cancelled in the middle of everything when the block ends."""
    async with open_store(url) as store:
        wall = RealClock(start)

        def make(site: TrunkSite, _: TrunkSettings) -> Provider:
            return phones[site.name] if isinstance(phones, Mapping) else phones

        engine = Engine(store, wanted or settings(), make, wall, random=Random(1), **parts)
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            yield Rig(store, engine, wall)
            nursery.cancel_scope.cancel()


async def until_stored(bench: Rig, look: Callable[[], Awaitable[Any]], expected: Callable[[Any], bool] = bool) -> None:
    """Wait until a look into the store finds what is expected; there is one after each write."""
    while True:
        seen = bench.store.writes  # before the look: a write between the two is not waited for in vain
        if expected(await look()):
            return
        await bench.store.written(seen)


def trunk(**changes: Any) -> TrunkSettings:
    """Return the table of a trunk that may ring Britain and the United States."""
    return evolve(TrunkSettings(provider="phone", max_concurrent=50, countries=("GB", "US")), **changes)


TWO = {"t": trunk(countries=("GB",)), "u": trunk(countries=("US",))}
TWO_NUMBERS = {CALLER_ID: NumberSettings(trunk="t"), OTHER_ID: NumberSettings(trunk="u")}


def places(n: int) -> list[str]:
    """Return numbers in as many places."""
    return [number(1000 * i) for i in range(n)]
