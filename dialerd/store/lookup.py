"""One recipient with everything the store knows of it, for `why`, and the campaigns that it may be meant in."""

from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import Connection, func, select

from dialerd.model.campaign import ZoneGroup
from dialerd.model.instants import Instant
from dialerd.model.states import CampaignState, Final, RecipientState
from dialerd.store import call_pages
from dialerd.store.call_pages import StoredCall
from dialerd.store.campaigns import COLUMNS, row_of
from dialerd.store.recipients import group
from dialerd.store.records import CampaignRow
from dialerd.store.tables import campaigns, recipients, suppressions


@frozen(kw_only=True)
class Found:
    """A recipient of a campaign.

    Args:
        number: E.164.
        position: its place in the list.
        group: where the number may lie.
        state: where it stands.
        final: what became of it, or None.
        next_at: when its next attempt is due.
        attempts: attempts that counted.
        max_attempts: its own limit, or None.
        caller_id: the one that a sticky campaign keeps, or None.
        tried: its attempts, oldest first.
    """

    number: str
    position: int
    group: ZoneGroup
    state: RecipientState
    final: Final | None
    next_at: Instant
    attempts: int
    max_attempts: int | None
    caller_id: str | None
    tried: Sequence[StoredCall]


def suppressed_since(connection: Connection, number: str) -> Instant | None:
    """Return since when there is a do-not-call entry for a number, or None."""
    since: Instant | None = connection.scalar(
        select(func.min(suppressions.c.created_at)).where(suppressions.c.number == number)
    )
    return since


def recipient(connection: Connection, campaign_id: int, number: str) -> Found | None:
    """Return the recipient of that number in a campaign, or None."""
    row = connection.execute(
        select(recipients).where(recipients.c.number == number, recipients.c.campaign_id == campaign_id)
    ).first()
    if row is None:
        return None
    return Found(
        number=number,
        position=row.position,
        group=group(connection, row.group_id),
        state=RecipientState(row.state),
        final=Final(row.final) if row.final else None,
        next_at=row.next_at,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        caller_id=row.caller_id,
        tried=call_pages.of_recipient(connection, number, row.id),
    )


def campaigns_named(connection: Connection, wanted: str) -> list[CampaignRow]:
    """Return the campaigns whose id, alias or name is `wanted`, latest first."""
    named = (campaigns.c.uid == wanted) | (campaigns.c.alias == wanted) | (campaigns.c.name == wanted)
    query = select(*COLUMNS).where(named, _VISIBLE).order_by(campaigns.c.id.desc())
    return [row_of(row) for row in connection.execute(query)]


def campaigns_with(connection: Connection, number: str, limit: int) -> list[CampaignRow]:
    """Return the campaigns that have a recipient of that number: those not over first, of either the latest first."""
    of = select(recipients.c.campaign_id).where(recipients.c.number == number)
    query = (
        select(*COLUMNS)
        .where(campaigns.c.id.in_(of), _VISIBLE)
        .order_by(campaigns.c.ended_at.is_not(None), campaigns.c.id.desc())
        .limit(limit)
    )
    return [row_of(row) for row in connection.execute(query)]


# neither one that is being stored nor the recipients on their way to another one
_VISIBLE = campaigns.c.state != CampaignState.LOADING
