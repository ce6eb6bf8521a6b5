"""`GET /metrics` and `GET /healthz`, of an engine that has dialled."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
import msgspec
import pytest
import trio
from attrs import evolve, frozen
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from dialerd.api.app import create_app
from dialerd.engine.clock import SystemClock
from dialerd.engine.engine import Engine
from dialerd.intake.reading import Reader
from dialerd.model.campaign import CampaignSpec, Pacing, ZoneGroup
from dialerd.model.errors import StoreLost
from dialerd.model.settings import (
    AgentSettings,
    DaemonSettings,
    NumberSettings,
    PersonSettings,
    QuietHours,
    Settings,
    TrunkSettings,
)
from dialerd.model.states import CampaignState
from dialerd.operations.events import Events
from dialerd.operations.ground import Ground
from dialerd.operations.operations import Operations
from dialerd.plugin.host import PluginHost
from dialerd.store import campaigns, recipients
from dialerd.store.records import NewCampaign, RecipientBatch
from dialerd.store.store import Store, open_store

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def settings(**options: Any) -> Settings:
    """Return settings of a simulated trunk of four lines, and of one that never comes up."""
    wanted = {"ring_time": "0ms", "talk_time": "0ms", "outcomes": {"answered": 1}} | options
    trunk = TrunkSettings(provider="simulator", max_concurrent=4, countries=("GB",), options=wanted)
    return Settings(
        daemon=DaemonSettings(drain=1_000),
        trunks={"sim": trunk, "down": evolve(trunk, provider="nobody", options={}, max_concurrent=7)},
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
    client: httpx.AsyncClient

    async def dial(self, name: str, count: int, **spec: Any) -> int:
        """Store a campaign of so many people, let the engine have it, and return its key."""
        now = time.time_ns() // 1_000_000
        new = NewCampaign(
            spec=CampaignSpec(name=name, agent="a", **spec),
            uid=name,
            timezone="UTC",
            start_at=None,
            end_at=None,
            created_at=now,
        )
        key = await self.store.write(campaigns.begin, new)
        rows = [[i + 1, f"+447111{i:06}", 0, None, None, None, None] for i in range(count)]
        group = ZoneGroup(country="GB", zones=("Europe/London",))
        batch = RecipientBatch(groups=(group,), rows=msgspec.json.encode(rows).decode(), count=count)
        assert not await self.store.write_bulk(recipients.add, key, batch)
        await self.store.write(lambda c: campaigns.publish(c, key, state=CampaignState.SCHEDULED, taken=None, now=now))
        await self.engine.campaigns.adopt(key)
        return key

    async def figures(self) -> dict[str, dict[frozenset[str], float]]:
        """Return what is scraped: by sample and by the values of its labels."""
        answer = await self.client.get("/metrics", headers={"Accept": OPENMETRICS})
        assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        found: dict[str, dict[frozenset[str], float]] = {}
        for family in read_openmetrics(answer.text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[frozenset(sample.labels.values())] = sample.value
        return found


@asynccontextmanager
async def place(path: Path, wanted: Settings | None = None, *, runs: bool = True) -> AsyncIterator[Place]:
    """Run an engine until the block ends.

    Args:
        path: a directory of its own.
        wanted: the settings; None = `settings()`.
        runs: whether the engine has been started.
    """
    clock, chosen = SystemClock(), wanted or settings()
    async with open_store(f"sqlite:///{path / 'x.db'}") as store:
        engine = Engine(store, chosen, PluginHost().make_provider, clock, random=Random(1))

        async def reload() -> None:
            raise NotImplementedError

        operations = Operations(
            Ground(
                store=store,
                engine=engine,
                reader=Reader(),
                settings=lambda: chosen,
                now=clock.now,
                scratch=path,
                reload=reload,
                standing=str,
            )
        )
        app = create_app(operations)
        async with (
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client,
            trio.open_nursery() as nursery,
        ):
            if runs:
                await nursery.start(engine.run)
            yield Place(store=store, engine=engine, events=operations.events, client=client)
            engine.stop()
            engine.hang_up()


def labels(*values: str) -> frozenset[str]:
    """Return the key of a sample."""
    return frozenset(values)


async def test_what_was_dialled_is_counted(tmp_path):
    """Calls by trunk and outcome, delays, commits, lines, campaigns and who waits in them."""
    async with place(tmp_path, settings(outcomes={"answered": 1})) as there, there.events.follow():
        key = await there.dial("done", 50)
        with trio.fail_after(60):
            while (campaign := there.engine.campaigns.by_key(key)) is not None:
                await campaign.ended.wait()
        await there.dial("waiting", 9, pacing=Pacing(max_concurrent=1))
        await there.engine.steering.pause("waiting")
        with trio.fail_after(60):
            while there.engine.dispatcher.calls:  # noqa: ASYNC110  # it has no event
                await trio.sleep(0.01)
        left = (await there.store.read(lambda c: c.exec_driver_sql("SELECT count(*) FROM attempts").scalar())) or 0
        found = await there.figures()
    refunded = found["dialerd_calls_refunded_total"][labels()]
    ended = {key: count for key, count in found["dialerd_calls_total"].items() if labels("sim", "answered") == key}
    assert sum(found["dialerd_calls_total"].values()) == left
    assert ended[labels("sim", "answered")] == left - refunded
    assert found["dialerd_campaigns"] == {labels("paused"): 1}
    assert found["dialerd_recipients_pending"] == {labels("paused"): 9 - (left - refunded - 50)}
    assert found["dialerd_lines_in_use"] == {labels("sim"): 0, labels("down"): 0}
    assert found["dialerd_lines_limit"] == {labels("sim"): 4, labels("down"): 7}
    assert found["dialerd_trunk_up"] == {labels("sim"): 1, labels("down"): 0}
    assert found["dialerd_trunk_resting"] == {labels("sim"): 0, labels("down"): 0}
    assert found["dialerd_event_followers"] == {labels(): 1}
    assert found["dialerd_dispatch_delay_seconds_count"][labels()] == left - refunded
    assert found["dialerd_dispatch_delay_seconds_bucket"][labels("+Inf")] == left - refunded
    assert found["dialerd_dispatch_delay_seconds_bucket"][labels("10.0")] == left - refunded
    assert 0 <= found["dialerd_dispatch_delay_seconds_sum"][labels()] < 10 * left
    assert found["dialerd_store_commit_seconds_count"][labels()] >= 5
    assert 0 < found["dialerd_store_commit_seconds_sum"][labels()] < 20
    assert found["process_open_fds"][labels()] > 3
    assert len(found["dialerd_build_info"]) == 1


async def test_lines_in_use_and_the_delay_of_those_who_wait(tmp_path):
    """Calls that are on hold lines; who is rung later than could be is counted with the time in between."""
    async with place(tmp_path, settings(talk_time="1500ms")) as there:
        await there.dial("long", 6)
        with trio.fail_after(60):
            while len(there.engine.dispatcher.calls) < 4:  # noqa: ASYNC110  # it has no event
                await trio.sleep(0.01)
            first = await there.figures()
            while sum(there.engine.figures.delays.counts) < 6:  # noqa: ASYNC110  # it has no event
                await trio.sleep(0.01)
        found = await there.figures()
    assert first["dialerd_lines_in_use"][labels("sim")] == 4
    assert first["dialerd_campaigns"] == {labels("running"): 1}
    assert first["dialerd_recipients_pending"] == {labels("running"): 2}
    delays = found["dialerd_dispatch_delay_seconds_bucket"]
    assert delays[labels("1.0")] == 4, "the first four leave at once"
    assert delays[labels("5.0")] == 6, "two wait until a line is free"


async def test_calls_that_do_not_count_are_counted_apart(tmp_path):
    """What never rang is refunded, and says so."""
    async with place(tmp_path, settings(outcomes={"congestion": 1})) as there:
        await there.dial("x", 2)
        with trio.fail_after(60):
            while not there.engine.figures.calls:  # noqa: ASYNC110  # it has no event
                await trio.sleep(0.01)
        found = await there.figures()
        assert found["dialerd_calls_refunded_total"][labels()] == sum(found["dialerd_calls_total"].values()) > 0


async def test_names_follow_the_rules(tmp_path):
    """Every sample reads as text too; counters end in _total, what is measured in its base unit."""
    async with place(tmp_path) as there:
        answer = await there.client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        families = {family.name: family for family in read_text(answer.text)}
        page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
        ours = {name for name in families if name.startswith("dialerd_")}
        assert len(ours) >= 12
        for name in ours:
            kind = families[name].type
            shown = name + {"counter": "_total"}.get(kind, "")
            assert f"`{shown}`" in page, f"{shown} is not in docs/metrics.md"
            assert families[name].documentation.endswith(".")
            assert kind != "histogram" or name.endswith("_seconds")


async def test_the_store_is_not_asked_at_every_scrape(tmp_path):
    """Scrapers that come often cost nothing more; what memory knows is new each time."""
    async with place(tmp_path) as there:
        before = await there.figures()
        await there.dial("x", 1)
        with trio.fail_after(60):
            while there.engine.figures.calls == {}:  # noqa: ASYNC110  # it has no event
                await trio.sleep(0.01)
        after = await there.figures()
        assert after.get("dialerd_campaigns", {}) == before.get("dialerd_campaigns", {}) == {}
        assert sum(after["dialerd_calls_total"].values()) == 1


async def test_health_is_the_dispatchers(tmp_path):
    """It is well while the dispatcher looks round, and not while it starts or stops."""
    async with place(tmp_path) as there:
        answer = await there.client.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        there.engine.stop()
        answer = await there.client.get("/healthz")
        assert (answer.status_code, answer.json()["status"]) == (503, "amiss")
        assert "stopping" in answer.json()["amiss"]
    async with place(tmp_path, runs=False) as there:
        answer = await there.client.get("/healthz")
        assert (answer.status_code, answer.json()["amiss"]) == (503, "starting")
        there.engine.ready.set()  # a dispatcher that does not move, though calls may leave
        answer = await there.client.get("/healthz")
        assert (answer.status_code, answer.json()["amiss"]) == (503, "the dispatcher does not move")


async def test_a_lost_database_is_told(tmp_path):
    """The reason is in the answer."""
    async with place(tmp_path) as there:
        (tmp_path / "x.db").rename(tmp_path / "y.db")
        with pytest.raises(StoreLost):
            await there.store.write(lambda c: c.exec_driver_sql("DELETE FROM answers"))
        answer = await there.client.get("/healthz")
        assert answer.status_code == 503
        assert "database" in answer.json()["amiss"]


@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
async def test_questions_without_parameters(tmp_path, path):
    """HEAD is answered without a body; a parameter is told to be unknown, as everywhere."""
    async with place(tmp_path) as there:
        answer = await there.client.head(path)
        assert answer.status_code == 200
        answer = await there.client.get(f"{path}?verbose=1")
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/verbose")
        answer = await there.client.post(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
