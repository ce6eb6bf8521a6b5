"""Recipients: stored in batches, found by number."""

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, func, select

from dialerd.model.campaign import ZoneGroup
from dialerd.model.instants import Instant
from dialerd.model.states import RecipientState
from dialerd.store import campaigns
from dialerd.store.counters import driver
from dialerd.store.records import CampaignRow, Duplicate, RecipientBatch
from dialerd.store.tables import recipients, zone_groups

# One statement a batch: the rows cross as one text and are taken apart inside SQLite, without the interpreter's lock.
_ADD = """
    INSERT INTO recipients
        (campaign_id, group_id, position, number, state, next_at, max_attempts, prompt, variables, metadata)
    SELECT :campaign_id, json_extract(:groups, '$[' || (value ->> 2) || ']'), value ->> 0, value ->> 1, 'pending',
           :due_at, value ->> 4, value ->> 3, value ->> 5, value ->> 6
    FROM json_each(:rows)
    WHERE {wanted}
    ON CONFLICT DO NOTHING
    """
_ADD_ALL = _ADD.format(wanted="true")
_ADD_TO = _ADD.format(
    wanted="NOT EXISTS (SELECT 1 FROM recipients AS r WHERE r.number = value ->> 1 AND r.campaign_id = :into)"
)
_DUPLICATES = """
    SELECT value ->> 0 AS position, r.number, r.position AS first, r.campaign_id IS :into OR r.id <= :after
    FROM json_each(:rows) CROSS JOIN recipients AS r INDEXED BY recipients_number
        ON r.number = value ->> 1 AND r.campaign_id IN (:campaign_id, :into)
    WHERE r.position <> value ->> 0 OR r.campaign_id IS :into OR r.id <= :after
    """
_HIGHEST = "SELECT coalesce(max(id), 0) FROM recipients"
_COUNT = "UPDATE totals SET recipients = recipients + ? WHERE campaign_id = ?"
_GROUP = "SELECT id FROM zone_groups WHERE country = ? AND zones = ? AND placeless = ?"
_NEW_GROUP = "INSERT INTO zone_groups (country, zones, placeless) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"


def add(
    connection: Connection,
    campaign_id: int,
    batch: RecipientBatch,
    *,
    into: int | None = None,
    after: int = 0,
    due_at: Instant = 0,
) -> tuple[Duplicate, ...]:
    """Store `batch` and return the recipients that its campaign had already; those are not stored again.

    Args:
        campaign_id: its campaign.
        batch: at most 2,000 rows.
        into: the campaign into which they are to go later: those that stand there already are not stored, either.
        after: `highest` before the first batch of their list: whoever was stored by then came with another one.
        due_at: when they are due; 0 = as soon as their campaign begins.
    """
    dbapi = driver(connection)
    values = {"campaign_id": campaign_id, "rows": batch.rows, "into": into}
    more = {"groups": msgspec.json.encode([group_id(connection, group) for group in batch.groups]).decode()}
    added = dbapi.execute(_ADD_ALL if into is None else _ADD_TO, {**values, **more, "due_at": due_at}).rowcount
    if added:
        dbapi.execute(_COUNT, (added, campaign_id))
    if added == batch.count:
        return ()
    found = dbapi.execute(_DUPLICATES, {**values, "after": after})
    return tuple(Duplicate(position, number, first, bool(known)) for position, number, first, known in found)


def highest(connection: Connection) -> int:
    """Return the highest key that a recipient has, 0 where there is none."""
    key: int = driver(connection).execute(_HIGHEST).fetchone()[0]
    return key


def group_id(connection: Connection, group: ZoneGroup) -> int:
    """Return the key of `group`, storing it when it is new."""
    dbapi = driver(connection)
    values = (group.country or "", msgspec.json.encode(group.zones).decode(), group.placeless)
    found = dbapi.execute(_GROUP, values).fetchone()
    if found is None:
        dbapi.execute(_NEW_GROUP, values)
        found = dbapi.execute(_GROUP, values).fetchone()
    key: int = found[0]
    return key


def group(connection: Connection, group_id: int) -> ZoneGroup:
    """Return the zone group of that key."""
    row = connection.execute(select(zone_groups).where(zone_groups.c.id == group_id)).one()
    return ZoneGroup(country=row.country or None, zones=tuple(msgspec.json.decode(row.zones)), placeless=row.placeless)


def heads(connection: Connection, campaign_id: int) -> dict[int, Instant]:
    """Return the earliest due instant of each zone group with pending recipients: one index seek a group."""
    return dict(driver(connection).execute(_HEADS, {"campaign_id": campaign_id}).fetchall())


def with_heads(connection: Connection, keys: Collection[int]) -> list[tuple[CampaignRow, dict[int, Instant]]]:
    """Return the campaigns of these keys, each with the heads of its zone groups."""
    return [(row, heads(connection, row.id)) for row in campaigns.by_ids(connection, keys)]


# SQLite has no skip scan for this; the recursion seeks from one group to the next.
_HEADS = """
    WITH RECURSIVE groups(group_id) AS (
        SELECT min(group_id) FROM recipients WHERE state = 'pending' AND campaign_id = :campaign_id
        UNION ALL
        SELECT (SELECT min(group_id) FROM recipients
                WHERE state = 'pending' AND campaign_id = :campaign_id AND group_id > groups.group_id)
        FROM groups WHERE group_id IS NOT NULL
    )
    SELECT group_id,
           (SELECT min(next_at) FROM recipients AS r
            WHERE state = 'pending' AND campaign_id = :campaign_id AND r.group_id = groups.group_id) AS next_at
    FROM groups WHERE group_id IS NOT NULL
    """


def pending_by_group(connection: Connection, campaign_id: int) -> dict[int, int]:
    """Return how many recipients of a campaign are pending in each zone group; reads them all."""
    query = (
        select(recipients.c.group_id, func.count())
        .where(recipients.c.campaign_id == campaign_id, recipients.c.state == RecipientState.PENDING)
        .group_by(recipients.c.group_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
