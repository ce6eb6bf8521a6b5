"""A stop while the database cannot be written: it is told, waited for a while, and ended; nobody is dialled for it."""

import contextlib
import sqlite3

import pytest
import trio
from phone import Phone, talk
from rig import rig, settings, trunk, until

from dialerd.engine import dispatcher, insisting


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Let everybody look often."""
    monkeypatch.setattr(dispatcher, "_STORE_RETRY_S", 0.02)
    monkeypatch.setattr(dispatcher, "_LOOK_S", 0.02)
    monkeypatch.setattr(insisting, "_LOOK_S", 0.02)
    monkeypatch.setattr(insisting, "_TOLD_S", 0.1)


@contextlib.asynccontextmanager
async def stopped(tmp_path, calls=5):
    """Stop an engine whose calls end while another process holds the database; the drain time is five minutes."""
    path = tmp_path / "d.db"
    other = sqlite3.connect(path, isolation_level=None, timeout=5)
    stuck = []

    def leave(stored):
        stuck.append(stored)
        other.execute("ROLLBACK")  # the process would end here; a test has to go on

    phone = Phone(talk(0.2))
    with trio.fail_after(60):
        async with rig(phone, url=f"sqlite:///{path}", clean=False, stuck=leave) as bench:
            await bench.add(calls)
            await bench.store.write(lambda c: c.exec_driver_sql("PRAGMA busy_timeout = 20").fetchall())
            await until(lambda: len(phone.left) == calls)
            other.execute("BEGIN EXCLUSIVE")
            bench.engine.stop()
            await until(lambda: not phone.live["all"])
            yield bench, stuck, other
    other.close()


async def test_it_is_told_and_ended(tmp_path, monkeypatch, logged):
    """With how many ends are not stored, once, and that killing costs nothing; then the process goes, as failed."""
    monkeypatch.setattr(insisting, "_UNSTORED_S", 0.5)
    async with stopped(tmp_path) as (_, stuck, _):
        pass
    assert stuck == [False]
    told = {entry["event"]: entry for entry in logged if entry["log_level"] in ("warning", "error")}
    assert set(told) == {"store.failed", "store.turn_failed", "stop.store_awaited", "stop.gave_up"}
    assert told["stop.store_awaited"]["ends"] == told["stop.gave_up"]["ends"] == 5
    assert "killing dialerd loses nothing" in told["stop.store_awaited"]["remedy"]
    assert "fuser" in told["store.turn_failed"]["remedy"]
    assert "fuser" not in told["store.turn_failed"]["error"]


async def test_a_second_request_ends_it(tmp_path, monkeypatch, logged):
    """Whoever asks twice does not wait for the disk."""
    monkeypatch.setattr(insisting, "_HURRIED_S", 0.2)
    async with stopped(tmp_path) as (bench, stuck, _):
        await until(lambda: any(entry["event"] == "stop.store_awaited" for entry in logged))
        assert not stuck
        bench.engine.hang_up()
    assert stuck == [False]


async def test_a_disk_that_comes_back(tmp_path, logged):
    """When the database can be written again all is stored, and nothing was given up."""
    async with stopped(tmp_path) as (_, stuck, other):
        await until(lambda: any(entry["event"] == "stop.store_awaited" for entry in logged))
        other.execute("ROLLBACK")
    assert not stuck
    assert await open_attempts(tmp_path) == 0


async def open_attempts(tmp_path):
    """Return how many attempts have no end."""
    with contextlib.closing(sqlite3.connect(tmp_path / "d.db")) as database:
        return database.execute("SELECT count(*) FROM attempts WHERE ended_at IS NULL").fetchone()[0]


async def test_a_lost_database_holds_back_calls_that_have_not_left(tmp_path):
    """Claimed while it was there, still at a screen when it is gone: they do not leave, and nobody else is claimed."""
    asked, go = [], trio.Event()

    async def screen(call):
        asked.append(call)
        if len(asked) > 1:
            await go.wait()

    phone = Phone(talk(0.3))
    wanted = settings(trunks={"t": trunk(max_concurrent=3)})
    with trio.fail_after(60):
        async with rig(phone, wanted, url=f"sqlite:///{tmp_path}/d.db", clean=False, screens={"s": screen}) as bench:
            await bench.add(10)
            await until(lambda: len(asked) == 3 and len(phone.left) == 1)
            (tmp_path / "d.db").unlink()
            await bench.store.lost()  # the end of the one that left could not be stored
            await until(lambda: not bench.engine.dispatcher.accepting)
            go.set()
            await until(lambda: not bench.engine.dispatcher.calls)
            assert len(phone.left) == 1
            assert len(asked) == 3
