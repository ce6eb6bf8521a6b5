"""Counters: a campaign's totals and the day counts, changed in the transaction of what they count."""

import sqlite3
from collections.abc import Mapping

from sqlalchemy import Connection

from dialerd.model.instants import Instant

_COUNT = """INSERT INTO day_counts (key, day, calls) VALUES (?1, ?2, max(0, ?3))
    ON CONFLICT DO UPDATE SET calls = max(0, calls + ?3)"""


def add_day_counts(dbapi: sqlite3.Connection, counts: Mapping[tuple[str, str], int]) -> None:
    """Add to the calls of (key, day) pairs."""
    for (key, day), calls in counts.items():
        dbapi.execute(_COUNT, (key, day, calls))


def add_totals(dbapi: sqlite3.Connection, campaign_id: int, columns: Mapping[str, int], now: Instant) -> None:
    """Add to the counters of a campaign and mark it as changed."""
    changes = "".join(f"{column} = {column} + ?, " for column in columns)
    dbapi.execute(
        f"UPDATE totals SET {changes} changed_at = ? WHERE campaign_id = ?", (*columns.values(), now, campaign_id)
    )


def driver(connection: Connection) -> sqlite3.Connection:
    """Return the driver's own connection, for statements whose cost counts."""
    dbapi = connection.connection.driver_connection
    assert isinstance(dbapi, sqlite3.Connection)
    return dbapi
