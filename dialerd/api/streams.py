"""Routes that have a form of their own: events, metrics, health and the OpenAPI document itself; with what it says of
them."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dialerd.api.endpoint import Asked, Endpoint
from dialerd.api.events_routes import Following, event_routes
from dialerd.api.health import health_routes
from dialerd.api.metrics import metrics_routes
from dialerd.api.queries import Nothing, read_query
from dialerd.operations.operations import Operations


async def _elsewhere(_: Asked) -> Any:
    raise NotImplementedError("a route of its own answers")


STREAMS: Final = (
    Endpoint(
        method="GET",
        path="/v1/events",
        name="follow_events",
        summary="What happens, as server-sent events; Last-Event-ID goes on where a former stream ended",
        handle=_elsewhere,
        query=Following,
        media="text/event-stream",
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        name="metrics",
        summary="The daemon's figures, as Prometheus scrapes them",
        handle=_elsewhere,
        media="text/plain",
    ),
    Endpoint(
        method="GET",
        path="/healthz",
        name="health",
        summary="Whether the daemon does its work; 503 with what is amiss where it does not",
        handle=_elsewhere,
        answer=dict[str, str],
        unwell=dict[str, str],
    ),
    Endpoint(
        method="GET",
        path="/v1/openapi.json",
        name="openapi",
        summary="This document",
        handle=_elsewhere,
        answer=dict[str, Any],
    ),
)


def stream_routes(operations: Operations, described: dict[str, Any]) -> Sequence[BaseRoute]:
    """Return the routes.

    Args:
        operations: what may be asked of the daemon.
        described: the OpenAPI document.
    """
    content = msgspec.json.encode(described)

    async def answer(request: Request) -> Response:
        read_query(request.query_params, Nothing)
        return Response(content, media_type="application/json")

    own = Route("/v1/openapi.json", answer, methods=["GET"])
    return [
        *event_routes(operations.events),
        *metrics_routes(operations.metrics),
        *health_routes(operations.health),
        own,
    ]
