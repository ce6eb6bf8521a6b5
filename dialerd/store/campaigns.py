"""Campaigns: begun, filled, published, moved from state to state, ended."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from dialerd.model.campaign import CampaignSpec
from dialerd.model.instants import Instant
from dialerd.model.states import CampaignState, Final, RecipientState
from dialerd.model.structuring import structure
from dialerd.model.unstructuring import unstructure
from dialerd.store.records import CampaignRow, NewCampaign, TakenFile
from dialerd.store.tables import campaigns, recipients, spool_files, totals

_CHUNK = 2_000  # rows a clean-up changes in one transaction, so that dispatch is not kept waiting


def begin(connection: Connection, new: NewCampaign) -> int:
    """Store `new` without recipients, invisible to the scheduler until it is published; return its key."""
    row = connection.execute(
        insert(campaigns).values(
            uid=new.uid,
            name=new.spec.name,
            agent=new.spec.agent,
            state=CampaignState.LOADING,
            spec=msgspec.json.encode(unstructure(new.spec)).decode(),
            timezone=new.timezone,
            start_at=new.start_at,
            end_at=new.end_at,
            created_at=new.created_at,
            state_at=new.created_at,
        )
    )
    assert row.inserted_primary_key is not None
    campaign_id: int = row.inserted_primary_key[0]
    connection.execute(insert(totals).values(campaign_id=campaign_id, changed_at=new.created_at))
    return campaign_id


def publish(
    connection: Connection, campaign_id: int, *, state: CampaignState, taken: TakenFile | None, now: Instant
) -> None:
    """Make a loaded campaign visible, together with the file it came from.

    Args:
        campaign_id: a campaign in state loading.
        state: scheduled or draft.
        taken: the spool file to remember, or None.
        now: the present instant.
    """
    moved = connection.execute(
        update(campaigns)
        .where(campaigns.c.id == campaign_id, campaigns.c.state == CampaignState.LOADING)
        .values(state=state, state_at=now)
    )
    assert moved.rowcount == 1, "only a loading campaign can be published"
    connection.execute(update(totals).where(totals.c.campaign_id == campaign_id).values(changed_at=now))
    if taken is not None:
        connection.execute(
            insert(spool_files).values(
                fingerprint=taken.fingerprint,
                name=taken.name,
                campaign_id=campaign_id,
                taken_at=taken.taken_at,
                moved=taken.moved,
            )
        )


def loading(connection: Connection) -> list[int]:
    """Return the campaigns whose intake was cut off: nobody will finish them."""
    return list(connection.scalars(select(campaigns.c.id).where(campaigns.c.state == CampaignState.LOADING)))


def discard_some(connection: Connection, campaign_id: int) -> bool:
    """Delete up to a chunk of a loading campaign's rows, at last itself; return whether there is more to do."""
    span = connection.execute(
        select(campaigns.c.first_recipient, campaigns.c.last_recipient).where(
            campaigns.c.id == campaign_id, campaigns.c.state == CampaignState.LOADING
        )
    ).first()
    if span is None:
        return False
    if span.first_recipient is not None:
        chunk = (
            select(recipients.c.id)
            .where(recipients.c.id.between(span.first_recipient, span.last_recipient))
            .where(recipients.c.campaign_id == campaign_id)
            .order_by(recipients.c.id)
            .limit(_CHUNK)
        )
        if connection.execute(delete(recipients).where(recipients.c.id.in_(chunk))).rowcount:
            return True
    connection.execute(delete(totals).where(totals.c.campaign_id == campaign_id))
    connection.execute(delete(campaigns).where(campaigns.c.id == campaign_id))
    return False


def open_campaigns(connection: Connection) -> list[CampaignRow]:
    """Return every campaign that waits or is at work: not loading, not a draft, and not ended."""
    wanted = select(campaigns).where(
        campaigns.c.ended_at.is_(None), campaigns.c.state.not_in((CampaignState.LOADING, CampaignState.DRAFT))
    )
    return [row_of(row) for row in connection.execute(wanted.order_by(campaigns.c.id))]


def by_id(connection: Connection, campaign_id: int) -> CampaignRow | None:
    """Return the campaign of that key, or None."""
    row = connection.execute(select(campaigns).where(campaigns.c.id == campaign_id)).first()
    return None if row is None else row_of(row)


def find(connection: Connection, wanted: str) -> list[CampaignRow]:
    """Return the campaigns whose id or name is `wanted`, latest first."""
    query = select(campaigns).where((campaigns.c.uid == wanted) | (campaigns.c.name == wanted))
    return [row_of(row) for row in connection.execute(query.order_by(campaigns.c.id.desc()))]


def set_state(connection: Connection, campaign_id: int, state: CampaignState, *, now: Instant) -> None:
    """Move a campaign to `state`; whether it may is the caller's to judge by `dialerd.rules.lifecycle`.

    A completed campaign has ended with that; a cancelled one ends when its last call has, see `end`.
    """
    values: dict[str, object] = {"state": state, "state_at": now}
    if state is CampaignState.RUNNING:
        values["started_at"] = func.coalesce(campaigns.c.started_at, now)
    if state is CampaignState.COMPLETED:
        values["ended_at"] = now
    connection.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(values))
    connection.execute(update(totals).where(totals.c.campaign_id == campaign_id).values(changed_at=now))


def end(connection: Connection, campaign_id: int, *, now: Instant) -> None:
    """Note that nothing of a cancelled campaign is left to do."""
    connection.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(ended_at=now))
    connection.execute(update(totals).where(totals.c.campaign_id == campaign_id).values(changed_at=now))


def finish_pending_some(
    connection: Connection, campaign_id: int, final: Final, /, *, groups: Sequence[int] | None, now: Instant
) -> bool:
    """End up to a chunk of a campaign's pending recipients with `final`; return whether there is more to do.

    Args:
        campaign_id: whose recipients.
        final: expired or cancelled.
        groups: only those of these zone groups; None = all.
        now: the present instant.
    """
    chunk = select(recipients.c.id).where(
        recipients.c.campaign_id == campaign_id, recipients.c.state == RecipientState.PENDING
    )
    if groups is not None:
        chunk = chunk.where(recipients.c.group_id.in_(groups))
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


def row_of(row: Row[tuple[object, ...]]) -> CampaignRow:
    """Return the record of a row of `campaigns`."""
    return CampaignRow(
        id=row.id,
        uid=row.uid,
        state=CampaignState(row.state),
        spec=structure(msgspec.json.decode(row.spec), CampaignSpec),
        timezone=row.timezone,
        start_at=row.start_at,
        end_at=row.end_at,
        created_at=row.created_at,
        state_at=row.state_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
