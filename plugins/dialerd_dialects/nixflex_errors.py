"""Errors as Nixflex's clients know them: a code, a message and everything that is wrong.

The documents name codes but neither HTTP statuses nor a body; both are chosen here, see docs/dialects-nixflex.md.
Knows nothing of campaigns.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from dialerd.model.errors import (
    DialerdError,
    Fault,
    InvalidInput,
    KeyReused,
    NotFound,
    StoreError,
    TooLarge,
    WrongState,
)
from dialerd.plugin.dialect import Answer, NotAllowed, Request
from dialerd_dialects.fields import in_words

_STATUS: Final[Mapping[str, int]] = {
    # N1
    "agent_not_owned": 403,
    "from_number_not_owned": 403,
    "too_many_recipients": 400,
    "invalid_schedule": 400,
    # N2
    "missing_field": 400,
    "invalid_phone_format": 400,
    "campaign_creation_failed": 422,
    # of no document
    "invalid_request": 400,
}


class Refusal(DialerdError):
    """A request that is refused with one of the system's codes.

    Args:
        code: the code.
        faults: what is wrong; paths are the request's.
        extra: further members of the answer, beside `error`.
    """

    def __init__(self, code: str, faults: Iterable[Fault], extra: Mapping[str, Any] | None = None) -> None:
        self.code = code
        self.faults = tuple(faults)
        self.extra = dict(extra or {})
        super().__init__(f"{code}: {in_words(InvalidInput(self.faults))}")


def missing(faults: Iterable[Fault]) -> bool:
    """Tell whether a required field is among what is wrong."""
    return any(fault.message == "is required" for fault in faults)


def refused(_request: Request, wrong: bool) -> Answer:
    """Answer a request whose key is missing or, if `wrong`, not accepted."""
    message = "the API key is not known" if wrong else "send Authorization: Bearer KEY_ID:KEY_SECRET"
    return _answer(401, "unauthorized", message)


def failed(request: Request, error: Exception) -> Answer:
    """Answer a request whose handling raised `error`."""
    match error:
        case Refusal():
            words = in_words(InvalidInput(error.faults))
            return _answer(_STATUS[error.code], error.code, words, error.faults, error.extra)
        case InvalidInput():
            return _answer(400, "invalid_request", in_words(error), error.faults)
        case NotAllowed():
            return _answer(error.status, "not_allowed", str(error))
    for kind, status, code in _OTHERS:
        if isinstance(error, kind):
            return _answer(status, code, str(error))
    return _answer(500, "internal_error", f"something went wrong here; the log says what under {request.request_id}")


_OTHERS: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (NotFound, 404, "campaign_not_found"),
    (WrongState, 409, "invalid_state"),
    (TooLarge, 413, "request_too_large"),
    (KeyReused, 422, "idempotency_key_reused"),
    (StoreError, 503, "unavailable"),
)


def _answer(
    status: int, code: str, message: str, faults: Iterable[Fault] = (), extra: Mapping[str, Any] | None = None
) -> Answer:
    details = [{"field": fault.path, "message": fault.message} for fault in faults]
    return Answer(
        status=status, body={"error": {"code": code, "message": message, "details": details}, **(extra or {})}
    )
