"""Files that became campaigns, so that none is dialled twice or forgotten between the spool and the store."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from dialerd.store.counters import driver
from dialerd.store.records import TakenFile
from dialerd.store.sets import SetStatement

_FILES = """SELECT f.fingerprint, f.name, c.uid, f.taken_at, f.moved
    FROM spool_files AS f JOIN campaigns AS c ON c.id = f.campaign_id WHERE """
_MOVED = SetStatement("UPDATE spool_files SET moved = 1 WHERE fingerprint IN (VALUES {rows})", 1)


def taken_file(connection: Connection, fingerprint: str) -> TakenFile | None:
    """Return the file of `fingerprint`, or None when it was never taken."""
    row = driver(connection).execute(_FILES + "f.fingerprint = ?", (fingerprint,)).fetchone()
    return None if row is None else _file(row)


def unmoved_files(connection: Connection) -> list[TakenFile]:
    """Return the files that are stored but not yet known to have been moved out of `incoming/`."""
    return [_file(row) for row in driver(connection).execute(_FILES + "NOT f.moved").fetchall()]


def mark_moved(connection: Connection, *fingerprints: str) -> None:
    """Note that the files of these fingerprints were moved out of `incoming/`."""
    _MOVED.run(driver(connection), [(fingerprint,) for fingerprint in fingerprints])


def _file(row: Sequence[Any]) -> TakenFile:
    fingerprint, name, campaign, taken_at, moved = row
    return TakenFile(fingerprint=fingerprint, name=name, campaign=campaign, taken_at=taken_at, moved=bool(moved))
