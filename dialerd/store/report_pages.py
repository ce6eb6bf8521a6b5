"""Pages of a campaign's report: every recipient in the order of its list, with its attempts or without."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from dialerd.model.states import Final, Outcome, RecipientState
from dialerd.store.records import CallRow, UndialedRow
from dialerd.store.tables import attempts, campaigns, recipients

_ATTEMPT = [column for column in attempts.c if column.name not in ("id", "number", "state", "recipient_id")]


def report_page(
    connection: Connection, campaign_id: int, after_id: int, limit: int
) -> tuple[list[CallRow | UndialedRow], int | None]:
    """Return the next recipients of a campaign, one row for each attempt and one for each recipient without any.

    Args:
        campaign_id: whose recipients.
        after_id: what the page before returned, 0 for the first.
        limit: recipients that the page holds.

    Returns:
        The rows, `id` being the recipient's key in both kinds, and where to go on; None = there are no more.
    """
    span = connection.execute(
        select(campaigns.c.first_recipient, campaigns.c.last_recipient).where(campaigns.c.id == campaign_id)
    ).first()
    if span is None or span.first_recipient is None:
        return [], None
    page = (
        select(recipients)
        .where(recipients.c.id.between(max(span.first_recipient, after_id + 1), span.last_recipient))
        .where(recipients.c.campaign_id == campaign_id)
        .order_by(recipients.c.id)
        .limit(limit)
    ).subquery()
    query = (
        select(page.c.id.label("key"), page.c.position, page.c.number, page.c.final, page.c.metadata)
        .add_columns(page.c.state.label("recipient"), *_ATTEMPT)
        .select_from(page)
        .outerjoin(attempts, (attempts.c.number == page.c.number) & (attempts.c.recipient_id == page.c.id))
        .order_by(page.c.id, attempts.c.claimed_at, attempts.c.id)
    )
    rows = [_undialed(row) if row.uid is None else _call(row) for row in connection.execute(query)]
    return rows, rows[-1].id if rows else None


def _undialed(row: Row[Any]) -> UndialedRow:
    return UndialedRow(
        id=row.key,
        position=row.position,
        number=row.number,
        state=RecipientState(row.recipient),
        final=Final(row.final) if row.final else None,
        metadata=_object(row.metadata),
    )


def _call(row: Row[Any]) -> CallRow:
    return CallRow(
        id=row.key,
        attempt_id=row.uid,
        position=row.position,
        number=row.number,
        caller_id=row.caller_id,
        trunk=row.trunk,
        claimed_at=row.claimed_at,
        ringing_at=row.ringing_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        outcome=Outcome(row.outcome) if row.outcome else None,
        refunded=bool(row.refunded),
        cause=_cause(row.cause),
        answered_by=row.answered_by,
        digits=row.digits,
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
