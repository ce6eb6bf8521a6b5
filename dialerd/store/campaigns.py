"""Campaigns: begun, filled, published, moved from state to state, ended."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any
from typing import Final as Constant

import msgspec
from sqlalchemy import Connection, delete, select, update

from dialerd.model.campaign import CampaignSpec
from dialerd.model.instants import Instant
from dialerd.model.states import CampaignState, Final, RecipientState
from dialerd.model.structuring import structure
from dialerd.model.unstructuring import unstructure
from dialerd.store.counters import driver
from dialerd.store.records import CampaignRow, NewCampaign, TakenFile
from dialerd.store.tables import campaigns, recipients, spool_files, suppressions, totals

COLUMNS: Constant = tuple(
    campaigns.c[name]
    for name in (
        "id", "uid", "state", "spec", "timezone", "start_at", "end_at", "created_at", "state_at", "started_at",
        "ended_at", "alias", "dialect", "extra",
    )
)  # fmt: skip
"""What `row_of` wants of `campaigns`, in its order."""

FIELDS: Constant = ", ".join(f"c.{column.name}" for column in COLUMNS)
"""The same as SQL text, of `campaigns AS c`: building a statement costs more than a look-up does."""

_CHUNK = 2_000  # rows a clean-up changes in one transaction, so that dispatch is not kept waiting
_SHORT = 4_096  # characters of a spec that is worth remembering; long ones would take much memory


_BEGIN = """INSERT INTO campaigns (uid, name, agent, state, spec, timezone, start_at, end_at, created_at, state_at,
        alias, dialect, extra, started_at)
    VALUES (?1, ?2, ?3, ?12, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10, ?11, CASE ?12 WHEN 'running' THEN ?8 END)"""
_COUNT = "INSERT INTO totals (campaign_id, changed_at) VALUES (?, ?)"
_PUBLISH = """UPDATE campaigns SET state = ?1, state_at = ?2,
        started_at = CASE ?1 WHEN 'running' THEN ?2 ELSE started_at END
    WHERE id = ?3 AND state = 'loading'"""
_CHANGED = "UPDATE totals SET changed_at = ? WHERE campaign_id = ?"
_REMEMBER = "INSERT INTO spool_files (fingerprint, name, campaign_id, taken_at, moved) VALUES (?, ?, ?, ?, ?)"
_OPEN = "SELECT id FROM campaigns WHERE ended_at IS NULL AND state NOT IN ('loading', 'draft') ORDER BY id"
_BY_IDS = f"SELECT {FIELDS} FROM campaigns AS c WHERE c.id IN (SELECT value FROM json_each(?)) ORDER BY c.id"
_MOVE = """UPDATE campaigns SET state = ?1, state_at = ?2,
        started_at = CASE ?1 WHEN 'running' THEN coalesce(started_at, ?2) ELSE started_at END,
        ended_at = CASE ?1 WHEN 'completed' THEN ?2 ELSE ended_at END
    WHERE id = ?3"""


def begin(connection: Connection, new: NewCampaign, *, state: CampaignState = CampaignState.LOADING) -> int:
    """Store `new` without recipients; return its key.

    Args:
        new: the campaign.
        state: loading, invisible to the scheduler until it is published; or what it would be published in, for one
            whose recipients come in the same transaction.
    """
    dbapi = driver(connection)
    spec = msgspec.json.encode(unstructure(new.spec)).decode()
    extra = msgspec.json.encode(new.extra).decode() if new.extra else None
    row = (new.uid, new.spec.name, new.spec.agent, spec, new.timezone, new.start_at, new.end_at, new.created_at)
    campaign_id = dbapi.execute(_BEGIN, (*row, new.alias, new.dialect, extra, state)).lastrowid
    assert campaign_id is not None
    dbapi.execute(_COUNT, (campaign_id, new.created_at))
    return campaign_id


def publish(
    connection: Connection, campaign_id: int, *, state: CampaignState, taken: TakenFile | None, now: Instant
) -> None:
    """Make a loaded campaign visible, together with the file it came from.

    Args:
        campaign_id: a campaign in state loading.
        state: scheduled, draft or running.
        taken: the spool file to remember, or None.
        now: the present instant.
    """
    dbapi = driver(connection)
    moved = dbapi.execute(_PUBLISH, (state, now, campaign_id)).rowcount
    assert moved == 1, "only a loading campaign can be published"
    dbapi.execute(_CHANGED, (now, campaign_id))
    if taken is not None:
        dbapi.execute(_REMEMBER, (taken.fingerprint, taken.name, campaign_id, taken.taken_at, taken.moved))


def loading(connection: Connection) -> list[int]:
    """Return the campaigns whose intake was cut off: nobody will finish them.

    Those that are whole and on their way into another campaign are not among them, see `dialerd.store.adding`.
    """
    return list(
        connection.scalars(
            select(campaigns.c.id).where(
                campaigns.c.state == CampaignState.LOADING,
                campaigns.c.adds_to.is_(None),
                campaigns.c.ended_at.is_(None),  # one that was deleted, whose calls still count, see `hide`
            )
        )
    )


def discard_some(connection: Connection, campaign_id: int) -> bool:
    """Delete up to a chunk of a loading campaign's rows, at last itself; return whether there is more to do."""
    uid = connection.scalar(
        select(campaigns.c.uid).where(
            campaigns.c.id == campaign_id,
            campaigns.c.state == CampaignState.LOADING,
            campaigns.c.adds_to.is_(None),
            campaigns.c.ended_at.is_(None),
        )
    )
    if uid is None:
        return False
    chunk = select(recipients.c.id).where(recipients.c.campaign_id == campaign_id).limit(_CHUNK)
    if connection.execute(delete(recipients).where(recipients.c.id.in_(chunk))).rowcount:
        return True
    # whatever names it goes with it: its key may be given again
    connection.execute(delete(suppressions).where(suppressions.c.scope == f"campaign:{uid}"))
    connection.execute(delete(spool_files).where(spool_files.c.campaign_id == campaign_id))
    connection.execute(delete(totals).where(totals.c.campaign_id == campaign_id))
    connection.execute(delete(campaigns).where(campaigns.c.id == campaign_id))
    return False


