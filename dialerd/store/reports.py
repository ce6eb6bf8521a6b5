"""What reports and status files are about: campaigns that changed or ended, and their counters."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, func, select, update

from dialerd.model.instants import Instant
from dialerd.model.states import CampaignState, Final, Outcome
from dialerd.store.campaigns import row_of
from dialerd.store.records import CampaignRow, Totals
from dialerd.store.tables import attempts, campaigns
from dialerd.store.tables import totals as totals_table


def unreported(connection: Connection) -> list[CampaignRow]:
    """Return the campaigns that have ended and have no report yet."""
    query = select(campaigns).where(campaigns.c.ended_at.is_not(None), campaigns.c.reported_at.is_(None))
    return [row_of(row) for row in connection.execute(query.order_by(campaigns.c.id))]


def mark_reported(connection: Connection, campaign_id: int, *, now: Instant) -> None:
    """Note that a campaign's report is durable."""
    connection.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(reported_at=now))


def changed_since(connection: Connection, instant: Instant) -> list[CampaignRow]:
    """Return the visible campaigns whose counters or state changed at or after `instant`."""
    query = select(campaigns).join(totals_table, totals_table.c.campaign_id == campaigns.c.id)
    query = query.where(totals_table.c.changed_at >= instant, campaigns.c.state != CampaignState.LOADING)
    return [row_of(row) for row in connection.execute(query.order_by(campaigns.c.id))]


def totals(connection: Connection, campaign_ids: Iterable[int]) -> dict[int, Totals]:
    """Return the counters of the campaigns of these keys."""
    wanted = list(campaign_ids)
    dialing: dict[int, int] = {
        row[0]: row[1]
        for row in connection.execute(
            select(attempts.c.campaign_id, func.count())
            .where(attempts.c.ended_at.is_(None), attempts.c.campaign_id.in_(wanted))
            .group_by(attempts.c.campaign_id)
        )
    }
    rows = connection.execute(select(totals_table).where(totals_table.c.campaign_id.in_(wanted))).mappings()
    return {row["campaign_id"]: _totals(row, dialing.get(row["campaign_id"], 0)) for row in rows}


def _totals(row: Mapping[Any, Any], dialing: int) -> Totals:
    finals = {final: row[f"final_{final}"] for final in Final}
    return Totals(
        recipients=row["recipients"],
        pending=row["recipients"] - dialing - sum(finals.values()),
        dialing=dialing,
        finals=finals,
        outcomes={outcome: row[f"outcome_{outcome}"] for outcome in Outcome},
        refunded=row["refunded"],
        talk_ms=row["talk_ms"],
    )
