"""The application on the sockets: every route, and what holds for all of them.

That is: the read-only socket, errors as problem details, the log of changes. Knows nothing of sockets; the server tells
who asks in the request's `state`.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, Final

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route, Router
from starlette.types import Message, Receive, Scope, Send

from dialerd.api.asking_routes import ASKING
from dialerd.api.audit import Audit
from dialerd.api.calls_routes import CALLS
from dialerd.api.campaigns_routes import CAMPAIGNS
from dialerd.api.dialects import ONLY_ANSWERS, dialect_routes
from dialerd.api.endpoint import Asked, Endpoint
from dialerd.api.events_routes import EVENTS
from dialerd.api.health import HEALTH
from dialerd.api.keys import Keys
from dialerd.api.metrics import METRICS
from dialerd.api.once import OnceOnly
from dialerd.api.openapi import document
from dialerd.api.problems import RefusedRequest, answer_to
from dialerd.api.recipients_routes import RECIPIENTS
from dialerd.api.resources_routes import RESOURCES
from dialerd.api.routes import native_routes
from dialerd.api.suppressions_routes import SUPPRESSIONS
from dialerd.operations.operations import Operations
from dialerd.plugin.dialect import Dialect


@cache
def _description() -> bytes:
    return msgspec.json.encode(described())


async def _describe(_: Asked) -> Response:
    return Response(_description(), media_type="application/json")


OPENAPI: Final = Endpoint(
    method="GET",
    path="/v1/openapi.json",
    name="openapi",
    summary="This document",
    handle=_describe,
    answer=dict[str, Any],
)

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *(*CAMPAIGNS, *RECIPIENTS, *CALLS, *SUPPRESSIONS, *ASKING, *RESOURCES),
    *(EVENTS, METRICS, HEALTH, OPENAPI),
)
"""The native API."""

_SAFE: Final = frozenset({"GET", "HEAD"})
_ASKING_PATHS: Final = frozenset(
    endpoint.path for endpoint in ENDPOINTS if endpoint.method not in _SAFE and not endpoint.changes
)
_KNOWN: Final = frozenset({*_SAFE, "POST", "PUT", "PATCH", "DELETE"})


class Api:
    """The ASGI application.

    Args:
        routes: what it answers, those that are asked first in front.
        others: what it answers for dialects; asked before those.
    """

    def __init__(self, routes: Sequence[BaseRoute], others: Sequence[BaseRoute] = ()) -> None:
        routes = [*others, *routes]
        self._others = others
        self._paths = sorted({route.path for route in routes if isinstance(route, Route)})
        self._router = Router(routes, redirect_slashes=False, default=self._unknown)
        self._audit = Audit()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not known here")
        scope["app"] = self  # so that a route which does not allow a method raises
        state: dict[str, Any] = scope.setdefault("state", {})
        identity: str = state.setdefault("request_id", "")
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                if state.get("changes", scope["method"] not in _SAFE) and message["status"] < 400:
                    await self._audit.changed(scope, message["status"])
                begun = True
            await send(message)

        try:
            self._allow(scope)
            await self._router(scope, receive, watched)
        except Exception as error:
            if begun:
                raise  # the answer cannot be taken back; the server breaks the connection off
            response = answer_to(error, method=scope["method"], request_id=identity)
            await response(scope, receive, send)

    async def _unknown(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        path: str = scope["path"]
        near = get_close_matches(path, self._paths, n=1, cutoff=0.6) if len(path) < 200 else []
        hint = f"did you mean {near[0]}?" if near else "GET /v1/openapi.json lists what there is"
        raise RefusedRequest(404, f"there is nothing at this path; {hint}")

    def _allow(self, scope: Scope) -> None:
        """Refuse what changes something on the read-only socket; a dialect does so in its own words."""
        method = scope["method"]
        if not scope["state"].get("read_only") or method in _SAFE or method not in _KNOWN:
            return
        if scope["path"] in _ASKING_PATHS or any(route.matches(scope)[0] is Match.FULL for route in self._others):
            return
        raise RefusedRequest(403, ONLY_ANSWERS)


def create_app(operations: Operations, *, dialects: Sequence[Dialect] = (), keys: Keys | None = None) -> Api:
    """Return the application.

    Args:
        operations: what may be asked of the daemon.
        dialects: other systems' requests, whose routes are asked before the native ones.
        keys: the keys that their requests must show.
    """
    once_only = OnceOnly(operations.answers)
    others = dialect_routes(dialects, operations.campaigns, once_only=once_only, keys=keys)
    return Api(native_routes(ENDPOINTS, operations, once_only), others)


def described() -> dict[str, Any]:
    """Return the OpenAPI document of everything that is answered, dialects apart."""
    return document(ENDPOINTS)
