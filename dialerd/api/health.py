"""`GET /healthz`: 200 while the daemon does its work, else 503 with what is amiss."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dialerd.operations.health import Health


def health_routes(health: Health) -> list[BaseRoute]:
    """Return the route of the health check."""

    async def answer(_: Request) -> Response:
        amiss = await health.amiss()
        body = {"status": "ok"} if amiss is None else {"status": "amiss", "amiss": amiss}
        return Response(
            msgspec.json.encode(body),
            200 if amiss is None else 503,
            {"Cache-Control": "no-store"},
            "application/json",
        )

    return [Route("/healthz", answer, methods=["GET"])]
