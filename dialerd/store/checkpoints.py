"""Checkpoints: moving what the write-ahead log holds into the database, beside the writer.

Left to itself, SQLite does that within whatever commit fills the log up, and every call waits meanwhile: for all the
pages of the log once, for one fsync of the database and for the other core, which could have done it. Here a thread
with a connection of its own does it, passively: it takes nobody's lock (https://sqlite.org/c3ref/wal_checkpoint_v2.html).
The log begins anew only when at some instant all of it has been moved, which under load never comes by itself; so the
writer, between two transactions, moves the little that was added while the thread was at it.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from dialerd.model.errors import StoreError
from dialerd.rules.reminders import Reminder

_log = structlog.get_logger()

ROWS: Final = 16_000
"""Changed rows after which the log is moved; a call changes four. Pages that many transactions have changed are moved
once, so that more is less work; but the log grows to some 20 MiB meanwhile, which a restart reads once."""

LARGE: Final = 32 << 20
"""Bytes to which the log's file is cut; a quarter more, and it is moved however few rows it holds."""

_SMALL: Final = 1 << 20
"""Bytes to which it is cut at least, however little room its disk has."""

_PART: Final = 4
"""On a disk with little room the log's file is cut to a quarter of what it and the free space come to. It is moved at
twice that: then the database has room for all of it. A log that had taken the last room could never be moved."""

_PASSIVE: Final = "PRAGMA wal_checkpoint(PASSIVE)"


class Checkpoints:
    """Keeps a database's write-ahead log short.

    Args:
        path: the database.
        failed: returns in words what an error means, and acts on it where it is the end of the store.
        see_footing: raises where the path leads to another database by now, which must not be opened.
        rows: changed rows after which the log is moved.
    """

    def __init__(
        self,
        path: Path,
        failed: Callable[[Exception], StoreError],
        see_footing: Callable[[], None] = lambda: None,
        rows: int = ROWS,
    ) -> None:
        self._path = path
        self._log_path = f"{path}-wal"
        self._failed = failed
        self._see_footing = see_footing
        self._rows = rows
        self._next = rows  # changes of the writer's connection, in all, at which the log is moved next
        self._limit = LARGE  # to which it is cut
        self._moved = False
        self._closing = False
        self._trouble = Reminder()
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._work, name="dialerd-checkpoints", daemon=True)
        self._thread.start()

    def committed(self, dbapi: sqlite3.Connection) -> None:
        """Take note of a commit; the writer's.

        Args:
            dbapi: the writer's connection, with no transaction begun.
        """
        if self._moved:
            self._moved = False
            self._move(dbapi)  # what came since; the log begins anew with the next transaction
        if dbapi.total_changes >= self._next or self._outgrown(dbapi):
            self._next = dbapi.total_changes + self._rows
            self.want()

    def want(self) -> None:
        """Have the log moved soon: after a commit that failed, since its room may be all that is missing."""
        self._wanted.set()

    def _outgrown(self, dbapi: sqlite3.Connection) -> bool:
        """See to what the log's file is to be cut, and tell whether it has outgrown that."""
        try:
            size = os.stat(self._log_path).st_size
            disk = os.statvfs(self._log_path)
        except OSError:  # somebody took the database away, which is the footing's to say; or the next commit fails
            return False
        room = size + disk.f_bavail * disk.f_frsize
        limit = min(LARGE, max(_SMALL, room // _PART))
        outgrown = size > min(LARGE + LARGE // 4, 2 * limit)
        if limit != self._limit and (outgrown or limit == LARGE):  # not at every commit, as the room comes and goes
            self._limit = limit
            dbapi.execute(f"PRAGMA journal_size_limit={limit}")
        return outgrown

    def close(self) -> None:
        """End the thread; the last connection that closes moves what is left."""
        self._closing = True
        self._wanted.set()
        self._thread.join()

    def _work(self) -> None:
        dbapi: sqlite3.Connection | None = None
        while True:
            self._wanted.wait()
            self._wanted.clear()  # before the work: what is wanted meanwhile, the end too, is seen after it
            if self._closing:
                break
            try:
                dbapi = dbapi or self._opened()
                if dbapi is not None and self._move(dbapi):
                    self._moved = True
            except Exception as error:  # noqa: BLE001  # no memory, say; without this thread the log grows for ever
                self._tell(error)
        if dbapi is not None:
            dbapi.close()

    def _opened(self) -> sqlite3.Connection | None:
        """Return a connection of its own; never a new database where the old one is gone."""
        try:
            self._see_footing()
            dbapi = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
            dbapi.execute("PRAGMA synchronous=FULL")
        except (StoreError, sqlite3.Error) as error:
            self._tell(error)
            return None
        return dbapi

    def _move(self, dbapi: sqlite3.Connection) -> bool:
        """Move what can be moved without waiting for anybody; tell whether that went well."""
        try:
            dbapi.execute(_PASSIVE).fetchone()
        except sqlite3.Error as error:
            self._tell(error)
            return False
        self._trouble.over()
        return True

    def _tell(self, error: Exception) -> None:
        told = self._failed(error)
        if self._trouble.due(time.monotonic()):
            _log.error(
                "store.checkpoint_failed",
                error=str(told),
                remedy=f"nothing is lost and calls go on, but {self._log_path} grows until this is mended",
            )
