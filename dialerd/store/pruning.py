"""Pruning: campaigns that ended long ago are deleted, with everything that was theirs, in small transactions.

So are campaigns that somebody deleted, which nobody sees any more, once their calls are too old to count for the people
who were called: a deleted campaign must not let anybody be called more often than they may be.
"""

from sqlalchemy import Connection, delete, select

from dialerd.model.instants import Instant
from dialerd.model.states import CampaignState
from dialerd.store.persons import LOOK_BACK
from dialerd.store.tables import attempts, campaigns, recipients, spool_files, suppressions, totals

_CHUNK = 500  # recipients a transaction, with their attempts: as long as dispatch may be kept waiting


def prune_some(connection: Connection, *, ended_before: Instant, now: Instant | None = None) -> bool:
    """Delete a part of the oldest campaign that is to go; return whether to go on.

    Args:
        ended_before: campaigns that ended before it, and were reported, go.
        now: the present instant, by which those are judged that somebody deleted; None = they stay.
    """
    kept = campaigns.c.reported_at.is_not(None) & (campaigns.c.ended_at < ended_before)
    forgotten = (campaigns.c.state == CampaignState.LOADING) & (campaigns.c.ended_at < (now or 0) - LOOK_BACK)
    campaign = connection.execute(
        select(campaigns.c.id, campaigns.c.uid).where(kept | forgotten).order_by(campaigns.c.id).limit(1)
    ).first()
    if campaign is None:
        return False
    rows = connection.execute(
        select(recipients.c.id, recipients.c.number).where(recipients.c.campaign_id == campaign.id).limit(_CHUNK)
    ).all()
    if rows:
        keys = [row.id for row in rows]
        theirs = attempts.c.number.in_([row.number for row in rows]) & attempts.c.recipient_id.in_(keys)
        connection.execute(delete(attempts).where(theirs))
        connection.execute(delete(recipients).where(recipients.c.id.in_(keys)))
        return True
    connection.execute(delete(suppressions).where(suppressions.c.scope == f"campaign:{campaign.uid}"))
    connection.execute(delete(spool_files).where(spool_files.c.campaign_id == campaign.id))
    connection.execute(delete(totals).where(totals.c.campaign_id == campaign.id))
    connection.execute(delete(campaigns).where(campaigns.c.id == campaign.id))
    return True