def open_keys(connection: Connection) -> list[int]:
    """Return the keys of the campaigns that wait or are at work: not loading, not drafts, and not ended."""
    return [row[0] for row in driver(connection).execute(_OPEN)]


def by_ids(connection: Connection, campaign_ids: Collection[int]) -> list[CampaignRow]:
    """Return the campaigns of those keys that there are, in the order of their keys."""
    keys = msgspec.json.encode(list(campaign_ids)).decode()
    return [row_of(row) for row in driver(connection).execute(_BY_IDS, (keys,))]


def change(
    connection: Connection,
    row: CampaignRow,
    *,
    expected: Collection[CampaignState],
    now: Instant,
) -> bool:
    """Store a campaign's changed spec, and what follows from it.

    Args:
        row: the campaign as it shall be; its state and its other instants are not looked at.
        expected: states in which that may be done.
        now: the present instant.

    Returns:
        Whether it was in one of these states, and was changed.
    """
    spec = msgspec.json.encode(unstructure(row.spec)).decode()
    extra = msgspec.json.encode(row.extra).decode() if row.extra else None
    changed = connection.execute(
        update(campaigns)
        .where(campaigns.c.id == row.id, campaigns.c.state.in_(expected), campaigns.c.ended_at.is_(None))
        .values(
            name=row.spec.name,
            agent=row.spec.agent,
            spec=spec,
            timezone=row.timezone,
            start_at=row.start_at,
            end_at=row.end_at,
            extra=extra,
        )
    ).rowcount
    driver(connection).execute(_CHANGED, (now, row.id))
    return bool(changed)


