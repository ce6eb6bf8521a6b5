"""`GET /v1/events`, as a browser sees it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import httpx
import pytest
import trio
from attrs import frozen
from following import Reader as EventReader
from following import stream

from dialerd.api.app import Api, create_app
from dialerd.engine.clock import VirtualClock
from dialerd.engine.engine import Engine
from dialerd.intake.reading import Reader
from dialerd.model.settings import Settings
from dialerd.operations.events import Events
from dialerd.operations.ground import Ground
from dialerd.operations.operations import Operations
from dialerd.plugin.host import PluginHost
from dialerd.store import notices
from dialerd.store.database import MEMORY
from dialerd.store.store import Store, open_store


@frozen(kw_only=True, eq=False)
class Place:
    """Events without an engine at work: tests say what happens."""

    store: Store
    events: Events
    app: Api

    async def happen(self, *kinds: str, **body: object) -> None:
        """Let things happen, in a transaction each."""
        for kind in kinds:
            now = time.time_ns() // 1_000_000
            await self.store.write(notices.add, kind, "", body, now=now)


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    """Run events until the block ends."""
    async with open_store(MEMORY) as store:
        clock = VirtualClock(time.time_ns() // 1_000_000)
        settings = Settings()
        engine = Engine(store, settings, PluginHost().make_provider, clock, random=Random(1))

        async def reload() -> None:
            raise NotImplementedError

        operations = Operations(
            Ground(
                store=store,
                engine=engine,
                reader=Reader(),
                settings=lambda: settings,
                now=clock.now,
                scratch=Path("/nowhere"),
                reload=reload,
                standing=str,
            )
        )
        events = operations.events
        async with trio.open_nursery() as nursery:
            nursery.start_soon(events.run)
            yield Place(store=store, events=events, app=create_app(operations))
            nursery.cancel_scope.cancel()


async def test_events_are_as_the_standard_says(autojump_clock):
    """Media type, ids, kinds and one line of JSON, whatever the body holds."""
    async with place() as there, stream(there.app) as answer:
        first = await answer.piece()
        assert answer.reader.feed(first) == []
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.reader.retry == 2_000
        assert answer.reader.last_id == "0"
        await there.happen("call.ended", number="+447111000001", said="two\nlines: \u2028 and ✓", none=None)
        await there.store.write(
            lambda c: c.exec_driver_sql(
                "INSERT INTO notices (kind, at, campaign, body) VALUES ('a.b', 1, '', '{\n  \"a\":\r\n 1\n}')"
            )
        )
        one, other = await answer.events(2)
        assert (one.id, one.kind) == ("1", "call.ended")
        assert one.data == {"number": "+447111000001", "said": "two\nlines: \u2028 and ✓", "none": None}
        assert (other.id, other.kind, other.data) == ("2", "a.b", {"a": 1})


@pytest.mark.parametrize("seed", range(20))
async def test_a_browser_that_comes_back_misses_nothing(autojump_clock, seed):
    """However often the connection breaks, also in the middle of an event: what was whole is there once."""
    random = Random(seed)
    got: list[str] = []
    last = ""
    async with place() as there:
        async with stream(there.app) as answer:
            answer.reader.feed(await answer.piece())
            last = answer.reader.last_id
        async with trio.open_nursery() as nursery:

            async def happen() -> None:
                for at in range(300):
                    await there.happen("call.ended", at=at, text="x" * random.randrange(200))
                    await trio.sleep(random.choice([0, 0, 0, 0.01, 0.2]))

            nursery.start_soon(happen)
            by_header = bool(seed % 2)
            while len(got) < 300:
                place_of = {"headers": {"Last-Event-ID": last}} if by_header else {"last_event_id": last}
                async with stream(there.app, **place_of) as answer:
                    reader = EventReader(last_id=last)
                    for _ in range(random.randrange(1, 6)):
                        with trio.move_on_after(random.random() * 2):
                            data = await answer.piece()
                            whole = random.random() < 0.7
                            got += [event.id for event in reader.feed(data if whole else data[: len(data) // 2])]
                            if not whole:
                                break
                    last = reader.last_id
    assert got == [str(number) for number in range(1, 301)]


async def test_silence_is_broken_and_says_how_far_the_stream_is(autojump_clock):
    """Every 15 seconds a comment comes; one who wants little learns besides where to go on."""
    async with place() as there, stream(there.app, kind="campaign.") as answer:
        await answer.piece()
        began = trio.current_time()
        assert await answer.piece() == b":\n\n"
        assert trio.current_time() - began == pytest.approx(15)
        await there.happen("call.ended", "call.ended")
        assert answer.reader.feed(await answer.piece()) == []
        assert answer.reader.last_id == "2"
        assert trio.current_time() - began == pytest.approx(30)
        await there.happen("call.ended", "campaign.running", "call.ended")
        assert [(event.id, event.kind) for event in await answer.events(1)] == [("4", "campaign.running")]


async def test_what_is_not_kept_is_said_first(autojump_clock):
    """`lost` names the id from which on there are events; then those come."""
    async with place() as there, stream(there.app), stream(there.app, headers={"Last-Event-ID": "41"}) as answer:
        await there.happen("call.ended")
        lost, event = await answer.events(2)
        assert (lost.kind, lost.data, lost.id) == ("lost", {"last_event_id": 41, "from": 1}, "0")
        assert (event.kind, event.id) == ("call.ended", "1")


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Last-Event-ID": "x"}, {}),
        ({"Last-Event-ID": "-1"}, {}),
        ({"Last-Event-ID": "9" * 30}, {}),
        ({}, {"last_event_id": "x"}),
        ({}, {"last_event_id": ["1", "2"]}),
        ({}, {"campain": "x"}),
    ],
)
async def test_what_is_not_understood_is_refused(autojump_clock, headers, query):
    """A wrong id or parameter is told before anything is streamed."""
    async with place() as there, stream(there.app, headers=headers, **query) as answer:
        assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")


async def test_parameters_that_may_be_repeated(autojump_clock):
    """Of several kinds all are wanted, not the first one or the last."""
    async with place() as there, stream(there.app, kind=["campaign.", "suppression."]) as answer:
        await there.happen("campaign.running", "call.ended", "suppression.added")
        assert [event.kind for event in await answer.events(2)] == ["campaign.running", "suppression.added"]


async def test_a_campaign_that_is_not_there_is_told(autojump_clock):
    """Of several campaigns one is enough to refuse the request."""
    async with place() as there:
        async with stream(there.app, campaign=["a", "b"]) as answer:
            assert answer.status == 404
        assert there.events.followers == 0


async def test_head_and_a_client_that_leaves(autojump_clock):
    """Neither leaves a follower behind."""
    async with place() as there:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(there.app), base_url="http://x") as client:
            answer = await client.head("/v1/events")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        async with stream(there.app) as first, stream(there.app):
            await first.piece()
            assert there.events.followers == 2
        assert there.events.followers == 0


async def test_a_client_that_takes_nothing_costs_no_memory(autojump_clock):
    """What it does not take is not made: the stream stands still, and goes on where it was."""
    async with place() as there:
        async with stream(there.app, buffer=0) as answer:
            await answer.piece()
            for _ in range(200):
                await there.happen("call.ended", text="x" * 10_000)
            assert answer.received < 100
            events = await answer.events(200)
        assert [event.id for event in events] == [str(number) for number in range(1, 201)]


async def test_streams_end_with_the_daemon(autojump_clock):
    """What was stored last is sent, though the server wants its clients gone already."""
    async with place() as there, stream(there.app, buffer=0) as answer:
        await answer.piece()
        await there.happen("campaign.completed")
        await there.events.finish()
        answer.asked_to_leave.set()
        await trio.sleep(1)
        (event,) = await answer.rest()
        assert event.kind == "campaign.completed"
        assert answer.over.is_set()


async def test_a_stream_ends_with_its_socket(autojump_clock):
    """The one that changes things closes first of all; whoever follows there is not kept until calls have drained."""
    async with place() as there, stream(there.app) as answer:
        await answer.piece()
        answer.asked_to_leave.set()
        assert await answer.rest() == []
        await answer.over.wait()
        assert there.events.followers == 0
