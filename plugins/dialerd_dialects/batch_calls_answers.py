"""Answers of the batch calls system, B: a batch, a page of them, and errors with a code and a message.

Knows nothing of requests' bodies.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dialerd.model.campaign_view import CampaignView
from dialerd.model.errors import Fault, InvalidInput, KeyReused, NotFound, StoreError, TooLarge, WrongState
from dialerd.model.instants import Instant, to_iso
from dialerd.model.states import CampaignState, Outcome
from dialerd.plugin.dialect import Answer, NotAllowed, Request
from dialerd_dialects.fields import in_json, in_words, reworded

_C = CampaignState

STATUSES: Final[Mapping[str, tuple[CampaignState, ...]]] = {
    "draft": (_C.DRAFT,),
    "scheduled": (_C.SCHEDULED,),
    "active": (_C.RUNNING,),
    "paused": (_C.PAUSED,),
    "completed": (_C.COMPLETED,),
    "cancelled": (_C.CANCELLED,),
}
"""The states that a status stands for."""

_STATUS: Final = {state: status for status, states in STATUSES.items() for state in states}

_DEFAULTS: Final[Mapping[str, Any]] = {
    "phone_number_ids": [],
    "phone_rotation_strategy": "random",
    "contact_source": "csv",
    "contact_folder_id": None,
    "schedule_type": "immediate",
    "scheduled_at": None,
    "timezone": "UTC",
    "start_time": None,
    "end_time": None,
    "working_days": [1, 2, 3, 4, 5],
    "max_concurrent_calls": 10,
    "max_calls_per_day": None,
    "retry_failed": False,
    "max_retry_attempts": 0,
}


class NoContacts(WrongState):
    """A batch without contacts is to be started."""


class Malformed(InvalidInput):
    """A body or a query that cannot be read at all."""


def status_of(view: CampaignView) -> str:
    """Return where a batch stands."""
    return _STATUS.get(view.state, "draft")


def batch(view: CampaignView) -> dict[str, Any]:
    """Return a batch as it is answered: what was written with the defaults, where it stands, and how far it is."""
    given = view.extra.get("batch", {})
    counters = view.counters
    written = {key: given.get(key, default) for key, default in _DEFAULTS.items()}
    if given.get("scheduled_at") is not None:
        written["schedule_type"] = given.get("schedule_type", "scheduled")
    return {
        "id": view.id,
        "name": view.spec.name,
        "agent_id": given.get("agent_id", view.spec.agent),
        "status": status_of(view),
        **written,
        "total_contacts": counters.total,
        "completed_contacts": sum(counters.done.values()),
        "calls_made": counters.calls,
        "calls_answered": counters.outcomes.get(Outcome.ANSWERED, 0),
        "created_at": to_iso(view.created_at),
        "updated_at": to_iso(view.state_at),
        "started_at": _iso(view.started_at),
        "ended_at": _iso(view.ended_at),
    }


def one(request: Request, data: Any, status: int = 200) -> Answer:
    """Return the answer with a batch, or with what became of contacts."""
    return Answer(status=status, body={"data": data, "meta": {"request_id": request.request_id}})


def page(request: Request, views: Sequence[CampaignView], *, limit: int, offset: int, total: int) -> Answer:
    """Return the answer with a page of batches."""
    pagination = {"limit": limit, "offset": offset, "total": total, "has_more": offset + len(views) < total}
    meta = {"request_id": request.request_id}
    return Answer(status=200, body={"data": [batch(view) for view in views], "pagination": pagination, "meta": meta})


def refused(request: Request, wrong: bool) -> Answer:
    """Return the answer to a request without its key, or with a wrong one."""
    if wrong:
        return _error(request, 403, "forbidden", "the API key is not accepted")
    return _error(request, 401, "unauthorized", "an API key is required, as Authorization: Bearer KEY or X-API-Key")


def failed(request: Request, error: Exception) -> Answer:
    """Return the answer to a request whose handling raised."""
    if isinstance(error, InvalidInput):
        status, code = (400, "malformed_request") if isinstance(error, Malformed) else (422, "validation_error")
        message = reworded(in_words(error), _WORDS)
        return _error(request, status, code, message, errors=[_plain(in_json(fault)) for fault in error.faults])
    if isinstance(error, NotAllowed):
        code = "method_not_allowed" if error.status == 405 else "read_only"
        return _error(request, error.status, code, str(error))
    for kind, status, code in _ERRORS:
        if isinstance(error, kind):
            return _error(request, status, code, reworded(str(error), _WORDS))
    return _error(request, 500, "internal_error", "something went wrong; the daemon's log says what")


_ERRORS: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (NotFound, 404, "not_found"),
    (NoContacts, 422, "no_contacts"),
    (WrongState, 422, "invalid_status"),
    (KeyReused, 422, "idempotency_key_reused"),
    (TooLarge, 413, "payload_too_large"),
    (StoreError, 503, "unavailable"),
)

_WORDS: Final = {
    "campaign": "batch",
    "campaigns": "batches",
    "recipient": "contact",
    "recipients": "contacts",
}
"""What dialerd calls things, in the words of this system."""

_CODES: Final = (
    ("is required", "required"),
    ("cannot be changed", "not_updatable"),
    ("is not a known", "unknown_field"),
    ("is no agent that is active", "agent_not_active"),
    ("is no outbound number", "phone_number_not_found"),
    ("at least one valid outbound phone number", "phone_number_required"),
)
"""Codes of single faults, by how their messages begin; what is none of these is `invalid`."""


def _plain(fault: Fault) -> dict[str, Any]:
    code = next((code for words, code in _CODES if fault.message.startswith(words)), "invalid")
    return {"field": fault.path, "code": code, "message": reworded(fault.message, _WORDS)}


def _error(
    request: Request, status: int, code: str, message: str, *, errors: Sequence[Mapping[str, Any]] = ()
) -> Answer:
    body: dict[str, Any] = {"message": message, "code": code, "errors": list(errors)}
    headers = {"Retry-After": "5"} if status == 503 else {}
    return Answer(status=status, body={**body, "meta": {"request_id": request.request_id}}, headers=headers)


def _iso(instant: Instant | None) -> str | None:
    return None if instant is None else to_iso(instant)
