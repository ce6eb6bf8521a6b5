"""`GET /healthz`: 200 while the daemon does its work, else 503 with what is amiss."""

import msgspec
from starlette.responses import Response

from dialerd.api.endpoint import Asked, Endpoint


async def _health(asked: Asked) -> Response:
    amiss = await asked.operations.health.amiss()
    body = {"status": "ok"} if amiss is None else {"status": "amiss", "amiss": amiss}
    return Response(
        msgspec.json.encode(body),
        200 if amiss is None else 503,
        {"Cache-Control": "no-store"},
        "application/json",
    )


HEALTH = Endpoint(
    method="GET",
    path="/healthz",
    name="health",
    summary="Whether the daemon does its work; 503 with what is amiss where it does not",
    handle=_health,
    answer=dict[str, str],
    unwell=dict[str, str],
)
