"""Answers of the tasks system, T: a batch with its counters, its task results, and the envelope around them.

Knows nothing of requests' bodies.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from dialerd.model.call_view import CallView, RecipientView
from dialerd.model.campaign_view import CampaignView, Counters
from dialerd.model.errors import InvalidInput, KeyReused, NotFound, StoreError, TooLarge, WrongState
from dialerd.model.instants import Instant
from dialerd.model.retry import RetryPolicy
from dialerd.model.states import CampaignState, Outcome, RecipientState
from dialerd.plugin.dialect import Answer, Campaigns, NotAllowed, Request
from dialerd_dialects.fields import in_words, reworded

_PAGE: Final = 1_000  # a batch has at most so many tasks


def envelope(data: Any, message: str) -> Answer:
    """Return the answer to a request that was done."""
    return Answer(status=200, body={"message": message, "status": "success", "error": None, "data": data})


def refused(_request: Request, wrong: bool) -> Answer:  # the contract's
    """Return the answer to a request without its keys, or with wrong ones."""
    if wrong:
        return _error(403, "The API key or its secret is not accepted", "forbidden")
    return _error(401, "The headers X-API-KEY and X-API-SECRET are required", "unauthorized")


def failed(request: Request, error: Exception) -> Answer:
    """Return the answer to a request whose handling raised."""
    if isinstance(error, InvalidInput):
        return _error(400, "The batch call is not valid", reworded(in_words(error), _WORDS))
    if isinstance(error, NotAllowed):
        return _error(error.status, "This is not allowed", str(error))
    for kind, status, message in _ERRORS:
        if isinstance(error, kind):
            headers = {"Retry-After": "5"} if status == 503 else {}
            return _error(status, message, reworded(str(error), _WORDS), headers)
    return _error(500, "Something went wrong", f"internal error; see the daemon's log for request {request.request_id}")


_WORDS: Final = {
    "campaign": "batch call",
    "campaigns": "batch calls",
    "recipient": "task",
    "recipients": "tasks",
}
"""What dialerd calls things, in the words of this system."""

_ERRORS: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (NotFound, 404, "There is no such batch call"),
    (WrongState, 409, "The batch call's status does not allow this"),
    (KeyReused, 422, "The idempotency key was used for another request"),
    (TooLarge, 413, "The request is too large"),
    (StoreError, 503, "Nothing can be stored now"),
)


def _error(status: int, message: str, error: str, headers: Mapping[str, str] | None = None) -> Answer:
    body = {"message": message, "status": "error", "error": error, "data": None}
    return Answer(status=status, body=body, headers=headers or {})


@frozen(kw_only=True)
class _Sent:
    """What became of a batch's tasks so far."""

    sent: int = 0
    last_at: Instant | None = None


async def standing(view: CampaignView, campaigns: Campaigns, request: Request) -> dict[str, Any]:
    """Return a batch as it stands."""
    counters = view.counters
    so_far = _Sent()
    if counters.calls or counters.dialing:
        so_far = _so_far(await people(view.id, campaigns))
    return _batch(view, request, counters, so_far, _status(view))


def created(view: CampaignView, request: Request, status: str) -> dict[str, Any]:
    """Return a batch as it was at the moment of its creation, whoever was called since."""
    return _batch(view, request, Counters(total=view.counters.total), _Sent(), status)


def _batch(view: CampaignView, request: Request, counters: Counters, so_far: _Sent, status: str) -> dict[str, Any]:
    due_at = view.created_at if view.start_at is None and view.state is not CampaignState.DRAFT else view.start_at
    return {
        "batch_call_id": view.alias,
        "name": view.spec.name,
        "from_number": next(iter(view.spec.caller_ids), None),
        "scheduled_timestamp": due_at,
        "total_task_count": view.extra.get("tasks", counters.total),
        "total": counters.total,
        "sent": so_far.sent,
        "picked_up": counters.outcomes.get(Outcome.ANSWERED, 0),
        "completed": sum(counters.done.values()),
        "agent_id": view.spec.agent,
        "organization_id": view.extra.get("organization_id") or "local",
        "status": status,
        "timezone": view.timezone,
        "last_sent_timestamp": so_far.last_at,
        "tasks_url": f"{request.base_url}/batch-call/{view.alias}/tasks",
        "created_timestamp": view.created_at,
        "access_info": {"user_id": "user_local", "session_id": f"session_{request.request_id}"},
    }


def tasks(view: CampaignView, recipients: list[RecipientView]) -> list[dict[str, Any]]:
    """Return a batch's task results, in the order of its tasks."""
    policy = view.spec.retry or RetryPolicy()
    return [_task(view, each, policy.max_attempts) for each in recipients]


async def people(campaign: str, campaigns: Campaigns) -> list[RecipientView]:
    """Return all recipients of a batch with their calls."""
    found: list[RecipientView] = []
    after: str | None = None
    while True:
        page = await campaigns.recipients(campaign, limit=_PAGE, after=after, calls=True)
        found += page.items
        if page.next is None:
            return found
        after = page.next


def _so_far(recipients: list[RecipientView]) -> _Sent:
    instants = [call.claimed_at for each in recipients for call in each.calls or ()]
    return _Sent(sent=sum(1 for each in recipients if each.calls), last_at=max(instants, default=None))


def _status(view: CampaignView) -> str:
    if view.state is CampaignState.DRAFT:
        return "draft"
    waits = view.state is CampaignState.SCHEDULED or (view.state is CampaignState.PAUSED and view.started_at is None)
    return "scheduled" if waits else "sent"


def _task(view: CampaignView, one: RecipientView, max_attempts: int) -> dict[str, Any]:
    calls = one.calls or ()
    last = calls[-1] if calls else None
    return {
        "task_id": f"{view.alias}_{one.position}",
        "to_number": one.number,
        "dynamic_variables": one.variables,
        "max_retries": (one.max_attempts or max_attempts) - 1,
        "status": _task_status(one),
        "result": one.final,
        "attempts": one.attempts,
        "picked_up": any(call.outcome is Outcome.ANSWERED for call in calls),
        "call_id": last and last.id,
        "outcome": last and last.outcome,
        "sent_timestamp": last and last.claimed_at,
        "ended_timestamp": last and last.ended_at,
        "duration_seconds": last and last.talk_s,
        "calls": list(_calls(calls)),
    }


def _task_status(one: RecipientView) -> str:
    if one.state is RecipientState.DONE:
        return "completed"
    if one.state is RecipientState.DIALING:
        return "in_progress"
    return "retrying" if one.attempts else "pending"


def _calls(calls: tuple[CallView, ...]) -> Iterator[dict[str, Any]]:
    for call in calls:
        yield {
            "call_id": call.id,
            "outcome": call.outcome,
            "sent_timestamp": call.claimed_at,
            "picked_up_timestamp": call.answered_at,
            "ended_timestamp": call.ended_at,
            "duration_seconds": call.talk_s,
        }
