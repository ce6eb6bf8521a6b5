"""A store that cannot be written for a while: ends are kept, nobody is claimed, and it goes on by itself."""

import sqlite3

import pytest
import trio
from phone import ANSWERED, Phone, talk
from rig import number, rig, settings, trunk, until

from dialerd.engine import dispatcher
from dialerd.model.errors import StoreError
from dialerd.model.states import CampaignState, Final
from dialerd.plugin.provider import Accepted


@pytest.fixture
def impatient(monkeypatch):
    """Let the dispatcher try the store again after a few milliseconds instead of a second."""
    monkeypatch.setattr(dispatcher, "_STORE_RETRY_S", 0.02)


def pragma(text):
    """Return an operation that sets up the writer's connection."""
    return lambda connection: connection.exec_driver_sql(text).fetchall()


async def test_a_full_disk_costs_time_and_nothing_else(tmp_path, impatient):
    """While the database cannot grow, no call leaves twice and no end is lost; when it can, the campaign ends."""
    wanted = settings(trunks={"t": trunk(max_concurrent=20)})
    phone = Phone(talk(0.005))
    async with rig(phone, wanted, url=f"sqlite:///{tmp_path}/d.db") as bench:
        row = await bench.add(1_500)
        await until(lambda: len(phone.left) >= 100)
        (pages,) = (await bench.store.write(pragma("PRAGMA page_count")))[0]
        await bench.store.write(pragma(f"PRAGMA max_page_count = {pages}"))
        seen = -1
        with trio.fail_after(60):
            while seen != len(phone.left) or phone.live["all"]:
                seen = len(phone.left)
                await trio.sleep(0.15)
        assert seen < 1_500
        assert await bench.open_attempts() <= 20
        await bench.store.write(pragma("PRAGMA max_page_count = 1073741823"))
        await bench.over(row, within_s=10, poll_s=0.01)
        assert sorted(phone.numbers()) == sorted(number(i) for i in range(1_500))
        assert (await bench.totals(row)).finals[Final.SUCCEEDED] == 1_500


async def test_another_process_that_holds_the_database(tmp_path, impatient):
    """A foreign lock stops claims; calls go on and their ends are stored when it is gone."""
    wanted = settings(trunks={"t": trunk(max_concurrent=5)})
    phone = Phone(talk(0.01))
    path = tmp_path / "d.db"
    async with rig(phone, wanted, url=f"sqlite:///{path}") as bench:
        row = await bench.add(200)
        await bench.store.write(pragma("PRAGMA busy_timeout = 20"))
        await until(lambda: len(phone.left) >= 20)
        other = sqlite3.connect(path, isolation_level=None, timeout=5)
        other.execute("BEGIN EXCLUSIVE")
        await trio.sleep(0.2)
        left = len(phone.left)
        await trio.sleep(0.2)
        assert len(phone.left) == left
        assert phone.live["all"] == 0
        with pytest.raises(StoreError, match="fuser"):
            await bench.engine.steering.pause("x")
        assert bench.engine.campaigns.campaign("x").state is CampaignState.RUNNING
        with pytest.raises(StoreError):
            await bench.engine.suppress([number(199)])
        other.execute("ROLLBACK")
        other.close()
        await bench.over(row, within_s=10, poll_s=0.01)
        assert sorted(phone.numbers()) == sorted(number(i) for i in range(200))
        assert not bench.engine.dispatcher.withheld.numbers


async def test_news_of_a_long_call_survive_a_failing_store(tmp_path, impatient):
    """What a provider reported while the store failed is stored afterwards, though nothing else happens."""
    go = trio.Event()

    async def script(phone, order, report):
        phone.leave(order)
        await go.wait()
        report(Accepted("CA77"))
        await trio.sleep(1.5)
        return ANSWERED

    path = tmp_path / "d.db"
    async with rig(Phone(script), url=f"sqlite:///{path}") as bench:
        await bench.add(1)
        await bench.store.write(pragma("PRAGMA busy_timeout = 20"))
        await trio.sleep(0.1)
        other = sqlite3.connect(path, isolation_level=None, timeout=5)
        other.execute("BEGIN EXCLUSIVE")
        go.set()
        await trio.sleep(0.5)
        other.execute("ROLLBACK")
        other.close()
        await trio.sleep(0.5)
        assert [tuple(row) for row in await bench.rows("SELECT reference, ended_at FROM attempts")] == [("CA77", None)]


async def test_a_stop_while_the_store_fails_waits_for_it(tmp_path, impatient):
    """The ends of the last calls are not given up: the stop is done when they are stored."""
    path = tmp_path / "d.db"
    phone = Phone(talk(0.2))
    async with rig(phone, url=f"sqlite:///{path}") as bench:
        row = await bench.add(5)
        await bench.store.write(pragma("PRAGMA busy_timeout = 20"))
        await trio.sleep(0.1)
        other = sqlite3.connect(path, isolation_level=None, timeout=5)
        other.execute("BEGIN EXCLUSIVE")
        bench.engine.stop()
        await trio.sleep(0.4)
        assert phone.live["all"] == 0
        other.execute("ROLLBACK")
        other.close()
    assert row.id == 1
