"""The store: one writer, a few readers, and the operations of this room running through them.

    campaign_id = await store.write(campaigns.begin, new)
    totals = await store.read(reports.totals, campaign_id)

An operation is a plain function of a connection and stands in the module of its noun.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Concatenate, ParamSpec, TypeVar

import trio
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from dialerd.store.database import connect, database_path, explain
from dialerd.store.migrate import create, upgrade
from dialerd.store.writer import InlineWriter, ThreadWriter, Writer

P = ParamSpec("P")
T = TypeVar("T")

_READERS = 2  # look-ups at once; more would only fight over the interpreter


class Store:
    """An open store.

    Args:
        writer: runs what writes.
        engine: where readers read; None = through the writer, for a store in memory.
    """

    def __init__(self, writer: Writer, engine: Engine | None) -> None:
        self._writer = writer
        self._engine = engine
        self._idle: list[Connection] = []
        self._readers = trio.CapacityLimiter(_READERS)

    async def write(self, op: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `op(connection, …)` in the next transaction; return its result once that is durable.

        Raises:
            StoreError: the database could not do it.
        """
        return await self._writer.run(_bind(op, args, kwargs))

    async def write_bulk(self, op: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `op` as `write` does, in a transaction of its own and behind what is urgent; at most 2,000 rows."""
        return await self._writer.run(_bind(op, args, kwargs), bulk=True)

    async def read(self, op: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `op(connection, …)` on a snapshot beside the writer; short ones only, a long read stops checkpoints."""
        bound = _bind(op, args, kwargs)
        if self._engine is None:
            return await self._writer.run(bound)
        return await trio.to_thread.run_sync(self._look_up, bound, limiter=self._readers)

    def _look_up(self, bound: Callable[[Connection], T]) -> T:
        assert self._engine is not None
        try:
            connection = self._idle.pop() if self._idle else self._engine.connect()
            try:
                with connection.begin():
                    return bound(connection)
            finally:
                self._idle.append(connection)
        except (DBAPIError, sqlite3.Error) as error:
            raise explain(error) from error

    async def aclose(self) -> None:
        """Finish what is queued and close every connection."""
        await self._writer.aclose()
        for connection in self._idle:
            connection.close()
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
    if database_path(url) is None:
        create(engine)
        store = Store(InlineWriter(engine), None)
    else:
        await trio.to_thread.run_sync(upgrade, engine)
        store = Store(ThreadWriter(engine), connect(url, read_only=True))
    try:
        yield store
    finally:
        await store.aclose()
        engine.dispose()


def _bind(op: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> Callable[[Connection], T]:
    return lambda connection: op(connection, *args, **kwargs)
