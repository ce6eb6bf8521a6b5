"""What went wrong, as RFC 9457 problem details: which status, which words, and which places of the request.

The one table of errors and statuses. Knows nothing of routes.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response

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
from dialerd.operations.plans import PlanFailed

MEDIA: Final = "application/problem+json"

SHOWN: Final = 1_000
"""Faults that an answer lists; the rest is counted."""

KEY_REUSED: Final = "urn:dialerd:key-reused"
"""Type of the problem that an idempotency key was used for another request before."""

_STATUSES: Final[Mapping[type[DialerdError], int]] = {NotFound: 404, WrongState: 409, TooLarge: 413}
_RETRY_AFTER_S: Final = 5  # the store is tried every second; a full disk takes longer
_STEP: Final = re.compile(r'\[(\d+)\]|\.?"(.*?)"(?=[.\[]|$)|\.?([^.\["]+)')

_log = structlog.get_logger()


class RefusedRequest(DialerdError):
    """A request that is refused for its form, before anything is asked for.

    Args:
        status: HTTP status.
        detail: what is wrong, and what to do.
        faults: the single faults, where there are any.
        headers: further headers of the answer.
        kind: URI that names the problem's type for programs.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        kind: str = "about:blank",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})
        self.kind = kind


def pointer(path: str) -> str:
    """Return the JSON pointer (RFC 6901) of a fault's path: `/recipients/3/phone` of `recipients[3].phone`."""
    steps = (place or quoted or bare for place, quoted, bare in _STEP.findall(path))
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def plain_fault(fault: Fault) -> dict[str, Any]:
    """Return a fault as it stands in answers; line and column only where they are known."""
    plain: dict[str, Any] = {"pointer": pointer(fault.path), "detail": fault.message}
    if fault.line is not None:
        plain["line"] = fault.line
    if fault.column is not None:
        plain["column"] = fault.column
    return plain


def problem(refused: RefusedRequest, request_id: str) -> Response:
    """Return the answer to a refused request."""
    faults, detail = refused.faults, refused.detail
    if len(faults) > SHOWN:
        detail += f"; the first {SHOWN} are listed, {len(faults) - SHOWN} more are not"
    body = {
        "type": refused.kind,
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": detail,
        "request_id": request_id,
        "errors": [plain_fault(fault) for fault in faults[:SHOWN]],
    }
    return Response(msgspec.json.encode(body), refused.status, refused.headers, MEDIA)


def answer_to(error: Exception, *, method: str, request_id: str) -> Response:
    """Return the answer to a request over which `error` was raised; what nobody foresaw is logged."""
    return problem(_refused(error, method, request_id), request_id)


def _refused(error: Exception, method: str, request_id: str) -> RefusedRequest:
    """Return what an error means to the client."""
    if isinstance(error, RefusedRequest):
        return error
    if isinstance(error, InvalidInput):
        # of a request that only asks, nothing but its address can be invalid
        return RefusedRequest(400 if method in ("GET", "HEAD") else 422, _count(error.faults), faults=error.faults)
    if isinstance(error, KeyReused):
        return RefusedRequest(422, str(error), kind=KEY_REUSED)
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return RefusedRequest(status, str(error))
    if isinstance(error, (StoreError, PlanFailed)):
        return RefusedRequest(503, str(error), headers={"Retry-After": str(_RETRY_AFTER_S)})
    if isinstance(error, HTTPException):
        return RefusedRequest(error.status_code, error.detail, headers=error.headers)
    _log.error(
        "api.request_failed",
        error=error,
        request_id=request_id,
        exc_info=error,
        remedy="this is a fault of dialerd's or of a dialect's; report it with this line",
    )
    return RefusedRequest(500, "something is wrong inside the daemon; its log says what, under this request_id")


def _count(faults: Sequence[Fault]) -> str:
    if len(faults) == 1:
        where = f"{faults[0].path}: " if faults[0].path else ""
        return f"{where}{faults[0].message}"
    return f"{len(faults)} things are wrong"
