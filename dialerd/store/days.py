"""Day counts: how many calls were started today, for the daily caps."""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, select

from dialerd.store.tables import day_counts


def calls(connection: Connection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return the counts of those (key, day) pairs that have one."""
    found = {}
    for key, day in keys:
        count = connection.scalar(select(day_counts.c.calls).where(day_counts.c.key == key, day_counts.c.day == day))
        if count is not None:
            found[key, day] = count
    return found


def forget_before(connection: Connection, day: str) -> None:
    """Delete the counts of days before the ISO date `day`."""
    connection.execute(delete(day_counts).where(day_counts.c.day < day))
