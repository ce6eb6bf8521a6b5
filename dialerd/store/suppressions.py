"""Do-not-call entries. The claim asks for them; an entry ends queued work in the same transaction."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from dialerd.model.instants import NEVER, Instant
from dialerd.store.counters import add_totals, driver

ALL = "all"
"""Scope of an entry that concerns every campaign."""

_ADD = """
    INSERT INTO suppressions (number, scope, reason, source, created_at, expires_at)
    SELECT value, ?, ?, ?, ?, ? FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET reason = excluded.reason, source = excluded.source,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    WHERE excluded.expires_at >= expires_at"""  # a wish to be left alone is never shortened by a later one
_END = """
    UPDATE recipients SET state = 'done', final = 'suppressed'
    WHERE number IN (SELECT value FROM json_each(?)) AND state = 'pending'
      AND campaign_id IN (SELECT id FROM campaigns WHERE state NOT IN ('loading', 'completed', 'cancelled')
                          AND (? = 'all' OR ? = 'agent:' || agent OR ? = 'campaign:' || uid))
    RETURNING campaign_id"""


def add(
    connection: Connection,
    numbers: Sequence[str],
    *,
    scope: str = ALL,
    reason: str | None = None,
    source: str | None = None,
    expires_at: Instant = NEVER,
    now: Instant,
) -> dict[int, int]:
    """Store entries and end the queued recipients they concern; return how many of which campaign.

    Args:
        numbers: E.164, at most 2,000.
        scope: `ALL`, `agent:NAME` or `campaign:ID`.
        reason, source: for people; may be None.
        expires_at: until when; an entry that expires holds its recipients and does not end them.
        now: the present instant.
    """
    dbapi = driver(connection)
    text = msgspec.json.encode(list(numbers)).decode()
    dbapi.execute(_ADD, (scope, reason, source, now, expires_at, text))
    if expires_at != NEVER:
        return {}
    ended: dict[int, int] = {}
    for (campaign_id,) in dbapi.execute(_END, (text, scope, scope, scope)):
        ended[campaign_id] = ended.get(campaign_id, 0) + 1
    for campaign_id, count in ended.items():
        add_totals(dbapi, campaign_id, {"final_suppressed": count}, now)
    return ended
