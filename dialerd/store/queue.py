"""The queue: how many campaigns are not over, and how many of their recipients wait."""

from sqlalchemy import Connection

from dialerd.model.states import Final
from dialerd.store.counters import driver

_DONE = " + ".join(f"t.final_{final}" for final in Final)
_OPEN = f"""
    SELECT c.state, count(*), sum(t.recipients - ({_DONE}) - coalesce(a.dialing, 0))
    FROM campaigns AS c JOIN totals AS t ON t.campaign_id = c.id
    LEFT JOIN (SELECT campaign_id, count(*) AS dialing FROM attempts WHERE ended_at IS NULL GROUP BY campaign_id) AS a
        ON a.campaign_id = c.id
    WHERE c.ended_at IS NULL AND c.state <> 'loading' GROUP BY c.state"""


def open_counts(connection: Connection) -> list[tuple[str, int, int]]:
    """Return the states in which campaigns are that are not over, with how many they are, and who waits in them."""
    return driver(connection).execute(_OPEN).fetchall()
