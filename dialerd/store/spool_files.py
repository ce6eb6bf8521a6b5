"""Files that became campaigns, so that none is dialled twice or forgotten between the spool and the store."""

from sqlalchemy import Connection, Row, select, update

from dialerd.store.records import TakenFile
from dialerd.store.tables import campaigns, spool_files

_FILES = select(spool_files, campaigns.c.uid).join(campaigns, campaigns.c.id == spool_files.c.campaign_id)


def taken_file(connection: Connection, fingerprint: str) -> TakenFile | None:
    """Return the file of `fingerprint`, or None when it was never taken."""
    row = connection.execute(_FILES.where(spool_files.c.fingerprint == fingerprint)).first()
    return None if row is None else _file(row)


def file_of(connection: Connection, campaign_id: int) -> TakenFile | None:
    """Return the file that became the campaign `campaign_id`, or None when it came another way."""
    row = connection.execute(_FILES.where(spool_files.c.campaign_id == campaign_id)).first()
    return None if row is None else _file(row)


def unmoved_files(connection: Connection) -> list[TakenFile]:
    """Return the files that are stored but not yet known to have been moved out of `incoming/`."""
    return [_file(row) for row in connection.execute(_FILES.where(~spool_files.c.moved))]


def mark_moved(connection: Connection, fingerprint: str) -> None:
    """Note that the file of `fingerprint` was moved out of `incoming/`."""
    connection.execute(update(spool_files).where(spool_files.c.fingerprint == fingerprint).values(moved=True))


def _file(row: Row[tuple[object, ...]]) -> TakenFile:
    return TakenFile(
        fingerprint=row.fingerprint, name=row.name, campaign=row.uid, taken_at=row.taken_at, moved=row.moved
    )