def release(
    connection: Connection, campaign_id: int, state: CampaignState, *, expected: Collection[CampaignState], now: Instant
) -> bool:
    """Let a campaign begin that waits: a draft is scheduled, or it is launched and its start is no matter any more.

    Args:
        campaign_id: which.
        state: scheduled or running.
        expected: states in which it waits.
        now: the present instant.

    Returns:
        Whether it was in one of these states, and was released.
    """
    found = connection.execute(
        select(campaigns.c.id).where(campaigns.c.id == campaign_id, campaigns.c.state.in_(expected))
    ).first()
    if found is None:
        return False
    if state is CampaignState.RUNNING:
        driver(connection).execute("UPDATE campaigns SET start_at = NULL WHERE id = ?", (campaign_id,))
    set_state(connection, campaign_id, state, now=now)
    return True


def hide(connection: Connection, campaign_id: int) -> CampaignState | None:
    """Delete a draft, or a campaign that is over, for everybody who looks; return what it was, or None = neither.

    What was a draft is taken out by `discard_some`. The calls of one that is over still count for the people who were
    called: it stays unseen until they are too old for that, and then is pruned.
    """
    row = connection.execute(select(campaigns.c.state, campaigns.c.ended_at).where(campaigns.c.id == campaign_id)).one()
    state = CampaignState(row.state)
    if state is CampaignState.LOADING or (row.ended_at is None and state is not CampaignState.DRAFT):
        return None
    connection.execute(
        update(campaigns).where(campaigns.c.id == campaign_id).values(state=CampaignState.LOADING, alias=None)
    )
    return state


def set_state(connection: Connection, campaign_id: int, state: CampaignState, *, now: Instant) -> None:
    """Move a campaign to `state`; whether it may is the caller's to judge by `dialerd.rules.lifecycle`.

    A completed campaign has ended with that; a cancelled one ends when its last call has, see `end`.
    """
    dbapi = driver(connection)
    dbapi.execute(_MOVE, (state, now, campaign_id))
    dbapi.execute(_CHANGED, (now, campaign_id))


def end(connection: Connection, campaign_id: int, *, now: Instant) -> None:
    """Note that nothing of a cancelled campaign is left to do."""
    dbapi = driver(connection)
    dbapi.execute("UPDATE campaigns SET ended_at = ? WHERE id = ?", (now, campaign_id))
    dbapi.execute(_CHANGED, (now, campaign_id))


def finish_pending_some(connection: Connection, campaign_id: int, final: Final, /, *, now: Instant) -> bool:
    """End up to a chunk of a campaign's pending recipients with `final`; return whether there is more to do.

    Args:
        campaign_id: whose recipients.
        final: expired or cancelled.
        now: the present instant.
    """
    chunk = select(recipients.c.id).where(
        recipients.c.campaign_id == campaign_id, recipients.c.state == RecipientState.PENDING
    )
    done = connection.execute(
        update(recipients)
        .where(recipients.c.id.in_(chunk.limit(_CHUNK)))
        .values(state=RecipientState.DONE, final=final)
    ).rowcount
    if done:
        column = totals.c[f"final_{final}"]
        connection.execute(
            update(totals).where(totals.c.campaign_id == campaign_id).values({column: column + done, "changed_at": now})
        )
    return done == _CHUNK


def row_of(row: Sequence[Any]) -> CampaignRow:
    """Return the record of a row of `campaigns`, which is of `COLUMNS`."""
    key, uid, state, spec, timezone, start_at, end_at, created_at, state_at, started_at, ended_at, *of_dialect = row
    alias, dialect, extra = of_dialect
    return CampaignRow(
        id=key,
        uid=uid,
        state=CampaignState(state),
        spec=_known_spec(spec) if len(spec) <= _SHORT else _spec_of(spec),
        timezone=timezone,
        start_at=start_at,
        end_at=end_at,
        created_at=created_at,
        state_at=state_at,
        started_at=started_at,
        ended_at=ended_at,
        alias=alias,
        dialect=dialect,
        extra=msgspec.json.decode(extra) if extra else {},
    )


def _spec_of(text: str) -> CampaignSpec:
    return structure(msgspec.json.decode(text), CampaignSpec)


# a spec is a frozen record and made of its text alone, so that the same text is the same spec whosever it is
_known_spec = lru_cache(maxsize=512)(_spec_of)
