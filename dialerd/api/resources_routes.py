"""Endpoints of what the daemon dials with, and of the daemon itself."""

from contextlib import suppress

from dialerd.api.endpoint import Asked, Endpoint
from dialerd.model.errors import StoreError
from dialerd.model.page import Page
from dialerd.model.resource_views import AgentView, NumberView, StatusView, TrunkView


async def _trunks(asked: Asked) -> Page[TrunkView]:
    return Page.whole(asked.operations.resources.trunks())


async def _numbers(asked: Asked) -> Page[NumberView]:
    return Page.whole(asked.operations.resources.numbers())


async def _agents(asked: Asked) -> Page[AgentView]:
    return Page.whole(asked.operations.resources.agents())


async def _status(asked: Asked) -> StatusView:
    resources = asked.operations.resources
    backlog: int | None = None
    with suppress(StoreError):  # it is asked for most where the database is in trouble
        backlog = max((await resources.notice_backlog()).values(), default=0)
    return resources.status(notice_backlog=backlog)


async def _reload(asked: Asked) -> None:
    await asked.operations.reload()


RESOURCES = (
    Endpoint(
        method="GET",
        path="/v1/trunks",
        name="list_trunks",
        summary="List trunks with the use of their limits",
        handle=_trunks,
        answer=Page[TrunkView],
    ),
    Endpoint(
        method="GET",
        path="/v1/numbers",
        name="list_numbers",
        summary="List caller ids with the use of their limits",
        handle=_numbers,
        answer=Page[NumberView],
    ),
    Endpoint(
        method="GET",
        path="/v1/agents",
        name="list_agents",
        summary="List agents with the use of their limits",
        handle=_agents,
        answer=Page[AgentView],
    ),
    Endpoint(
        method="GET",
        path="/v1/status",
        name="status",
        summary="Tell how the daemon stands",
        handle=_status,
        answer=StatusView,
    ),
    Endpoint(
        method="POST",
        path="/v1/reload",
        name="reload",
        summary="Read the settings file anew; where it is wrong the old settings stay",
        handle=_reload,
        status=204,
        changes=True,
    ),
)
