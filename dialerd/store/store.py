"""The store: one writer, a few readers, and the operations of this room running through them.

    campaign_id = await store.write(campaigns.begin, new)
    totals = await store.read(reports.totals, campaign_id)

An operation is a plain function of a connection and stands in the module of its noun.
"""

import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Concatenate, ParamSpec, TypeVar

import structlog
import trio
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from dialerd.model.errors import StoreError, StoreLost
from dialerd.model.histogram import Histogram
from dialerd.rules.reminders import Reminder
from dialerd.store.database import connect, database_path, explain
from dialerd.store.migrate import create, upgrade
from dialerd.store.soundness import is_there, mark_made, see_sound
from dialerd.store.writer import InlineWriter, Loss, ThreadWriter, Writer

P = ParamSpec("P")
T = TypeVar("T")

_READERS = 2  # look-ups at once; more would only fight over the interpreter

_log = structlog.get_logger()


class Store:
    """An open store.

    Args:
        writer: runs what writes.
        engine: where readers read; None = through the writer, for a store in memory.
        loss: where it is told that the store is lost.

    Attributes:
        writes: how many operations have written; while it stands still, nothing that can be read has changed.
        created: whether there was no database before it was opened.
    """

    def __init__(self, writer: Writer, engine: Engine | None, loss: Loss | None = None) -> None:
        self.writes = 0
        self.created = False
        self._writer = writer
        self._engine = engine
        self._loss = loss or Loss()
        self._trouble = Reminder()
        self._idle: list[Connection] = []
        self._readers = trio.CapacityLimiter(_READERS)
        self._written: trio.Event | None = None  # what waits for the next write

    def waits_for_s(self) -> float:
        """Return for how many seconds the disk has been at the transaction under way; 0 = there is none."""
        return self._writer.waits_for_s()

    @property
    def loss(self) -> StoreLost | None:
        """Why the database cannot be relied on any more; None = it can."""
        return self._loss.error

    @property
    def commits(self) -> Histogram:
        """How many seconds transactions took."""
        return self._writer.commits

    async def written(self, writes: int) -> None:
        """Wait until there was a write after `writes`, as it was read from the attribute."""
        if self.writes == writes:
            if self._written is None:
                self._written = trio.Event()
            await self._written.wait()

    async def lost(self) -> StoreLost:
        """Wait until the store is lost, if ever, and return why: then nothing is stored any more."""
        return await self._loss.told()

    async def write(self, op: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `op(connection, …)` in the next transaction; return its result once that is durable.

        Raises:
            StoreLost: the database cannot be relied on any more.
            StoreError: the database could not do it.
        """
        return await self._write(_bind(op, args, kwargs), bulk=False)

    async def write_bulk(self, op: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `op` as `write` does, in a transaction of its own and behind what is urgent; at most 2,000 rows."""
        return await self._write(_bind(op, args, kwargs), bulk=True)

    async def read(self, op: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `op(connection, …)` on a snapshot beside the writer; short ones only, a long read stops checkpoints."""
        bound = _bind(op, args, kwargs)
        if self._engine is None:
            return await self._writer.run(bound)
        return await trio.to_thread.run_sync(self._look_up, bound, limiter=self._readers)

    async def _write(self, bound: Callable[[Connection], T], *, bulk: bool) -> T:
        try:
            result = await self._writer.run(bound, bulk=bulk)
        except StoreError as error:
            if error.remedy is not None and self._trouble.due(time.monotonic()):
                _log.error("store.failed", error=error.what, remedy=error.remedy)
            raise
        self.writes += 1
        if self._written is not None:
            self._written.set()
            self._written = None
        if self._trouble.since_s is not None:
            _log.info("store.recovered", lasted_s=round(time.monotonic() - self._trouble.since_s, 1))
            self._trouble.over()
        return result

    def _look_up(self, bound: Callable[[Connection], T]) -> T:
        assert self._engine is not None
        connection: Connection | None = None
        try:
            connection = self._idle.pop() if self._idle else self._opened(self._engine)
            with connection.begin():
                result = bound(connection)
        except BaseException as error:
            if connection is not None:
                connection.close()  # what state it is in nobody knows
            if not isinstance(error, DBAPIError | sqlite3.Error):
                raise
            explained = explain(error, database_path(str(self._engine.url)))
            if isinstance(explained, StoreLost):
                self._loss.tell(explained)
            raise explained from error
        self._idle.append(connection)
        return result

    def _opened(self, engine: Engine) -> Connection:
        self._writer.see_footing()
        return engine.connect()

    async def aclose(self) -> None:
        """Finish what is queued and close every connection."""
        await self._writer.aclose()
        for connection in self._idle:
            await trio.to_thread.run_sync(connection.close)  # the last one moves the log, which a disk may hold up
        if self._engine is not None:
            self._engine.dispose()


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Store]:
    """Open the store at `url`, bring its schema up to date, and close it at the end.

    Args:
        url: SQLAlchemy URL; one in memory, such as `dialerd.store.database.MEMORY`, runs everything inline.

    Raises:
        StoreError: it cannot be opened; the message says why and the way out.
    """
    engine = connect(url)
    path = database_path(url)
    if path is None:
        create(engine)
        store = Store(InlineWriter(engine), None)
    else:
        await trio.to_thread.run_sync(see_sound, path)
        created = not await trio.to_thread.run_sync(is_there, path)
        await trio.to_thread.run_sync(upgrade, engine)
        await trio.to_thread.run_sync(mark_made, path)
        loss = Loss(path)
        store = Store(ThreadWriter(engine, loss), connect(url, read_only=True), loss)
        store.created = created
    try:
        yield store
    finally:
        await store.aclose()
        engine.dispose()


def _bind(op: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> Callable[[Connection], T]:
    return lambda connection: op(connection, *args, **kwargs)
