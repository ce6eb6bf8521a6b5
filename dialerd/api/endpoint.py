"""An endpoint of the native API, as data: from one table come the routes and the OpenAPI document.

Knows nothing of any endpoint in particular.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import frozen
from starlette.requests import Request

from dialerd.api.bodies import Body
from dialerd.api.queries import Nothing
from dialerd.model.once import Once
from dialerd.operations.operations import Operations


@frozen(kw_only=True)
class Asked:
    """A request, read.

    Args:
        operations: what may be asked of the daemon.
        request: the request itself.
        params: what stands for the places in the path.
        query: record of the endpoint's `query`.
        body: of a `Record` the record (or plain data, for changes), of a `Document` bytes or a scratch file, of an
            `Upload` a scratch file; None where there is none.
        media: media type of the body.
        once: the idempotency key, where the client sent one.
    """

    operations: Operations
    request: Request
    params: Mapping[str, str]
    query: Any
    body: Any = None
    media: str = ""
    once: Once | None = None


Handle = Callable[[Asked], Awaitable[Any]]


@frozen(kw_only=True)
class Endpoint:
    """One method and path.

    Args:
        method: upper case.
        path: with places as `{name}`.
        name: operation id.
        summary: one line for people.
        handle: does it; returns a value of the type `answer`, or a Response.
        answer: type of what is answered with; None = there is no body.
        media: media type of the answer.
        status: of the answer.
        query: attrs class of the query.
        body: what the request's body may be; None = it has none.
        changes: it changes something: refused on the read-only socket, and logged.
        creates: an idempotency key is minded.
        conflicts: the state of the thing may forbid it.
        unwell: type of the answer with status 503, where that is no problem.
        location: returns the address of what was created, from the answer's plain data.
    """

    method: str
    path: str
    name: str
    summary: str
    handle: Handle
    answer: Any = None
    media: str = "application/json"
    status: int = 200
    query: type = Nothing
    body: Body | None = None
    changes: bool = False
    creates: bool = False
    conflicts: bool = False
    unwell: Any = None
    location: Callable[[Any], str] | None = None
