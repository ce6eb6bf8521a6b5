"""Checkpoints: the write-ahead log stays short however long the writing goes on, and a failing one is told."""

import os
import sqlite3
import threading
from types import SimpleNamespace

import pytest
import trio
from sqlalchemy import text

from dialerd.model.errors import StoreError
from dialerd.store.checkpoints import LARGE, Checkpoints
from dialerd.store.database import connect, explain, url_of
from dialerd.store.writer import ThreadWriter


@pytest.fixture
def path(tmp_path):
    """Return where a database may be."""
    return tmp_path / "dialerd.db"


def scattered(connection):
    """Change rows all over a table: each lies in a page of its own."""
    connection.execute(text("UPDATE t SET word = hex(randomblob(50)) WHERE i % 500 = abs(random()) % 500"))


async def test_the_log_stays_short_under_uninterrupted_writing(path):
    """Many times what the log may hold goes through it, from two tasks that never rest."""
    engine = connect(f"sqlite:///{path}")
    writer = ThreadWriter(engine)
    await writer.run(lambda c: c.execute(text("CREATE TABLE t (i INTEGER PRIMARY KEY, word)")))
    fill = """WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO t SELECT i, hex(randomblob(50)) FROM n"""
    await writer.run(lambda c: c.execute(text(fill)))
    left = 2_000  # operations of about 40 rows and as many pages: 300 MiB of log, if it never began anew

    async def write():
        nonlocal left
        while left:
            left -= 1
            await writer.run(scattered)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            nursery.start_soon(write)
    longest = os.stat(f"{path}-wal").st_size  # it is never cut, only written over from its beginning
    await writer.aclose()
    engine.dispose()
    assert longest < 200 << 20  # a busy machine takes a while to move it
    again = sqlite3.connect(path)
    assert again.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    again.close()


async def test_the_log_stays_short_however_wide_the_rows_are(path):
    """Few rows of much text: it is moved long before their number says so."""
    writer = ThreadWriter(engine := connect(url_of(path)))
    await writer.run(lambda c: c.execute(text("CREATE TABLE t (i INTEGER PRIMARY KEY, word)")))
    wide = """WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
        INSERT INTO t (word) SELECT hex(zeroblob(32000)) FROM n"""
    for _ in range(100):  # 640 MiB, 10,000 rows
        await writer.run(lambda c: c.execute(text(wide)))
    longest = os.stat(f"{path}-wal").st_size
    await writer.aclose()
    engine.dispose()
    assert longest < 400 << 20  # a busy machine takes a while to move it


