"""Soundness: whether a database may be dialled by, asked before it is opened for work.

A look at every page costs 0.25 s for a million recipients, so the start spends a little time on it and no more. Where
damage was noticed in a former life, a mark beside the database has the next start look at everything.
"""

import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Final

import structlog

from dialerd.model.errors import StoreError, StoreLost
from dialerd.store.database import explain
from dialerd.store.footing import RESCUED, rescued_words

DAMAGED: Final = ".damaged"
"""Ending of the name of the mark that says that damage was noticed."""

BUDGET_S: Final = 0.5
"""How long a start without suspicion may look."""

_log = structlog.get_logger()


def see_sound(path: Path) -> None:
    """Return if the database at `path` may be dialled by, as far as is known.

    Blocks. A database that does not exist is sound; so is one of a power cut, which its write-ahead log mends.

    Raises:
        StoreLost: it is damaged, or what a former life knew lies elsewhere; the message says the way out.
        StoreError: it cannot be looked at now.
    """
    copy = Path(f"{path}{RESCUED}")
    if copy.exists():
        raise StoreLost(f"{path} was deleted or replaced while dialerd ran", rescued_words(path, copy))
    if not path.exists() or path.stat().st_size == 0:
        return
    mark = Path(f"{path}{DAMAGED}")
    suspected = mark.exists()
    try:
        _look(path, suspected=suspected)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    if suspected:
        with contextlib.suppress(OSError):  # then the next start looks at everything once more
            mark.unlink()
        _log.warning("store.found_sound", database=str(path), detail="damage was noticed before, and is there no more")


def mark_damaged(path: Path, error: StoreError) -> None:
    """Have the next start look at every page of the database at `path`.

    Raises:
        OSError: the mark cannot be written.
    """
    Path(f"{path}{DAMAGED}").write_text(f"{error}\n# The next start of dialerd looks at every page and decides.\n")


def _look(path: Path, *, suspected: bool) -> None:
    with contextlib.closing(sqlite3.connect(path, timeout=10.0, check_same_thread=False)) as connection:
        connection.execute("PRAGMA cache_size=-32768")
        # a progress handler would not do: the look at a whole table is one step of SQLite's machine
        alarm = threading.Timer(BUDGET_S, connection.interrupt)
        try:
            if not suspected:
                alarm.start()
            found = connection.execute(f"PRAGMA {'integrity_check' if suspected else 'quick_check'}(3)").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            _log.info("store.check_cut_short", database=str(path), after_s=BUDGET_S)
            return
        finally:
            alarm.cancel()
            if alarm.ident is not None:
                alarm.join()  # or it would interrupt a connection that is closed
    if found != [("ok",)]:
        details = "; ".join(str(row[0]).replace("\n", " ") for row in found)
        raise sqlite3.DatabaseError(f"database disk image is malformed: {details}")
