"""The footing: whether the database's names still lead to the files that are open, and a way back where they do not.

SQLite goes on writing to a file that was deleted or replaced under it, and whatever it writes is gone with the process.
A further connection is worse: it finds another file under the name, empties the shared memory of the first ones, which
has kept its name, and they no longer see what their log holds. Knows nothing of what the database holds.
"""

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Final

from dialerd.model.errors import StoreError, StoreLost

RESCUED: Final = ".rescued"
"""Ending of the name of the copy that is made of a database whose file went away."""


class Footing:
    """The files of an open database.

    Args:
        path: the database; it is open, and so is its write-ahead log.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = (os.fspath(path), f"{path}-wal")
        self._known = [_identity(name) for name in self._names]

    def check(self, dbapi: sqlite3.Connection) -> None:
        """See that the names still lead to what is open; two looks at names that the kernel knows, 3 µs.

        Args:
            dbapi: the writer's connection, with no transaction begun.

        Raises:
            StoreLost: they do not; what the open files hold was copied aside, if that could be done.
        """
        gone = self._gone()
        if gone is not None:
            raise StoreLost(gone, self._rescue(dbapi))

    def see(self) -> None:
        """See, before a further connection is opened, that the names still lead to what is open.

        Raises:
            StoreError: they do not. The store is not lost by that: its writer is to find out, who can rescue it.
        """
        gone = self._gone()
        if gone is not None:
            raise StoreError(gone, "dialerd ends with its next transaction, and store.lost says what to do")

    def _gone(self) -> str | None:
        for name, known in zip(self._names, self._known, strict=True):
            if _identity(name, known) != known:
                return f"{name} was deleted or replaced while dialerd had it open"
        return None

    def _rescue(self, dbapi: sqlite3.Connection) -> str:
        """Copy what the open files hold beside them and return what to do."""
        copy = Path(f"{self._path}{RESCUED}")
        try:
            dbapi.execute("VACUUM INTO ?", (os.fspath(copy),))
        except sqlite3.Error as error:
            with contextlib.suppress(OSError):
                copy.unlink()
            return f"what it held could not be copied to {copy} ({error}): restore a backup, and start dialerd again"
        return rescued_words(self._path, copy)


def rescued_words(path: Path, copy: Path) -> str:
    """Return what to do about the rescued `copy` of the database at `path`."""
    return (
        f"all that dialerd knew is in {copy}: stop dialerd, remove {path} with {path}-wal and {path}-shm if they are "
        f"there, move {copy} to {path}, and start dialerd again; or delete {copy} to forget who was called"
    )


def _identity(name: str, otherwise: tuple[int, int] | None = None) -> tuple[int, int] | None:
    """Return the file that a name leads to, None when there is none, and `otherwise` when that cannot be told now."""
    try:
        status = os.stat(name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:  # a disk that fails, or a directory that was closed to us: the file may well be there
        return otherwise
    return status.st_dev, status.st_ino
