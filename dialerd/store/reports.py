"""What reports and status files read: totals, calls, and who was never dialled."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, select, update

from dialerd.model.instants import Instant
from dialerd.model.states import AttemptState, CampaignState, Final, Outcome, RecipientState
from dialerd.store.campaigns import row_of
from dialerd.store.records import CallRow, CampaignRow, Totals, UndialedRow
from dialerd.store.tables import attempts, campaigns, recipients
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


def calls_page(connection: Connection, campaign_id: int, after_id: int, limit: int) -> list[CallRow]:
    """Return the attempts of the next recipients of a campaign, in the order of its list.

    Args:
        campaign_id: whose calls.
        after_id: `CallRow.id` of the last row of the page before, 0 for the first.
        limit: recipients that the page looks at.
    """
    page = _page(connection, campaign_id, after_id, limit).subquery()
    query = (
        select(page.c.id.label("key"), page.c.position, page.c.state.label("recipient"), page.c.final, page.c.metadata)
        .add_columns(*(column for column in attempts.c if column.name not in ("id", "metadata")))
        .join(attempts, (attempts.c.number == page.c.number) & (attempts.c.recipient_id == page.c.id))
        .order_by(page.c.id, attempts.c.claimed_at, attempts.c.id)
    )
    return [_call(row) for row in connection.execute(query)]


def undialed_page(connection: Connection, campaign_id: int, after_id: int, limit: int) -> list[UndialedRow]:
    """Return the next recipients of a campaign that never had an attempt; arguments as of `calls_page`."""
    query = _page(connection, campaign_id, after_id, limit).where(
        ~select(attempts.c.id)
        .where(attempts.c.number == recipients.c.number, attempts.c.recipient_id == recipients.c.id)
        .exists()
    )
    return [
        UndialedRow(
            id=row.id,
            position=row.position,
            number=row.number,
            state=RecipientState(row.state),
            final=Final(row.final) if row.final else None,
            metadata=_object(row.metadata),
        )
        for row in connection.execute(query)
    ]


def _page(connection: Connection, campaign_id: int, after_id: int, limit: int) -> Any:
    last = connection.scalar(select(campaigns.c.last_recipient).where(campaigns.c.id == campaign_id)) or 0
    first = connection.scalar(select(campaigns.c.first_recipient).where(campaigns.c.id == campaign_id)) or 0
    return (
        select(recipients)
        .where(recipients.c.id.between(max(first, after_id + 1), last), recipients.c.campaign_id == campaign_id)
        .order_by(recipients.c.id)
        .limit(limit)
    )


def _call(row: Row[Any]) -> CallRow:
    return CallRow(
        id=row.key,
        attempt_id=row.uid,
        position=row.position,
        number=row.number,
        caller_id=row.caller_id,
        trunk=row.trunk,
        state=AttemptState(row.state),
        claimed_at=row.claimed_at,
        ringing_at=row.ringing_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        outcome=Outcome(row.outcome) if row.outcome else None,
        refunded=bool(row.refunded),
        cause=_cause(row.cause),
        recipient=RecipientState(row.recipient),
        final=Final(row.final) if row.final else None,
        metadata=_object(row.metadata),
    )


def _cause(text: str | None) -> str | None:
    cause = _object(text)
    words = (cause.get("code"), cause.get("detail"))
    return " ".join(str(word) for word in words if word) or None


def _object(text: str | None) -> dict[str, Any]:
    return msgspec.json.decode(text) if text else {}
