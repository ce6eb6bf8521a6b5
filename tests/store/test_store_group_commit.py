"""Group commit: how many wait for the disk together, in which order, and what a lock or an error does to them."""

import sqlite3
import threading

import pytest
import trio
from sqlalchemy import insert, text
from trio.testing import wait_all_tasks_blocked

from dialerd.model.errors import StoreError
from dialerd.store.counters import driver
from dialerd.store.database import MEMORY
from dialerd.store.store import open_store
from dialerd.store.tables import day_counts

LIMIT_S = 10  # a test that hangs fails after this


@pytest.fixture
def url(tmp_path):
    """Return the URL of a database that is not there yet."""
    return f"sqlite:///{tmp_path / 'd.db'}"


def put(connection, key):
    """Write one row."""
    connection.execute(insert(day_counts).values(key=key, day="2026-01-01", calls=1))
    return key


def keys(connection):
    """Return what was written, in order."""
    return list(connection.scalars(text("SELECT key FROM day_counts ORDER BY key")))


def put_and_fail(connection, key):
    """Write one row, then fail."""
    put(connection, key)
    raise ValueError(f"{key} is bad")


class Plug:
    """Holds the writer's thread until it is pulled, so that work piles up behind it."""

    def __init__(self):
        self._sits = threading.Event()
        self._pulled = threading.Event()

    def __call__(self, connection):
        self._sits.set()
        assert self._pulled.wait(LIMIT_S)

    async def sits(self):
        """Wait until the writer is held; what is queued from now on piles up."""
        assert await trio.to_thread.run_sync(self._sits.wait, LIMIT_S)

    def pull(self):
        """Let the writer go on."""
        self._pulled.set()


class Trace:
    """What the writer's connection executes."""

    def __init__(self):
        self.statements = []

    async def on(self, store):
        """Begin to listen."""
        await store.write(lambda c: driver(c).set_trace_callback(self.statements.append))
        self.statements.clear()

    def count(self, start):
        """Return how many statements begin so."""
        return sum(statement.upper().startswith(start) for statement in self.statements)


async def behind_a_plug(store, *jobs, plug_is_bulk=False):
    """Queue jobs behind a plug in this order, then let them go; return when all are done.

    Args:
        store: the store.
        jobs: async functions without arguments.
        plug_is_bulk: whether the plug itself is a bulk operation.
    """
    plug = Plug()
    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write_bulk if plug_is_bulk else store.write, plug)
            await plug.sits()
            for job in jobs:
                nursery.start_soon(job)
                await wait_all_tasks_blocked()
            plug.pull()


async def test_what_is_written_is_there_when_the_call_returns(url, tmp_path):
    """Another connection, and a reader of the store, see it at once."""
    async with open_store(url) as store:
        other = sqlite3.connect(tmp_path / "d.db")
        for i in range(20):
            way = store.write_bulk if i % 3 else store.write
            assert await way(put, f"k{i:02}") == f"k{i:02}"
            assert other.execute("SELECT count(*) FROM day_counts").fetchone() == (i + 1,)
            assert len(await store.read(keys)) == i + 1
        other.close()


async def test_two_hundred_wait_for_the_disk_once(url):
    """All that is waiting goes into one transaction."""
    trace = Trace()
    async with open_store(url) as store:
        await trace.on(store)
        await behind_a_plug(store, *(lambda i=i: store.write(put, f"k{i}") for i in range(200)))
        assert trace.count("COMMIT") == 2, "the plug's and theirs"
        assert trace.count("BEGIN IMMEDIATE") == 2
        assert len(await store.read(keys)) == 200


async def test_free_running_tasks_share_commits(url):
    """Without any help, many tasks at once need far fewer commits than there are writes."""
    trace = Trace()
    async with open_store(url) as store:
        await trace.on(store)

        async def some(task):
            for i in range(10):
                await store.write(put, f"{task}.{i}")

        async with trio.open_nursery() as nursery:
            for task in range(40):
                nursery.start_soon(some, task)
        assert trace.count("COMMIT") <= 100
        assert len(await store.read(keys)) == 400


async def test_bad_operations_of_a_batch_fail_alone(url):
    """The bad ones fail with their own errors and leave nothing; the others are done once."""
    errors = []
    async with open_store(url) as store:

        async def good(i):
            assert await store.write(put, f"good{i}") == f"good{i}"

        async def bad(i):
            with pytest.raises(ValueError, match=f"bad{i} is bad") as caught:
                await store.write(put_and_fail, f"bad{i}")
            errors.append(caught.value)

        await behind_a_plug(store, *(lambda i=i: (bad if i % 3 == 1 else good)(i) for i in range(9)))
        assert await store.read(keys) == [f"good{i}" for i in (0, 2, 3, 5, 6, 8)]
    assert len(errors) == 3


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("statement", ["INSERT INTO day_counts VALUES ('k', '2026-01-01', 1)", "SELECT * FROM nothing"])
@pytest.mark.parametrize("through_driver", [False, True])
async def test_errors_of_the_database_become_ours(url, memory, statement, through_driver):
    """Neither SQLAlchemy's nor the driver's exceptions leave the store, and what failed has left nothing."""
    async with open_store(MEMORY if memory else url) as store:
        await store.write(put, "k")

        def fail(connection):
            put(connection, "half")
            driver(connection).execute(statement) if through_driver else connection.execute(text(statement))

        for way in (store.write, store.write_bulk):
            with pytest.raises(StoreError):
                await way(fail)
        with pytest.raises(StoreError):
            await store.read(lambda c: c.execute(text("SELECT * FROM nothing")))
        assert await store.read(keys) == ["k"]


