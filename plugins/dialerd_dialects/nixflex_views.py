"""Campaigns and calls as Nixflex shows them. Knows nothing of requests."""

from collections.abc import Mapping
from typing import Any, Final

from dialerd.model.call_view import CallView, RecipientView
from dialerd.model.campaign_view import CampaignView
from dialerd.model.instants import Instant
from dialerd.model.states import AttemptState, Outcome, RecipientState
from dialerd.model.states import Final as End
from dialerd_dialects.instants import whole_seconds

_REASONS: Final[Mapping[Outcome, str]] = {
    Outcome.ANSWERED: "completed",
    Outcome.VOICEMAIL: "voicemail_detected",
    Outcome.CANCELLED: "cancelled",
}
"""Every other outcome is an `error`."""

_STATES: Final[Mapping[AttemptState, str]] = {
    AttemptState.CLAIMED: "queued",
    AttemptState.PLACED: "queued",
    AttemptState.RINGING: "ringing",
    AttemptState.ANSWERED: "in_progress",
    AttemptState.UNCERTAIN: "in_progress",
}


def echo(view: CampaignView) -> dict[str, Any]:
    """Return the answer of N1 to a creation."""
    return {
        "campaign_id": view.alias,
        "agent_id": view.spec.agent,
        "name": view.spec.name,
        "status": view.state.value,
        "recipients_count": view.counters.total,
        "created_at": whole_seconds(view.created_at),
    }


def whole(view: CampaignView) -> dict[str, Any]:
    """Return a campaign, as it is got and launched."""
    counters = view.counters
    done = counters.done
    voicemails = counters.outcomes.get(Outcome.VOICEMAIL, 0)  # by N1 they are completed; nobody is called twice
    ended = done.get(End.FAILED, 0) + done.get(End.EXHAUSTED, 0) + done.get(End.UNCERTAIN, 0)
    return {
        **echo(view),
        "from_number": next(iter(view.spec.caller_ids), None),
        "timezone": view.timezone,
        "scheduled_at": _moment(view.start_at),
        "started_at": _moment(view.started_at),
        "ended_at": _moment(view.ended_at),
        "pending_count": counters.pending,
        "in_progress_count": counters.dialing,
        "completed_count": counters.outcomes.get(Outcome.ANSWERED, 0) + voicemails,
        "successful_count": done.get(End.SUCCEEDED, 0),
        "failed_count": max(0, ended - voicemails),
        "metadata": view.spec.metadata,
    }


def calls(recipient: RecipientView, view: CampaignView) -> list[dict[str, Any]]:
    """Return a recipient's calls; one entry without a `call_id` where there is none yet or will be none.

    Args:
        recipient: the recipient with its calls.
        view: its campaign, whose variables it overrides, key by key.
    """
    about = {
        "phone_number": recipient.number,
        "variables": {**view.spec.variables, **recipient.variables},
        "metadata": dict(recipient.metadata),
    }
    if not recipient.calls:
        over = recipient.state is RecipientState.DONE
        waiting = {"call_id": None, "status": "not_called" if over else "queued", "successful": False}
        reason = None if recipient.final is None else recipient.final.value
        return [
            {**waiting, "ended_reason": reason, "started_at": None, "ended_at": None, "duration_seconds": 0} | about
        ]
    return [_call(call) | about for call in recipient.calls]


def _call(call: CallView) -> dict[str, Any]:
    return {
        "call_id": call.id,
        "status": _status(call),
        "successful": call.outcome is Outcome.ANSWERED,
        "ended_reason": None if call.outcome is None else _REASONS.get(call.outcome, "error"),
        "started_at": whole_seconds(call.claimed_at),
        "ended_at": _moment(call.ended_at),
        "duration_seconds": call.talk_s or 0,
    }


def _status(call: CallView) -> str:
    if call.outcome is None:
        return _STATES.get(call.state, "completed")
    if call.outcome in (Outcome.ANSWERED, Outcome.VOICEMAIL):
        return "completed"
    return "cancelled" if call.outcome is Outcome.CANCELLED else "failed"


def _moment(instant: Instant | None) -> str | None:
    return None if instant is None else whole_seconds(instant)
