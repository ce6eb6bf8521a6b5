"""What breaks under the writer: nobody waits for ever, no transaction stays open, and a lost store takes nothing."""

import os
import sqlite3
import threading

import pytest
import trio
from sqlalchemy import event, text
from stored import rows

from dialerd.model.errors import StoreError, StoreLost
from dialerd.store import soundness
from dialerd.store.database import connect
from dialerd.store.store import open_store
from dialerd.store.writer import ThreadWriter

PAGE = 4096


@pytest.fixture
def path(tmp_path):
    """Return where a database may be."""
    return tmp_path / "dialerd.db"


@pytest.fixture
def url(path):
    """Return the URL of a store in a file."""
    return f"sqlite:///{path}"


def run(statement):
    """Return an operation that runs a statement."""
    return lambda connection: connection.execute(text(statement))


def leave(_connection):
    """Raise what no operation should."""
    raise SystemExit(3)


async def test_an_operation_that_raises_what_it_likes(url):
    """It is its caller's trouble; the writer lives on."""
    async with open_store(url) as store:
        with trio.fail_after(60), pytest.raises(SystemExit):
            await store.write(leave)
        with trio.fail_after(60):
            await store.write(run("CREATE TABLE t (i)"))


async def test_a_writer_whose_thread_ends(url, monkeypatch):
    """Everybody who waits is told, so is everybody who comes later, and the store is lost."""
    monkeypatch.setattr(threading, "excepthook", lambda _args: None)
    started, go = threading.Event(), threading.Event()

    def hold(_connection):
        started.set()
        assert go.wait(60)

    def stumble(_writer):
        raise MemoryError("no room for a list")

    async with open_store(url) as store:
        seen = []

        async def ask(op):
            with pytest.raises(StoreLost, match="thread broke"):
                await store.write(op)
            seen.append(op)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, hold)
            await trio.to_thread.run_sync(started.wait)
            nursery.start_soon(ask, run("CREATE TABLE t (i)"))
            await trio.testing.wait_all_tasks_blocked()
            monkeypatch.setattr(ThreadWriter, "_next", stumble)
            go.set()
        with trio.fail_after(60):
            await ask(run("CREATE TABLE u (i)"))
            assert isinstance(await store.lost(), StoreLost)
        assert len(seen) == 2


async def test_a_commit_that_fails_leaves_no_transaction(url):
    """SQLite keeps it open after some failures, and no other could begin."""
    engine = connect(url)

    @event.listens_for(engine, "connect")
    def check_references(dbapi, _record):
        dbapi.execute("PRAGMA foreign_keys=ON")

    writer = ThreadWriter(engine)
    await writer.run(run("CREATE TABLE a (i INTEGER PRIMARY KEY)"))
    await writer.run(run("CREATE TABLE b (i REFERENCES a DEFERRABLE INITIALLY DEFERRED)"))
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        await writer.run(run("INSERT INTO b VALUES (7)"))
    await writer.run(run("INSERT INTO a VALUES (1)"))
    assert await writer.run(lambda c: (rows(c, "SELECT i FROM a"), rows(c, "SELECT i FROM b"))) == ([(1,)], [])
    await writer.aclose()
    engine.dispose()