async def test_the_log_is_cut_to_what_its_disk_can_bear(path, monkeypatch):
    """It never takes as much as the database may need; where there is room again it may be as long as ever."""
    capacity, log_path = 24 << 20, path.with_name("dialerd.db-wal")

    def disk(_path):
        left = capacity - path.stat().st_size - log_path.stat().st_size
        return SimpleNamespace(f_bavail=max(0, left) // 4096, f_frsize=4096)

    monkeypatch.setattr(os, "statvfs", disk)
    writer = ThreadWriter(engine := connect(url_of(path)))
    await writer.run(lambda c: c.execute(text("CREATE TABLE t (i INTEGER PRIMARY KEY, word)")))
    one = "INSERT OR REPLACE INTO t VALUES (1, hex(zeroblob(32000)))"

    async def write_until(condition):
        with trio.fail_after(60):
            while not condition():
                await writer.run(lambda c: c.execute(text(one)))

    async def limit():
        return await writer.run(lambda c: c.exec_driver_sql("PRAGMA journal_size_limit").scalar())

    await write_until(lambda: log_path.stat().st_size > capacity // 3)
    await write_until(lambda: log_path.stat().st_size < capacity // 3)
    assert 4 << 20 < await limit() < 8 << 20
    capacity = 1 << 40
    assert await limit() < 8 << 20
    assert await limit() == LARGE
    await writer.aclose()
    engine.dispose()


async def test_a_commit_that_failed_has_the_log_moved(path):
    """The room that it takes may be all that is missing: nothing else would move it while all commits fail."""
    writer = ThreadWriter(engine := connect(url_of(path)))
    await writer.run(lambda c: c.execute(text("CREATE TABLE t (i)")))
    for _ in range(100):
        await writer.run(lambda c: c.execute(text("INSERT INTO t VALUES (1)")))
    before = path.stat().st_size
    with trio.fail_after(60):
        while path.stat().st_size == before:
            with pytest.raises(StoreError):
                await writer.run(lambda c: c.execute(text("INSERT INTO nowhere VALUES (1)")))
    await writer.aclose()
    engine.dispose()


def test_nothing_is_opened_under_a_name_that_leads_elsewhere(path, logged):
    """A connection to another file would spoil those to the one that was there; it is told, and the log stays."""
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("PRAGMA wal_autocheckpoint=0")
    writer.execute("CREATE TABLE t (i)")
    looked = threading.Event()

    def see():
        looked.set()
        raise StoreError("it was replaced")

    checkpoints = Checkpoints(path, lambda error: error, see, rows=1)
    before = path.stat().st_size
    writer.execute("INSERT INTO t VALUES (1)")
    checkpoints.committed(writer)
    assert looked.wait(60)
    checkpoints.close()
    assert path.stat().st_size == before
    writer.close()
    assert [(entry["event"], entry["error"]) for entry in logged] == [("store.checkpoint_failed", "it was replaced")]


def test_it_can_be_closed_at_any_moment(tmp_path, logged):
    """Idle, just woken, or at work: the thread ends. The directory's name would mean something else in a URI."""
    path = tmp_path / "50%41?#x" / "dialerd.db"
    path.parent.mkdir()
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("PRAGMA wal_autocheckpoint=0")
    writer.execute("CREATE TABLE t (i)")
    for i in range(300):
        checkpoints = Checkpoints(path, lambda error: explain(error, path), rows=1)
        writer.execute("INSERT INTO t VALUES (1)")
        checkpoints.committed(writer)
        for _ in range(i % 10 * 20):  # the thread has come so far in the meantime
            os.sched_yield()
        ending = threading.Thread(target=checkpoints.close, daemon=True)
        ending.start()
        ending.join(10)
        assert not ending.is_alive()
    writer.close()
    assert logged == []
    assert list(tmp_path.iterdir()) == [path.parent]  # and no other database was made


def test_the_thread_outlives_whatever_is_raised(path, logged, monkeypatch):
    """No memory for a moment: told, and the log is moved afterwards as ever."""
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("PRAGMA wal_autocheckpoint=0")
    writer.execute("CREATE TABLE t (i)")
    tried, connect_once_more, connect_in_truth = threading.Event(), threading.Event(), sqlite3.connect

    def stumble(*arguments, **options):
        tried.set()
        if not connect_once_more.is_set():
            raise MemoryError("no room")
        return connect_in_truth(*arguments, **options)

    monkeypatch.setattr(sqlite3, "connect", stumble)
    checkpoints = Checkpoints(path, lambda error: StoreError(repr(error)), rows=1)
    for again in (False, True):
        tried.clear()
        if again:
            connect_once_more.set()
        writer.execute("INSERT INTO t VALUES (1)")
        checkpoints.committed(writer)
        assert tried.wait(60), "the thread is gone"
    checkpoints.close()
    writer.close()
    assert [(entry["event"], entry["error"]) for entry in logged] == [
        ("store.checkpoint_failed", "MemoryError('no room')")
    ]


def test_one_that_fails_is_told_once_and_never_makes_a_new_database(path, logged):
    """The database is gone: the thread says so, and does not make an empty one in its place."""
    told = threading.Event()

    def failed(error: sqlite3.Error) -> StoreError:
        told.set()
        return explain(error, path)

    checkpoints = Checkpoints(path, failed, rows=10)
    writer = sqlite3.connect(":memory:", isolation_level=None)
    writer.execute("CREATE TABLE t (i)")
    for _ in range(3):
        told.clear()
        while not told.wait(0.01):
            writer.execute("INSERT INTO t VALUES (1)")
            checkpoints.committed(writer)
    checkpoints.close()
    writer.close()
    assert [entry["event"] for entry in logged] == ["store.checkpoint_failed"]
    assert "grows" in logged[0]["remedy"]
    assert not path.exists()
