"""The outbox: notices in order, and how far each reader has read.

A reader is a plugin, or all followers of events together. That their row is there says that notices are written for
followers; notices up to its place are not kept for them any more.
"""

from collections.abc import Collection
from typing import Any, Final

import msgspec
from attrs import frozen
from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert as upsert

from dialerd.model.instants import MINUTE, Instant
from dialerd.model.notice import Notice
from dialerd.store.counters import driver
from dialerd.store.tables import notice_places, notices

FOLLOWERS: Final = "(followers)"
"""The reader that stands for all followers of events; no plugin can be called so."""

_DROPPED_AT_ONCE: Final = 2_000  # as many as a call may wait for
_AHEAD: Final = MINUTE  # a notice of a later instant than that was written before the clock was set back

_ADD = "INSERT INTO notices (kind, at, campaign, body) VALUES (?, ?, ?, ?)"
_LAST = "SELECT seq FROM sqlite_sequence WHERE name = 'notices'"  # the table itself may have been emptied
_PAGE = "SELECT id, kind, campaign, body FROM notices WHERE id > ? ORDER BY id LIMIT ?"
_OLDEST = f"SELECT id, at FROM notices WHERE id > ? ORDER BY id LIMIT {_DROPPED_AT_ONCE}"


@frozen(kw_only=True)
class Kept:
    """Which notices followers can have.

    Args:
        after: all with a higher id.
        last: id of the last one that was written; 0 = none ever was.
        since_before: they were being written already.
    """

    after: int
    last: int
    since_before: bool


def add(connection: Connection, kind: str, campaign: str, body: dict[str, Any], *, now: Instant) -> None:
    """Write one notice; `campaign` is empty where it is of none."""
    driver(connection).execute(_ADD, (kind, now, campaign, msgspec.json.encode(body).decode()))


def unread(connection: Connection, reader: str, limit: int) -> list[Notice]:
    """Return the next notices that `reader` has not read, oldest first."""
    place = connection.scalar(select(notice_places.c.last_id).where(notice_places.c.reader == reader)) or 0
    rows = connection.execute(select(notices).where(notices.c.id > place).order_by(notices.c.id).limit(limit))
    return [
        Notice(id=row.id, kind=row.kind, at=row.at, campaign=row.campaign, body=msgspec.json.decode(row.body))
        for row in rows
    ]


def page(connection: Connection, after: int, limit: int) -> list[tuple[int, str, str, str]]:
    """Return the next notices after an id, oldest first: id, kind, campaign, body as JSON text."""
    return driver(connection).execute(_PAGE, (after, limit)).fetchall()


def page_for_followers(connection: Connection, after: int, limit: int) -> tuple[int, list[tuple[int, str, str, str]]]:
    """Return a page, and the id up to which nothing is kept for followers: the page begins there at the earliest."""
    place = _followers_place(connection) or 0
    return place, page(connection, max(after, place), limit)


def backlog(connection: Connection) -> dict[str, int]:
    """Return how many notices each plugin has not been told yet."""
    last = last_id(connection)
    places = connection.execute(select(notice_places).where(notice_places.c.reader != FOLLOWERS))
    return {row.reader: max(0, last - row.last_id) for row in places}


def mark_read(connection: Connection, reader: str, last_id: int) -> None:
    """Note that `reader` has read up to `last_id`, and drop what every reader has read."""
    place = upsert(notice_places).values(reader=reader, last_id=last_id)
    connection.execute(place.on_conflict_do_update(set_={"last_id": last_id}))
    _drop_read(connection)


def forget_readers_but(connection: Connection, readers: Collection[str]) -> bool:
    """Keep the places of these plugins alone; the others hold nothing up.

    Args:
        connection: where.
        readers: the plugins; new ones begin with what is there.

    Returns:
        Whether notices are written for followers.
    """
    connection.execute(delete(notice_places).where(notice_places.c.reader.not_in([*readers, FOLLOWERS])))
    for reader in readers:
        connection.execute(upsert(notice_places).values(reader=reader, last_id=0).on_conflict_do_nothing())
    return _followers_place(connection) is not None


def keep_for_followers(connection: Connection) -> Kept:
    """Write notices for followers from now on, as long as their place is there; return which they can have."""
    last = last_id(connection)
    added = connection.execute(
        upsert(notice_places).values(reader=FOLLOWERS, last_id=last).on_conflict_do_nothing()
    ).rowcount
    place = _followers_place(connection)
    return Kept(after=last if place is None else place, last=last, since_before=not added)


def drop_old(connection: Connection, *, before: Instant, now: Instant) -> bool:
    """Keep some of the notices no longer for followers; return whether there may be more of them.

    Args:
        connection: where.
        before: those of earlier instants.
        now: the present instant.
    """
    place = upto = _followers_place(connection)
    if place is None or upto is None:
        return False
    found = driver(connection).execute(_OLDEST, (place,)).fetchall()
    for notice_id, at in found:
        if before <= at <= now + _AHEAD:
            break
        upto = notice_id
    if upto == place:
        return False
    connection.execute(notice_places.update().where(notice_places.c.reader == FOLLOWERS).values(last_id=upto))
    _drop_read(connection)
    return bool(upto == found[-1][0])


def forget_followers(connection: Connection) -> None:
    """Keep nothing for followers any more; first drop what there is by `drop_old`."""
    connection.execute(delete(notice_places).where(notice_places.c.reader == FOLLOWERS))


def last_id(connection: Connection) -> int:
    """Return the id of the last notice that was written; 0 = none ever was."""
    row = driver(connection).execute(_LAST).fetchone()
    return 0 if row is None else int(row[0])


def _drop_read(connection: Connection) -> None:
    slowest = connection.scalar(select(func.min(notice_places.c.last_id)))
    connection.execute(delete(notices).where(notices.c.id <= slowest))


def _followers_place(connection: Connection) -> int | None:
    place: int | None = connection.scalar(select(notice_places.c.last_id).where(notice_places.c.reader == FOLLOWERS))
    return place
