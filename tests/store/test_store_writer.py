"""The writer: many operations a commit, each with its own fate."""

import threading

import pytest
import trio
from sqlalchemy import text
from stored import begin, rows

from dialerd.model.errors import StoreError
from dialerd.store import reports
from dialerd.store.store import open_store


@pytest.fixture
def url(tmp_path):
    """Return the URL of a store in a file."""
    return f"sqlite:///{tmp_path}/dialerd.db"


class Brake:
    """An operation that keeps the writer's thread until it is let go."""

    def __init__(self):
        self.running = threading.Event()
        self.go = threading.Event()

    def __call__(self, connection):
        """Wait."""
        self.running.set()
        assert self.go.wait(60)


async def held(store, nursery):
    """Keep the writer busy; return the brake."""
    brake = Brake()
    nursery.start_soon(store.write, brake)
    while not brake.running.is_set():  # noqa: ASYNC110  # a thread sets it
        await trio.sleep(0.001)
    return brake


async def queued(nursery, *tasks):
    """Start tasks and let each queue its operation before the next does."""
    for task in tasks:
        nursery.start_soon(*task)
        await trio.testing.wait_all_tasks_blocked()


async def test_one_that_fails_costs_its_neighbours_nothing(url):
    """Fifty operations in one commit, of which two fail: the other forty-eight are stored, once."""
    async with open_store(url) as store:
        await store.write(lambda c: c.execute(text("CREATE TABLE t (i INTEGER PRIMARY KEY)")))
        failed = []

        async def insert(i):
            def op(connection):
                connection.execute(text("INSERT INTO t VALUES (:i)"), {"i": i})
                if i == 7:
                    raise KeyError("mine")
                if i == 9:
                    connection.execute(text("INSERT INTO t VALUES (9)"))

            try:
                await store.write(op)
            except (KeyError, StoreError) as error:
                failed.append((i, type(error)))

        async with trio.open_nursery() as nursery:
            brake = await held(store, nursery)
            await queued(nursery, *((insert, i) for i in range(50)))
            brake.go.set()
        assert sorted(failed, key=str) == [(7, KeyError), (9, StoreError)]
        stored = await store.read(lambda c: [i for (i,) in rows(c, "SELECT i FROM t ORDER BY i")])
        assert stored == [i for i in range(50) if i not in (7, 9)]


async def test_what_waits_together_is_committed_together(url):
    """Operations that queue while a commit is under way share the next one."""
    async with open_store(url) as store:
        seen = []

        def op(connection):
            seen.append(connection.get_transaction())

        async with trio.open_nursery() as nursery:
            brake = await held(store, nursery)
            await queued(nursery, *((store.write, op) for _ in range(20)))
            brake.go.set()
        assert len(seen) == 20
        assert len(set(map(id, seen))) == 1


async def test_bulk_takes_turns_with_what_is_urgent(url):
    """A bulk operation has a transaction of its own, and urgent ones wait for one of them at most."""
    async with open_store(url) as store:
        order = []

        async def urgent():
            await store.write(lambda _: order.append("urgent"))

        async def bulk():
            await store.write_bulk(lambda _: order.append("bulk"))

        async with trio.open_nursery() as nursery:
            brake = await held(store, nursery)
            await queued(nursery, *((bulk,) for _ in range(5)), (urgent,), (urgent,))
            brake.go.set()
        assert sorted(order) == ["bulk"] * 5 + ["urgent"] * 2
        assert order.index("urgent") <= 1
        assert order[order.index("urgent") : order.index("urgent") + 2] == ["urgent", "urgent"]


async def test_a_cancelled_caller_is_waited_for(url):
    """An operation that is queued is done, whatever becomes of its caller."""
    async with open_store(url) as store:
        returned = []
        async with trio.open_nursery() as nursery:
            brake = await held(store, nursery)
            scope = trio.CancelScope()

            async def write():
                with scope:
                    returned.append(await store.write(begin))

            nursery.start_soon(write)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
            assert returned == []
            brake.go.set()
        assert returned == [1]
        assert (await store.read(reports.totals, [1]))[1].recipients == 0


async def test_who_is_cancelled_before_writes_nothing(url):
    """A caller that is cancelled already does not queue."""
    async with open_store(url) as store:
        with trio.CancelScope() as scope:
            scope.cancel()
            await store.write(begin)
        assert await store.read(lambda c: rows(c, "SELECT count(*) FROM campaigns")) == [(0,)]


async def test_a_closed_store_refuses(url):
    """And what was queued before the close is done."""
    async with open_store(url) as store, trio.open_nursery() as nursery:
        brake = await held(store, nursery)
        await queued(nursery, (store.write, begin))
        nursery.start_soon(store.aclose)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(StoreError, match="closed"):
            await store.write(begin)
        brake.go.set()
    async with open_store(url) as store:
        assert await store.read(lambda c: rows(c, "SELECT count(*) FROM campaigns")) == [(1,)]


async def test_a_reader_cannot_write(url):
    """Look-ups run on connections that refuse to."""
    async with open_store(url) as store:
        with pytest.raises(StoreError):
            await store.read(begin)
        assert await store.read(lambda c: rows(c, "SELECT count(*) FROM campaigns")) == [(0,)]
