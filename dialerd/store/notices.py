"""The outbox: notices in order, and how far each reader has read."""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert as upsert

from dialerd.model.instants import Instant
from dialerd.model.notice import Notice
from dialerd.store.counters import driver
from dialerd.store.tables import notice_places, notices

_ADD = "INSERT INTO notices (kind, at, campaign, body) VALUES (?, ?, ?, ?)"


def add(connection: Connection, kind: str, campaign: str, body: dict[str, Any], *, now: Instant) -> None:
    """Write one notice."""
    driver(connection).execute(_ADD, (kind, now, campaign, msgspec.json.encode(body).decode()))


def unread(connection: Connection, reader: str, limit: int) -> list[Notice]:
    """Return the next notices that `reader` has not read, oldest first."""
    place = connection.scalar(select(notice_places.c.last_id).where(notice_places.c.reader == reader)) or 0
    rows = connection.execute(select(notices).where(notices.c.id > place).order_by(notices.c.id).limit(limit))
    return [
        Notice(id=row.id, kind=row.kind, at=row.at, campaign=row.campaign, body=msgspec.json.decode(row.body))
        for row in rows
    ]


def mark_read(connection: Connection, reader: str, last_id: int) -> None:
    """Note that `reader` has read up to `last_id`, and drop what every reader has read."""
    place = upsert(notice_places).values(reader=reader, last_id=last_id)
    connection.execute(place.on_conflict_do_update(set_={"last_id": last_id}))
    slowest = connection.scalar(select(func.min(notice_places.c.last_id)))
    connection.execute(delete(notices).where(notices.c.id <= slowest))


def forget_readers_but(connection: Connection, readers: Collection[str]) -> None:
    """Keep the places of `readers` alone, new ones beginning with what is there; the others hold nothing up."""
    connection.execute(delete(notice_places).where(notice_places.c.reader.not_in(readers)))
    for reader in readers:
        connection.execute(upsert(notice_places).values(reader=reader, last_id=0).on_conflict_do_nothing())
