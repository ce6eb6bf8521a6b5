"""What is told to the outside, as JSON."""

import msgspec

from dialerd.engine.live import LiveCall
from dialerd.model.instants import to_iso
from dialerd.store.ending import Ended


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