async def test_damage_that_a_look_up_finds(url, path):
    """From then on nothing is written, whatever it is; the next start looks at every page and refuses."""
    async with open_store(url) as store:
        await store.write(run("CREATE TABLE t (i INTEGER PRIMARY KEY, filling)"))
        many = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 400)"
        await store.write(run(f"INSERT INTO t {many} SELECT i, hex(zeroblob(500)) FROM n"))
    whole = path.read_bytes()
    async with open_store(url) as store:
        path.write_bytes(whole[: 30 * PAGE] + b"\xde\xad" * (len(whole) // 2 - 15 * PAGE))
        with pytest.raises(StoreLost, match="damaged"):
            await store.read(lambda c: rows(c, "SELECT count(filling), max(filling) FROM t"))
        with trio.fail_after(60):
            assert "damaged" in str(await store.lost())
        with pytest.raises(StoreLost, match="damaged"):
            await store.write(run("CREATE TABLE u (i)"))
    mark = path.with_name("dialerd.db.damaged")
    assert mark.exists()
    with pytest.raises(StoreLost, match=r"damaged.*\.recover"):
        async with open_store(url):
            pass
    path.write_bytes(whole)
    async with open_store(url) as store:
        assert await store.read(lambda c: rows(c, "SELECT count(*) FROM t")) == [(400,)]
    assert not mark.exists()


async def test_a_look_up_that_fails_spoils_no_other(url):
    """Its connection is not used again."""

    def spoil(connection):
        connection.connection.driver_connection.execute("PRAGMA cache_size = 7")
        raise KeyError("mine")

    async with open_store(url) as store:
        with pytest.raises(KeyError):
            await store.read(spoil)
        assert await store.read(lambda c: rows(c, "PRAGMA cache_size")) == [(-32768,)]


@pytest.mark.parametrize("name", ["dialerd.db", "dialerd.db-wal"])
async def test_a_file_that_is_gone(url, path, name):
    """What was stored under no name is not called stored; it is rescued, and no start forgets it."""
    async with open_store(url) as store:
        await store.write(run("CREATE TABLE t (i)"))
        path.with_name(name).unlink()
        with pytest.raises(StoreLost, match=rf"{name} was deleted or replaced"):
            await store.write(run("INSERT INTO t VALUES (1)"))
        with pytest.raises(StoreLost):
            await store.write(run("INSERT INTO t VALUES (2)"))
    rescued = path.with_name("dialerd.db.rescued")
    with pytest.raises(StoreLost, match=rf"move {rescued} to {path}"):
        async with open_store(url):
            pass
    for stale in ("dialerd.db", "dialerd.db-wal", "dialerd.db-shm"):
        path.with_name(stale).unlink(missing_ok=True)
    rescued.rename(path)
    async with open_store(url) as store:
        assert await store.read(lambda c: rows(c, "SELECT i FROM t")) == [(1,)]


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_look_up_spoils_nothing_of_what_is_rescued(url, path, replaced):
    """A connection that is opened then would begin another database, in the shared memory of the one that was there."""
    async with open_store(url) as store:
        await store.write(run("CREATE TABLE t (i)"))
        path.unlink()
        if replaced:
            path.touch()
        with pytest.raises(StoreError, match=r"dialerd.db was deleted or replaced") as failed:
            await store.read(lambda c: rows(c, "SELECT i FROM t"))
        assert not isinstance(failed.value, StoreLost), "it would stop the writer, which alone can rescue it"
        assert path.exists() == replaced
        with pytest.raises(StoreLost, match=r"dialerd.db was deleted or replaced"):
            await store.write(run("INSERT INTO t VALUES (1)"))
    rescued = sqlite3.connect(path.with_name("dialerd.db.rescued"))
    assert rescued.execute("SELECT i FROM t").fetchall() == [(1,)]
    rescued.close()


async def test_the_look_at_the_start_is_short(url, path, monkeypatch):
    """It is cut short where the database is large, unless damage is suspected."""
    async with open_store(url) as store:
        await store.write(run("CREATE TABLE t (i INTEGER PRIMARY KEY, filling)"))
        many = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"
        await store.write(run(f"INSERT INTO t {many} SELECT i, hex(zeroblob(50)) FROM n"))
    monkeypatch.setattr(soundness, "BUDGET_S", 0.01)
    data = bytearray(path.read_bytes())
    data[-2 * PAGE : -PAGE] = b"\xde\xad" * (PAGE // 2)
    path.write_bytes(data)
    soundness.see_sound(path)
    path.with_name("dialerd.db.damaged").touch()
    with pytest.raises(StoreLost, match="damaged"):
        soundness.see_sound(path)


async def test_trouble_is_told_and_its_end(url, path, logged):
    """One line when it begins, none for each try, and one when it is over."""
    async with open_store(url) as store:
        (pages,) = (await store.write(lambda c: c.exec_driver_sql("PRAGMA page_count").fetchall()))[0]
        await store.write(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {pages}").fetchall())
        for _ in range(20):
            with pytest.raises(StoreError, match="free space"):
                await store.write(run("CREATE TABLE t (i)"))
        await store.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1073741823").fetchall())
        await store.write(run("CREATE TABLE t (i)"))
        with pytest.raises(StoreError):  # what was asked for is at fault, and not the disk
            await store.write(run("CREATE TABLE t (i)"))
    assert [line["event"] for line in logged] == ["store.failed", "store.recovered"]
    assert str(path) in logged[0]["error"]
    assert "free space" in logged[0]["remedy"]
    assert "free space" not in logged[0]["error"]


def test_what_a_mark_says(path):
    """It holds what was noticed, for who finds it."""
    soundness.mark_damaged(path, StoreLost("malformed", "restore it"))
    assert "malformed: restore it" in path.with_name("dialerd.db.damaged").read_text()


def test_no_database_yet(path):
    """There is nothing to look at, nor in a file that was never written."""
    soundness.see_sound(path)
    path.touch()
    soundness.see_sound(path)
    assert os.path.getsize(path) == 0
    with pytest.raises(sqlite3.OperationalError), sqlite3.connect(path) as database:
        database.execute("SELECT * FROM nothing")
