"""What is told to the outside: the bodies of notices, and those of campaigns written."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from dialerd.engine.live import LiveCall
from dialerd.engine.telling import Telling
from dialerd.model.instants import NEVER, Instant, to_iso
from dialerd.model.states import CampaignState
from dialerd.store import notices
from dialerd.store.ending import Ended
from dialerd.store.records import CampaignRow


def call_ended(call: LiveCall, end: Ended) -> str:
    """Return the body of a `call.ended` notice: what became of the call, and what follows for its recipient."""
    spec = call.campaign.row.spec
    body = {
        "call_id": call.claimed.uid,
        "campaign_id": call.campaign.row.uid,
        "campaign": spec.name,
        "number": call.claimed.number,
        "caller_id": call.claimed.caller_id,
        "trunk": call.trunk.name,
        "outcome": end.outcome,
        "counted": not end.refunded,
        "cause": msgspec.Raw(end.cause.encode()) if end.cause else None,
        "answered_by": end.answered_by,
        "digits": end.digits,
        "detail": msgspec.Raw(end.detail.encode()) if end.detail else None,
        "claimed_at": to_iso(call.claimed_at),
        "ringing_at": None if end.ringing_at is None else to_iso(end.ringing_at),
        "answered_at": None if end.answered_at is None else to_iso(end.answered_at),
        "ended_at": to_iso(end.ended_at),
        "recipient": end.state,
        "final": end.final,
        "metadata": spec.metadata,
        "recipient_metadata": msgspec.Raw(call.claimed.metadata.encode()) if call.claimed.metadata else {},
    }
    return msgspec.json.encode({key: value for key, value in body.items() if value is not None}).decode()


def tell_campaign(
    connection: Connection,
    telling: Telling,
    row: CampaignRow,
    state: CampaignState,
    *,
    what: str | None = None,
    now: Instant,
) -> None:
    """Write the notice of a campaign, in the transaction in which that happens; nothing, where nobody is told.

    Args:
        connection: of the transaction.
        telling: whether notices are written.
        row: the campaign.
        state: the one that it has from now on.
        what: happened to it; None = that it came into the state.
        now: the present instant.
    """
    if telling.on:
        body = {"campaign_id": row.uid, "campaign": row.spec.name, "state": state, "at": to_iso(now)}
        notices.add(connection, f"campaign.{what or state}", row.uid, body, now=now)


def suppression_added(
    numbers: Sequence[str], *, scope: str, reason: str | None, source: str | None, expires_at: Instant, now: Instant
) -> dict[str, Any]:
    """Return the body of a `suppression.added` notice; arguments as of `dialerd.store.suppressions.add`."""
    body = {
        "numbers": list(numbers),
        "scope": scope,
        "reason": reason,
        "source": source,
        "expires_at": None if expires_at == NEVER else to_iso(expires_at),
        "at": to_iso(now),
    }
    return {key: value for key, value in body.items() if value is not None}
