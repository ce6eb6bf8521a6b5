"""Answers that the server gives without the application: problem details (RFC 9457) as plain bytes.

They need no state of the connection, which may be broken; it ends with them.
"""

import json
import re
import secrets
from email.utils import formatdate
from http import HTTPStatus
from itertools import count
from typing import Final

_SANE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")  # a token: RFC 9110, section 5.6.2
_LIFE: Final = secrets.token_hex(4)  # so that ids of two lives of the daemon differ
_counted: Final = count(1)


def request_id(given: bytes | None = None) -> str:
    """Return the client's own id where it is short and plain, else a new one.

    Args:
        given: its `X-Request-Id`, or None.
    """
    if given is not None and _SANE.fullmatch(given):
        return given.decode("ascii")
    return f"{_LIFE}-{next(_counted):x}"


def refusal(status: int, detail: str, *, identity: str, body: bool = True) -> bytes:
    """Return a whole answer, after which the connection is closed.

    Args:
        status: HTTP status.
        detail: what is wrong, and what to do.
        identity: the request's id.
        body: False = its head alone, as HEAD asks for.
    """
    phrase = HTTPStatus(status).phrase
    problem = {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "detail": detail,
        "request_id": identity,
        "errors": [],
    }
    content = json.dumps(problem, ensure_ascii=False, separators=(",", ":")).encode()
    lines = [
        f"HTTP/1.1 {status} {phrase}",
        f"Date: {formatdate(usegmt=True)}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(content)}",
        f"X-Request-Id: {identity}",
        "Connection: close",
    ]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        lines.append("Retry-After: 1")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (content if body else b"")
