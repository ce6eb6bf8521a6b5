"""A store that fails for long: the log says it once."""

import sqlite3

import pytest
import trio
from phone import Phone, talk
from rig import rig, settings, trunk, until

from dialerd.engine import dispatcher


@pytest.fixture
def impatient(monkeypatch):
    """Let the dispatcher try the store again after a few milliseconds instead of a second."""
    monkeypatch.setattr(dispatcher, "_STORE_RETRY_S", 0.01)


def limit(pages):
    """Return an operation that bounds the database."""
    return lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}").fetchall()


async def test_a_long_trouble_is_told_once(tmp_path, impatient, logged):
    """However many turns fail: the log is not the next disk to fill up."""
    wanted = settings(trunks={"t": trunk(max_concurrent=20)})
    phone = Phone(talk(0.005))
    async with rig(phone, wanted, url=f"sqlite:///{tmp_path}/d.db") as bench:
        row = await bench.add(1_500)
        await until(lambda: len(phone.left) >= 50)
        await bench.store.write(limit(1))
        await until(lambda: any(entry["event"] == "store.turn_failed" for entry in logged))
        await trio.sleep(0.5)
        told = [entry["event"] for entry in logged if entry["log_level"] == "error"]
        assert sorted(told) == ["store.failed", "store.turn_failed"]
        await bench.store.write(limit(1073741823))
        await bench.over(row, within_s=20, poll_s=0.01)


async def test_notices_are_not_told_again_and_again(tmp_path, impatient, logged):
    """What a plugin was told and what cannot be marked as told is told once, however long that lasts."""
    told = []
    path = tmp_path / "d.db"

    async def notifier(batch):
        told.extend(batch)
        if len(told) == len(batch):
            other.execute("BEGIN EXCLUSIVE")

    async with rig(Phone(talk(0.005)), url=f"sqlite:///{path}", notifiers={"n": notifier}) as bench:
        other = sqlite3.connect(path, isolation_level=None, timeout=5)
        await bench.store.write(lambda c: c.exec_driver_sql("PRAGMA busy_timeout = 20").fetchall())
        row = await bench.add(5)
        await until(lambda: any(entry["event"] == "notifier.store_failed" for entry in logged))
        seen = len(told)
        await trio.sleep(2.5)
        assert len(told) == seen
        (entry,) = (entry for entry in logged if entry["event"] == "notifier.store_failed")
        assert "fuser" in entry["remedy"]
        assert "fuser" not in entry["error"]
        other.execute("ROLLBACK")
        other.close()
        await bench.over(row, within_s=20, poll_s=0.01)
        await until(lambda: told[-1].kind == "campaign.completed")
        assert len({notice.id for notice in told}) == len(told)


async def test_a_database_that_went_away(tmp_path, impatient):
    """Nobody new is dialled, calls end by themselves, and the engine stops without having stored them."""
    phone = Phone(talk(0.2))
    wanted = settings(trunks={"t": trunk(max_concurrent=5)})
    with trio.fail_after(60):
        async with rig(phone, wanted, url=f"sqlite:///{tmp_path}/d.db", clean=False) as bench:
            await bench.add(100)
            await until(lambda: len(phone.left) >= 5)
            (tmp_path / "d.db").unlink()
            assert "deleted or replaced" in str(await bench.store.lost())
            await until(lambda: not phone.live["all"])
            left = len(phone.left)
            await trio.sleep(0.3)
            assert len(phone.left) == left < 100
            assert bench.engine.dispatcher.calls == {}
