"""Pages of a campaign's report: every recipient in the order of its list, with its attempts or without."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from dialerd.model.states import Final, Outcome, RecipientState
from dialerd.store.counters import driver
from dialerd.store.records import CallRow, UndialedRow

_PAGE = """
    WITH page AS (
        SELECT id, position, number, final, metadata, state FROM recipients INDEXED BY recipients_campaign
        WHERE campaign_id = ? AND id > ? ORDER BY id LIMIT ?
    )
    SELECT p.id, p.position, p.number, p.state, p.final, p.metadata, a.uid, a.caller_id, a.trunk, a.claimed_at,
           a.ringing_at, a.answered_at, a.ended_at, a.outcome, a.refunded, a.cause, a.answered_by, a.digits,
           a.reference, a.detail
    FROM page AS p LEFT JOIN attempts AS a ON a.number = p.number AND a.recipient_id = p.id
    ORDER BY p.id, a.claimed_at, a.id
    """

Page = tuple[list[CallRow | UndialedRow], int | None]


def report_pages(connection: Connection, campaign_ids: Iterable[int], limit: int) -> list[Page]:
    """Return the first page of each of these campaigns, see `report_page`; together they had better be small."""
    return [report_page(connection, campaign_id, 0, limit) for campaign_id in campaign_ids]


def report_page(connection: Connection, campaign_id: int, after_id: int, limit: int) -> Page:
    """Return the next recipients of a campaign, one row for each attempt and one for each recipient without any.

    Args:
        campaign_id: whose recipients.
        after_id: what the page before returned, 0 for the first.
        limit: recipients that the page holds.

    Returns:
        The rows, `id` being the recipient's key in both kinds, and where to go on; None = there are no more.
    """
    found = driver(connection).execute(_PAGE, (campaign_id, after_id, limit))
    rows = [_undialed(row) if row[6] is None else _call(row) for row in found]
    return rows, rows[-1].id if rows else None


def _undialed(row: Sequence[Any]) -> UndialedRow:
    key, position, number, state, final, metadata, *_ = row
    return UndialedRow(
        id=key,
        position=position,
        number=number,
        state=RecipientState(state),
        final=Final(final) if final else None,
        metadata=_object(metadata),
    )


def _call(row: Sequence[Any]) -> CallRow:
    key, position, number, state, final, metadata, uid, caller_id, trunk, claimed_at, *end = row
    ringing_at, answered_at, ended_at, outcome, refunded, cause, answered_by, digits, reference, detail = end
    return CallRow(
        id=key,
        attempt_id=uid,
        position=position,
        number=number,
        caller_id=caller_id,
        trunk=trunk,
        claimed_at=claimed_at,
        ringing_at=ringing_at,
        answered_at=answered_at,
        ended_at=ended_at,
        outcome=Outcome(outcome) if outcome else None,
        refunded=bool(refunded),
        cause=_cause(cause),
        answered_by=answered_by,
        digits=digits,
        recipient=RecipientState(state),
        final=Final(final) if final else None,
        metadata=_object(metadata),
        reference=reference,
        detail=detail,
    )


def _cause(text: str | None) -> str | None:
    cause = _object(text)
    words = (cause.get("code"), cause.get("detail"))
    return " ".join(str(word) for word in words if word) or None


def _object(text: str | None) -> dict[str, Any]:
    return msgspec.json.decode(text) if text else {}
