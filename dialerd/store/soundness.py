"""Soundness: whether a database may be dialled by, asked before it is opened for work.

A look at every page costs 0.25 s for a million recipients, so the start spends a little time on it and no more. Where
damage was noticed in a former life, a mark beside the database has the next start look at everything.

A database that is missing or empty is new only where nothing beside it tells of a former one: begun anew in silence,
dialerd would know of no call and of no do-not-call entry.
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

MADE: Final = ".made"
"""Ending of the name of the mark that says that there was a database: its absence is a loss from then on."""

BUDGET_S: Final = 0.5
"""How long a start without suspicion may look."""

_log = structlog.get_logger()


def see_sound(path: Path) -> None:
    """Return if the database at `path` may be dialled by, as far as is known.

    Blocks. A database that never was is sound; so is one of a power cut, which its write-ahead log mends.

    Raises:
        StoreLost: it is damaged or gone, or what a former life knew lies elsewhere; the message says the way out.
        StoreError: it cannot be looked at now.
    """
    copy = Path(f"{path}{RESCUED}")
    if copy.exists():
        raise StoreLost(f"{path} was deleted or replaced while dialerd ran", rescued_words(path, copy))
    if not is_there(path):
        _see_never_there(path)
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
        remedy = "damage was noticed before, and is there no more: check the disk and the memory"
        _log.warning("store.found_sound", database=str(path), remedy=remedy)


def is_there(path: Path) -> bool:
    """Tell whether there is a database at `path`; a first start that was killed leaves an empty file, which is none."""
    return path.exists() and path.stat().st_size > 0


def mark_made(path: Path) -> None:
    """Have every later start know that there is a database at `path`; blocks. What is marked already stays so."""
    mark = Path(f"{path}{MADE}")
    if not mark.exists():
        with contextlib.suppress(OSError):  # a disk without room for it: the next start tries again
            mark.write_text(
                f"# There is a database {path.name}. While this file is here, dialerd refuses to start without it.\n"
            )


def mark_damaged(path: Path, error: StoreError) -> None:
    """Have the next start look at every page of the database at `path`.

    Raises:
        OSError: the mark cannot be written.
    """
    Path(f"{path}{DAMAGED}").write_text(f"{error}\n# The next start of dialerd looks at every page and decides.\n")


def _see_never_there(path: Path) -> None:
    """Return if nothing beside `path`, where no database is, tells that there was one."""
    log = Path(f"{path}-wal")
    marks = [mark for ending in (DAMAGED, MADE) if (mark := Path(f"{path}{ending}")).exists()]
    left = [str(file) for file in ([log] if is_there(log) else []) + marks]
    if left:
        raise StoreLost(
            f"{path} is {'empty' if path.exists() else 'missing'}, and was there before",
            f"restore a backup to {path}, or look for what moved or emptied it; to begin anew, without do-not-call "
            f"entries and without knowing who was called, delete {' and '.join(left)}",
        )


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
