"""From the table of endpoints to routes: reading of a request, its handler, the answer.

Knows nothing of any endpoint in particular.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dialerd.api.bodies import Received, Record, an_object, decoded, received
from dialerd.api.endpoint import Asked, Endpoint
from dialerd.api.once import OnceOnly, once_of
from dialerd.api.problems import RefusedRequest
from dialerd.api.queries import read_query
from dialerd.api.rendering import encode
from dialerd.model.structuring import structure
from dialerd.operations.operations import Operations


def native_routes(endpoints: Sequence[Endpoint], operations: Operations, once_only: OnceOnly) -> list[Route]:
    """Return a route for every path, in the order of the table.

    Args:
        endpoints: the table.
        operations: what may be asked of the daemon.
        once_only: minds idempotency keys.
    """
    paths: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return [Route(path, _Place(methods, operations, once_only)) for path, methods in paths.items()]


def refuse_method(allowed: Sequence[str], method: str) -> RefusedRequest:
    """Return the refusal of a method, with those that are allowed."""
    names = ", ".join(sorted({*allowed, *({"HEAD"} if "GET" in allowed else ())}))
    return RefusedRequest(405, f"{method} is not allowed here; allowed are {names}", headers={"Allow": names})


class _Place:
    """Whatever may be done at one path; an ASGI application, so that every method comes here."""

    def __init__(self, methods: Mapping[str, Endpoint], operations: Operations, once_only: OnceOnly) -> None:
        self._methods = methods
        self._operations = operations
        self._once_only = once_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if (endpoint := self._methods.get(method)) is None:
            raise refuse_method(list(self._methods), scope["method"])
        scope["state"]["changes"] = endpoint.changes
        response = await self._answer(endpoint, Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, endpoint: Endpoint, request: Request) -> Response:
        asked = Asked(
            operations=self._operations,
            request=request,
            params=request.path_params,
            query=read_query(request.query_params, endpoint.query),
        )
        if endpoint.body is None:
            return await self._once(endpoint, asked, None)
        async with received(request, endpoint.body, self._operations.ground.scratch) as body:
            return await self._once(endpoint, asked, body)

    async def _once(self, endpoint: Endpoint, asked: Asked, body: Received | None) -> Response:
        """Carry the request out, if it was not yet."""
        scope = asked.request.scope
        media = "" if body is None else body.media
        once = None
        if endpoint.creates:
            once = once_of(
                asked.request.headers,
                method=endpoint.method,
                target=target_of(scope),
                media=media,
                digest=b"" if body is None else body.digest,
            )

        async def make() -> Response:
            filled = evolve(asked, body=_read(endpoint, body), media=media, once=once)
            return _response(endpoint, await endpoint.handle(filled))

        response = await self._once_only.answered(once, make, scope["state"])
        if endpoint.location is not None and response.status_code < 300:
            response.headers["Location"] = endpoint.location(decoded(bytes(response.body)))
        return response


def target_of(scope: Scope) -> str:
    """Return the path with the query of a request, as they were sent."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return (raw.partition(b"?")[0] + b"?" + query).decode("latin-1")


def _read(endpoint: Endpoint, body: Received | None) -> Any:
    """Return a body as the handler takes it."""
    if body is None:
        return None
    if not isinstance(endpoint.body, Record):
        return body.content
    assert isinstance(body.content, bytes)
    content = body.content
    if not content and not endpoint.body.required:
        return endpoint.body.cls()
    data = an_object(decoded(content))
    return data if endpoint.body.changes else structure(data, endpoint.body.cls)


def _response(endpoint: Endpoint, result: Any) -> Response:
    if isinstance(result, Response):
        return result
    if endpoint.answer is None:
        return Response(status_code=204)
    return Response(encode(result, endpoint.answer), endpoint.status, media_type=endpoint.media)
