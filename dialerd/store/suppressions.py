"""Do-not-call entries. The claim asks for them; an entry for good ends queued work in the same transaction."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, Final

import msgspec
from attrs import frozen
from sqlalchemy import Connection

from dialerd.model.instants import NEVER, Instant
from dialerd.model.suppression import Suppression
from dialerd.store.counters import add_totals, driver
from dialerd.store.scanning import Row, scan

ALL: Final = "all"
"""Scope of an entry that concerns every campaign."""

SCANNED: Final = 5_000
"""Rows that a page looks at: some milliseconds of a reader."""

_ADD = """
    INSERT INTO suppressions (number, scope, reason, source, created_at, expires_at)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, ?, value ->> 4 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET reason = excluded.reason, source = excluded.source,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    WHERE excluded.expires_at >= expires_at"""  # a wish to be left alone is never shortened by a later one
# The claim put those whom an entry holds off to its end; where that moves, they move with it, so that they are known
# when it is taken away.
_HOLD_ON = """
    WITH held AS (
        SELECT r.id, max(e.value ->> 4) AS until
        FROM json_each(?) AS e
            CROSS JOIN suppressions AS s ON s.number = e.value ->> 0 AND s.scope = e.value ->> 1
            CROSS JOIN recipients AS r ON r.number = s.number
        WHERE s.expires_at < e.value ->> 4 AND r.state = 'pending' AND r.next_at = s.expires_at
        GROUP BY r.id)
    UPDATE recipients SET next_at = held.until FROM held WHERE recipients.id = held.id"""
_END = """
    UPDATE recipients SET state = 'done', final = 'suppressed'
    WHERE id IN (
        SELECT r.id
        FROM json_each(?) AS e
            CROSS JOIN recipients AS r ON r.number = e.value ->> 0
            CROSS JOIN campaigns AS c ON c.id = r.campaign_id
        WHERE r.state = 'pending' AND c.state NOT IN ('loading', 'completed', 'cancelled')
          AND (e.value ->> 1 = 'all' OR e.value ->> 1 = 'campaign:' || c.uid
               OR c.agent IN (SELECT value FROM json_each(e.value, '$[5]'))))
    RETURNING campaign_id"""
_REMOVE = "DELETE FROM suppressions WHERE number = ? AND scope = ? RETURNING expires_at"
_FREE = """
    UPDATE recipients SET next_at = ?1 WHERE number = ?2 AND state = 'pending' AND next_at = ?3 AND next_at > ?1
    RETURNING campaign_id"""
_COLUMNS = "number, scope, reason, source, created_at, expires_at"
_OF_NUMBER = f"SELECT {_COLUMNS} FROM suppressions WHERE number = ? AND expires_at > ? ORDER BY scope"
_PAGE = f"SELECT {_COLUMNS} FROM suppressions WHERE (number, scope) > (?, ?) ORDER BY number, scope"

_NO_SPELLINGS: Mapping[str, Sequence[str]] = {}


@frozen(kw_only=True)
class Entry:
    """An entry to be stored.

    Args:
        number: E.164.
        scope: `ALL`, `agent:NAME` or `campaign:ID`.
        reason, source: for people; may be None.
        expires_at: until when; an entry that expires holds its recipients and does not end them.
    """

    number: str
    scope: str = ALL
    reason: str | None = None
    source: str | None = None
    expires_at: Instant = NEVER


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
    """Store entries of one kind, see `enter`; arguments as of `Entry`."""
    entries = [
        Entry(number=number, scope=scope, reason=reason, source=source, expires_at=expires_at) for number in numbers
    ]
    return enter(connection, entries, now=now)


def enter(
    connection: Connection,
    entries: Sequence[Entry],
    *,
    spellings: Mapping[str, Sequence[str]] = _NO_SPELLINGS,
    now: Instant,
) -> dict[int, int]:
    """Store entries and end the queued recipients they concern; return how many of which campaign.

    Args:
        entries: at most 2,000.
        spellings: by scope of an agent, what campaigns may have written to mean it; its name alone where it is missing.
        now: the present instant.
    """
    dbapi = driver(connection)
    rows = [
        [one.number, one.scope, one.reason, one.source, one.expires_at, _agents(one.scope, spellings)]
        for one in entries
    ]
    text = msgspec.json.encode(rows).decode()
    dbapi.execute(_HOLD_ON, (text,))
    dbapi.execute(_ADD, (now, text))
    for_good = [row for row in rows if row[4] == NEVER]
    if not for_good:
        return {}
    ended: dict[int, int] = {}
    for (campaign_id,) in dbapi.execute(_END, (msgspec.json.encode(for_good).decode(),)):
        ended[campaign_id] = ended.get(campaign_id, 0) + 1
    for campaign_id, count in ended.items():
        add_totals(dbapi, campaign_id, {"final_suppressed": count}, now)
    return ended


def remove(connection: Connection, number: str, scope: str, *, now: Instant) -> frozenset[int] | None:
    """Take an entry away; who was held by it is due at once, who was ended by it stays so.

    Returns:
        The campaigns in which somebody is due now; None = there is no such entry.
    """
    dbapi = driver(connection)
    found = dbapi.execute(_REMOVE, (number, scope)).fetchall()
    if not found:
        return None
    return frozenset(row[0] for row in dbapi.execute(_FREE, (now, number, found[0][0])).fetchall())


def of_number(connection: Connection, number: str, *, now: Instant) -> tuple[Suppression, ...]:
    """Return the entries of a number that are in force."""
    return tuple(_suppression(row) for row in driver(connection).execute(_OF_NUMBER, (number, now)))


def page(
    connection: Connection, *, scope: str | None, limit: int, after: tuple[str, str] | None, now: Instant
) -> tuple[list[Suppression], tuple[str, str] | None]:
    """Return entries in force by number and scope, and where to go on; None = there are no more.

    A page may hold fewer than `limit` though more follow.

    Args:
        scope: whose; None = all.
        limit: how many at most.
        after: where the page before ended; None = the first page.
        now: the present instant.
    """

    def wanted(row: Row) -> bool:
        return bool(row[5] > now) and (scope is None or row[1] == scope)

    with closing(driver(connection).execute(_PAGE, after or ("", ""))) as rows:
        found, last = scan(rows, wanted, limit=limit, most=SCANNED)
    return [_suppression(row) for row in found], None if last is None else (last[0], last[1])


def _agents(scope: str, spellings: Mapping[str, Sequence[str]]) -> Sequence[str]:
    kind, _, name = scope.partition(":")
    return spellings.get(scope, (name,)) if kind == "agent" else ()


def _suppression(row: Sequence[Any]) -> Suppression:
    number, scope, reason, source, created_at, expires_at = row
    return Suppression(
        number=number,
        scope=scope,
        reason=reason,
        source=source,
        created_at=created_at,
        expires_at=None if expires_at == NEVER else expires_at,
    )
