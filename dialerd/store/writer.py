"""The one writer: group commit, so that many tasks share one transaction and one wait for the disk.

An operation is a function of a connection. It runs in a transaction that may hold other operations too, and its caller
wakes when that transaction is durable. Operations are run bare; only when one raises is the batch rolled back and
replayed, each in a transaction of its own, so that one bad operation costs its neighbours nothing but time.

When the database is lost (damaged, or its file gone), nothing is written any more: every operation is answered with
that, and whoever waits for it is told.

This is the only place of the store that knows trio.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog
import trio
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from dialerd.model.errors import StoreError, StoreLost
from dialerd.model.histogram import Histogram
from dialerd.store.checkpoints import LARGE, Checkpoints
from dialerd.store.counters import driver
from dialerd.store.database import database_path, explain
from dialerd.store.footing import Footing
from dialerd.store.soundness import mark_damaged

T = TypeVar("T")

_log = structlog.get_logger()

_COMMITS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Writer(Protocol):
    """Runs operations that write.

    Attributes:
        commits: how many seconds its transactions took.
    """

    commits: Histogram

    async def run(self, op: Callable[[Connection], T], *, bulk: bool = False) -> T:
        """Run `op` in a transaction and return its result once that is durable.

        Args:
            op: the operation; leaves transaction control alone.
            bulk: it may wait: urgent operations go first.

        Raises:
            StoreError: the database could not do it.
        """

    def waits_for_s(self) -> float:
        """Return for how many seconds the transaction under way has gone on; 0 = there is none."""

    def see_footing(self) -> None:
        """See that another connection would come to the same database; see `Footing.see`.

        Raises:
            StoreError: it would not.
        """

    async def aclose(self) -> None:
        """Finish what is queued and close the connection."""


class InlineWriter:
    """Runs each operation at once, in the caller's thread: for a store in memory and for a virtual clock.

    Args:
        engine: where to write.
    """

    def __init__(self, engine: Engine) -> None:
        self.commits = Histogram(_COMMITS_S)
        self._connection = engine.connect()

    async def run(self, op: Callable[[Connection], T], *, bulk: bool = False) -> T:  # nothing waits here
        """See `Writer.run`."""
        await trio.lowlevel.checkpoint()
        try:
            with self._connection.begin():
                return op(self._connection)
        except (DBAPIError, sqlite3.Error) as error:
            raise explain(error) from error

    def waits_for_s(self) -> float:
        """See `Writer.waits_for_s`; whoever could ask waits as well."""
        return 0.0

    def see_footing(self) -> None:
        """See `Writer.see_footing`; nobody opens another one."""

    async def aclose(self) -> None:
        """See `Writer.aclose`."""
        self._connection.close()


class Loss:
    """That the database was lost: found out in any thread, told to a task.

    Args:
        path: the database's file, or None.

    Attributes:
        error: why nothing may be written any more; None = it may.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.error: StoreLost | None = None
        self._path = path
        self._told = trio.Event()
        self._token = trio.lowlevel.current_trio_token()

    def tell(self, error: StoreLost) -> None:
        """Take note of it, and have the next start look closely; only the first time counts.

        Args:
            error: why.
        """
        if self.error is not None:
            return
        self.error = error
        if self._path is not None:
            try:
                mark_damaged(self._path, error)
            except OSError as second:
                words = f"run sqlite3's PRAGMA integrity_check on {self._path} before dialerd is started again"
                _log.error("store.not_marked", error=second.strerror, remedy=words)
        self._token.run_sync_soon(self._told.set)

    async def told(self) -> StoreLost:
        """Wait until it is lost and return why."""
        await self._told.wait()
        assert self.error is not None
        return self.error


class _Job:
    """An operation on its way through the writer's thread."""

    __slots__ = ("done", "error", "op", "result")

    def __init__(self, op: Callable[[Connection], Any]) -> None:
        self.op = op
        self.done = trio.Event()
        self.result: Any = None
        self.error: BaseException | None = None


