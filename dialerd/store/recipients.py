"""Recipients: stored in batches, found by number."""

import msgspec
from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.sqlite import insert

from dialerd.model.campaign import ZoneGroup
from dialerd.model.instants import Instant
from dialerd.model.states import RecipientState
from dialerd.store.records import Duplicate, RecipientBatch
from dialerd.store.tables import campaigns, recipients, totals, zone_groups

# One statement a batch: the rows cross as one text and are taken apart inside SQLite, without the interpreter's lock.
_ADD = text(
    """
    INSERT INTO recipients
        (campaign_id, group_id, position, number, state, next_at, max_attempts, prompt, variables, metadata)
    SELECT :campaign_id, json_extract(:groups, '$[' || (value ->> 2) || ']'), value ->> 0, value ->> 1, 'pending',
           :due_at, value ->> 4, value ->> 3, value ->> 5, value ->> 6
    FROM json_each(:rows)
    WHERE true
    ON CONFLICT DO NOTHING
    """
)
_DUPLICATES = text(
    """
    SELECT value ->> 0 AS position, r.number, r.position AS first
    FROM json_each(:rows) JOIN recipients AS r ON r.number = value ->> 1 AND r.campaign_id = :campaign_id
    WHERE r.position <> value ->> 0
    """
)


def add(connection: Connection, campaign_id: int, batch: RecipientBatch) -> tuple[Duplicate, ...]:
    """Store `batch` and return the recipients that its campaign had already; those are not stored again."""
    highest = connection.scalar(select(func.max(recipients.c.id))) or 0
    due_at = connection.scalar(select(campaigns.c.start_at).where(campaigns.c.id == campaign_id)) or 0
    values = {"campaign_id": campaign_id, "rows": batch.rows}
    groups = msgspec.json.encode([group_id(connection, group) for group in batch.groups]).decode()
    added = connection.execute(_ADD, {**values, "groups": groups, "due_at": due_at}).rowcount
    if added:
        connection.execute(
            update(campaigns)
            .where(campaigns.c.id == campaign_id)
            .values(
                first_recipient=func.coalesce(campaigns.c.first_recipient, highest + 1),
                last_recipient=select(func.max(recipients.c.id)).scalar_subquery(),
            )
        )
        connection.execute(
            update(totals).where(totals.c.campaign_id == campaign_id).values(recipients=totals.c.recipients + added)
        )
    if added == batch.count:
        return ()
    return tuple(Duplicate(row.position, row.number, row.first) for row in connection.execute(_DUPLICATES, values))


def group_id(connection: Connection, group: ZoneGroup) -> int:
    """Return the key of `group`, storing it when it is new."""
    values = {
        "country": group.country or "",
        "zones": msgspec.json.encode(group.zones).decode(),
        "placeless": group.placeless,
    }
    wanted = select(zone_groups.c.id).filter_by(**values)
    found: int | None = connection.scalar(wanted)
    if found is None:
        connection.execute(insert(zone_groups).values(values).on_conflict_do_nothing())
        found = connection.scalar(wanted)
        assert found is not None
    return found


def group(connection: Connection, group_id: int) -> ZoneGroup:
    """Return the zone group of that key."""
    row = connection.execute(select(zone_groups).where(zone_groups.c.id == group_id)).one()
    return ZoneGroup(country=row.country or None, zones=tuple(msgspec.json.decode(row.zones)), placeless=row.placeless)


def heads(connection: Connection, campaign_id: int) -> dict[int, Instant]:
    """Return the earliest due instant of each zone group with pending recipients: one index seek a group."""
    rows = connection.execute(_HEADS, {"campaign_id": campaign_id})
    return {row.group_id: row.next_at for row in rows}


# SQLite has no skip scan for this; the recursion seeks from one group to the next.
_HEADS = text(
    """
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
)


def pending_by_group(connection: Connection, campaign_id: int) -> dict[int, int]:
    """Return how many recipients of a campaign are pending in each zone group; reads them all."""
    query = (
        select(recipients.c.group_id, func.count())
        .where(recipients.c.campaign_id == campaign_id, recipients.c.state == RecipientState.PENDING)
        .group_by(recipients.c.group_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
