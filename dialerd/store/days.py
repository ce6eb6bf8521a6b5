"""Day counts: how many calls were started today, for the daily caps."""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, select

from dialerd.model.instants import Instant
from dialerd.store.counters import driver
from dialerd.store.tables import day_counts

_SCANNED = 20_000  # attempts looked at in one read
_OF_CAMPAIGN = """SELECT min(id), coalesce(sum(campaign_id = ? AND NOT refunded), 0) FROM (
    SELECT id, campaign_id, refunded, claimed_at FROM attempts WHERE id < ? ORDER BY id DESC LIMIT ?)
    WHERE claimed_at >= ?"""
_AT_LEAST = """INSERT INTO day_counts (key, day, calls) VALUES (?1, ?2, ?3)
    ON CONFLICT DO UPDATE SET calls = max(calls, ?3)"""


def calls(connection: Connection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return the counts of those (key, day) pairs that have one."""
    found = {}
    for key, day in keys:
        count = connection.scalar(select(day_counts.c.calls).where(day_counts.c.key == key, day_counts.c.day == day))
        if count is not None:
            found[key, day] = count
    return found


def calls_since(connection: Connection, campaign_id: int, since: Instant, before_id: int) -> tuple[int, int | None]:
    """Count some of the calls of a campaign that count, the newest first, from the attempts themselves.

    Args:
        campaign_id: whose calls.
        since: those that were claimed at this instant or later.
        before_id: what the step before returned; beyond every key for the first.

    Returns:
        How many, and where to go on; None = there are no more.
    """
    first, count = driver(connection).execute(_OF_CAMPAIGN, (campaign_id, before_id, _SCANNED, since)).fetchone()
    return count, first


def at_least(connection: Connection, key: tuple[str, str], calls: int) -> None:
    """Note that there were at least so many calls on a day, because they are counted from now on."""
    driver(connection).execute(_AT_LEAST, (*key, calls))


def forget_before(connection: Connection, day: str) -> None:
    """Delete the counts of days before the ISO date `day`."""
    connection.execute(delete(day_counts).where(day_counts.c.day < day))