class ThreadWriter:
    """Runs operations in one thread of its own, all that are waiting in one transaction.

    Bulk operations get a transaction each and take turns with the urgent ones, so that an intake of a million rows
    delays a claim by one batch at most.

    Args:
        engine: where to write.
        loss: where it is told that nothing is written any more; None = nowhere.
        name: of the thread, for dumps.

    Raises:
        StoreError: the database cannot be opened.
    """

    def __init__(self, engine: Engine, loss: "Loss | None" = None, name: str = "dialerd-writer") -> None:
        self.commits = Histogram(_COMMITS_S)
        self._path = database_path(str(engine.url))
        try:
            self._connection = engine.connect()
            with self._connection.begin():  # so that the write-ahead log is open too
                self._connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
        except (DBAPIError, sqlite3.Error) as error:
            raise explain(error, self._path) from error
        self._footing = None if self._path is None else Footing(self._path)
        self._loss = loss or Loss(self._path)
        self._checkpoints = None if self._path is None else self._own_checkpoints(self._path)
        self._urgent: deque[_Job] = deque()
        self._bulk: deque[_Job] = deque()
        self._bulk_is_next = False
        self._closing = False
        self._begun_s: float | None = None  # when the transaction under way began
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
            if self._loss.error is not None:
                raise copy(self._loss.error)
            (self._bulk if bulk else self._urgent).append(job)
            self._wake.notify()
        with trio.CancelScope(shield=True):
            await job.done.wait()
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def waits_for_s(self) -> float:
        """See `Writer.waits_for_s`."""
        begun_s = self._begun_s
        return 0.0 if begun_s is None else time.monotonic() - begun_s

    def see_footing(self) -> None:
        """See `Writer.see_footing`."""
        if self._footing is not None:
            self._footing.see()

    async def aclose(self) -> None:
        """See `Writer.aclose`."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._thread.join)
            if self._checkpoints is not None:
                await trio.to_thread.run_sync(self._checkpoints.close)
            await trio.to_thread.run_sync(self._connection.close)  # it moves what is left, which a disk may hold up

    def _own_checkpoints(self, path: Path) -> Checkpoints:
        """Take the checkpoints out of the commits, which SQLite would make wait for them."""

        def failed(error: Exception) -> StoreError:
            if isinstance(error, StoreError):
                return error
            explained = explain(error, path) if isinstance(error, sqlite3.Error) else StoreError(repr(error))
            if isinstance(explained, StoreLost):
                self._loss.tell(explained)
            return explained

        dbapi = driver(self._connection)
        dbapi.execute("PRAGMA wal_autocheckpoint=0")
        dbapi.execute(f"PRAGMA journal_size_limit={LARGE}")
        return Checkpoints(path, failed, self.see_footing)

    def _work(self) -> None:
        jobs: list[_Job] = []
        try:
            while jobs := self._next():
                self._begun_s = begun_s = time.monotonic()
                self._commit(jobs)
                self._begun_s = None
                self.commits.count(time.monotonic() - begun_s)
                self._token.run_sync_soon(_wake_callers, jobs)
                jobs = []
        except BaseException as error:
            # whoever waits must hear of it: a writer that is silently gone would keep the dispatcher waiting for ever
            self._loss.tell(
                StoreLost(f"the writer's thread broke: {error!r}", "this is a fault of dialerd: start it again")
            )
            with self._wake:
                self._urgent.extend(self._bulk)
                jobs = [*jobs, *self._urgent]
                self._urgent.clear()
                self._bulk.clear()
            for job in jobs:
                job.error = copy(self._loss.error)  # each caller raises one of its own
            self._token.run_sync_soon(_wake_callers, jobs)
            raise

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
        if self._loss.error is not None:
            for job in jobs:
                job.error = copy(self._loss.error)  # each caller raises one of its own
            return
        begun = False
        try:
            with self._connection.begin():
                begun = True
                for job in jobs:
                    job.result = job.op(self._connection)
            if self._footing is not None:
                self._footing.check(driver(self._connection))
            if self._checkpoints is not None:
                self._checkpoints.committed(driver(self._connection))
        except BaseException as error:  # noqa: BLE001  # whatever it is belongs to the caller of the operation
            self._end_transaction()
            if isinstance(error, DBAPIError | sqlite3.Error):
                error = explain(error, self._path)
                if self._checkpoints is not None:
                    self._checkpoints.want()
            if isinstance(error, StoreLost):
                self._loss.tell(error)
            elif begun and len(jobs) > 1:
                for job in jobs:
                    self._commit([job])
                return
            for job in jobs:  # more than one: the database is locked, and each would wait as long again
                job.error = copy(error) if isinstance(error, StoreError) else error

    def _end_transaction(self) -> None:
        """Roll back what a COMMIT left open that failed; SQLAlchemy takes it for ended, and no other could begin."""
        dbapi = driver(self._connection)
        if dbapi.in_transaction:
            dbapi.rollback()


def _wake_callers(jobs: list[_Job]) -> None:
    for job in jobs:
        job.done.set()
