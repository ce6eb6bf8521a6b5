"""The one writer: group commit, so that many tasks share one transaction and one wait for the disk.

An operation is a function of a connection. It runs in a transaction that may hold other operations too, and its caller
wakes when that transaction is durable. Operations are run bare; only when one raises is the batch rolled back and
replayed, each in a transaction of its own, so that one bad operation costs its neighbours nothing but time.

This is the only place of the store that knows trio.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import trio
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from dialerd.model.errors import StoreError
from dialerd.store.database import explain

T = TypeVar("T")


class Writer(Protocol):
    """Runs operations that write."""

    async def run(self, op: Callable[[Connection], T], *, bulk: bool = False) -> T:
        """Run `op` in a transaction and return its result once that is durable.

        Args:
            op: the operation; leaves transaction control alone.
            bulk: it may wait: urgent operations go first.

        Raises:
            StoreError: the database could not do it.
        """

    async def aclose(self) -> None:
        """Finish what is queued and close the connection."""


class InlineWriter:
    """Runs each operation at once, in the caller's thread: for a store in memory and for a virtual clock.

    Args:
        engine: where to write.
    """

    def __init__(self, engine: Engine) -> None:
        self._connection = engine.connect()

    async def run(self, op: Callable[[Connection], T], *, bulk: bool = False) -> T:  # nothing waits here
        """See `Writer.run`."""
        await trio.lowlevel.checkpoint()
        try:
            with self._connection.begin():
                return op(self._connection)
        except (DBAPIError, sqlite3.Error) as error:
            raise explain(error) from error

    async def aclose(self) -> None:
        """See `Writer.aclose`."""
        self._connection.close()


class _Job:
    """An operation on its way through the writer's thread."""

    __slots__ = ("done", "error", "op", "result")

    def __init__(self, op: Callable[[Connection], Any]) -> None:
        self.op = op
        self.done = trio.Event()
        self.result: Any = None
        self.error: Exception | None = None


class ThreadWriter:
    """Runs operations in one thread of its own, all that are waiting in one transaction.

    Bulk operations get a transaction each and take turns with the urgent ones, so that an intake of a million rows
    delays a claim by one batch at most.

    Args:
        engine: where to write.
        name: of the thread, for dumps.
    """

    def __init__(self, engine: Engine, name: str = "dialerd-writer") -> None:
        self._connection = engine.connect()
        self._urgent: deque[_Job] = deque()
        self._bulk: deque[_Job] = deque()
        self._bulk_is_next = False
        self._closing = False
        self._wake = threading.Condition()
        self._token = trio.lowlevel.current_trio_token()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, op: Callable[[Connection], T], *, bulk: bool = False) -> T:
        """See `Writer.run`. Once queued, an operation is waited for even when the caller is cancelled."""
        await trio.lowlevel.checkpoint_if_cancelled()
        job = _Job(op)
        with self._wake:
            if self._closing:
                raise StoreError("the store is closed")
            (self._bulk if bulk else self._urgent).append(job)
            self._wake.notify()
        with trio.CancelScope(shield=True):
            await job.done.wait()
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    async def aclose(self) -> None:
        """See `Writer.aclose`."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._thread.join)
        self._connection.close()

    def _work(self) -> None:
        while jobs := self._next():
            self._commit(jobs)
            self._token.run_sync_soon(_wake_callers, jobs)

    def _next(self) -> list[_Job]:
        """Wait for work and take it; empty = closed and nothing left."""
        with self._wake:
            while not (self._urgent or self._bulk or self._closing):
                self._wake.wait()
            if self._bulk and (self._bulk_is_next or not self._urgent):
                self._bulk_is_next = False
                return [self._bulk.popleft()]
            self._bulk_is_next = True
            jobs = list(self._urgent)
            self._urgent.clear()
            return jobs

    def _commit(self, jobs: list[_Job]) -> None:
        begun = False
        try:
            with self._connection.begin():
                begun = True
                for job in jobs:
                    job.result = job.op(self._connection)
        except Exception as error:  # noqa: BLE001  # whatever it is belongs to the caller of the operation
            if begun and len(jobs) > 1:
                for job in jobs:
                    self._commit([job])
                return
            for job in jobs:  # more than one: the database is locked, and each would wait as long again
                job.error = explain(error) if isinstance(error, DBAPIError | sqlite3.Error) else error


def _wake_callers(jobs: list[_Job]) -> None:
    for job in jobs:
        job.done.set()