async def test_a_reader_that_cannot_be_opened_is_explained(tmp_path):
    """The database was taken away while the daemon runs: the message says what to look at; it may come back."""
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    async with open_store(f"sqlite:///{home / 'd.db'}") as store:
        home.rename(away)
        with pytest.raises(StoreError, match=r"d.db was deleted or replaced.*store.lost says what to do"):
            await store.read(keys)
        away.rename(home)
        assert await store.read(keys) == []


@pytest.mark.parametrize(
    ("plug_is_bulk", "expected"),
    [
        # behind a bulk operation, whatever is urgent goes first, then one bulk operation at a time
        (True, ["u1", "u2", "commit", "b1", "commit", "b2", "commit", "b3", "commit"]),
        # behind an urgent one it is the turn of one bulk operation, never of two
        (False, ["b1", "commit", "u1", "u2", "commit", "b2", "commit", "b3", "commit"]),
    ],
)
async def test_bulk_takes_turns(url, plug_is_bulk, expected):
    """Urgent operations wait for one bulk operation at most; each of those has a transaction of its own."""
    order = []
    async with open_store(url) as store:
        await store.write(
            lambda c: driver(c).set_trace_callback(lambda s: order.append("commit") if s == "COMMIT" else None)
        )
        jobs = [lambda n=n: store.write_bulk(lambda c: order.append(n)) for n in ("b1", "b2", "b3")]
        jobs += [lambda n=n: store.write(lambda c: order.append(n)) for n in ("u1", "u2")]
        await behind_a_plug(store, *jobs, plug_is_bulk=plug_is_bulk)
        await store.write(lambda c: driver(c).set_trace_callback(None))
    start = order.index(expected[0])
    assert order[start : start + len(expected)] == expected


async def test_bulk_is_not_starved(url):
    """However many urgent operations keep coming, a bulk operation gets its turn."""
    async with open_store(url) as store:
        done = trio.Event()

        async def urgent():
            while not done.is_set():
                await store.write(lambda c: None)

        with trio.fail_after(LIMIT_S):
            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(urgent)
                for i in range(5):
                    await store.write_bulk(put, f"k{i}")
                done.set()
        assert len(await store.read(keys)) == 5


async def test_closing_finishes_what_is_queued(url, tmp_path):
    """A stop loses nothing that was asked for before, bulk included."""
    plug = Plug()
    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery, open_store(url) as store:
            nursery.start_soon(store.write, plug)
            await plug.sits()
            for i in range(5):
                nursery.start_soon(store.write, put, f"u{i}")
                nursery.start_soon(store.write_bulk, put, f"b{i}")
            await wait_all_tasks_blocked()
            nursery.start_soon(trio.to_thread.run_sync, plug.pull)
    other = sqlite3.connect(tmp_path / "d.db")
    assert other.execute("SELECT count(*) FROM day_counts").fetchone() == (10,)
    other.close()


async def test_a_lock_passes(url, tmp_path):
    """While another process holds the database writes fail with the remedy; after it they go on."""
    async with open_store(url) as store:
        await store.write(lambda c: driver(c).execute("PRAGMA busy_timeout=0"))
        other = sqlite3.connect(tmp_path / "d.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for way in (store.write, store.write_bulk, store.write):
            with pytest.raises(StoreError, match="another process holds the database"):
                await way(put, "k")
        assert await store.read(keys) == [], "readers are not held up"
        other.execute("ROLLBACK")
        other.close()
        await store.write(put, "k")
        assert await store.read(keys) == ["k"]


async def test_a_batch_waits_for_a_lock_once(url, tmp_path):
    """Operations that share a transaction share its failure to begin: they do not wait for the lock one by one."""
    trace, errors = Trace(), []
    async with open_store(url) as store:

        async def failing(i):
            with pytest.raises(StoreError, match="another process") as caught:
                await store.write(put, f"k{i}")
            errors.append(caught.value)

        await store.write(lambda c: driver(c).execute("PRAGMA busy_timeout=0"))
        await trace.on(store)
        other = sqlite3.connect(tmp_path / "d.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        async with trio.open_nursery() as nursery:
            with store._writer._wake:  # the thread cannot take one before all of them are there
                for i in range(8):
                    nursery.start_soon(failing, i)
                await wait_all_tasks_blocked()
        assert len(set(map(id, errors))) == 8, "each caller has an error of its own"
        assert trace.count("BEGIN") == 1
        other.execute("ROLLBACK")
        other.close()
        await store.write(put, "k")
        assert await store.read(keys) == ["k"]
