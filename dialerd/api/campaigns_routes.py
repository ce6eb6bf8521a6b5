"""Endpoints of campaigns: made, looked at, changed, sent through their life."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from attrs import field, frozen, validators

from dialerd.api.bodies import Document, Record
from dialerd.api.endpoint import Asked, Endpoint
from dialerd.api.queries import Paged
from dialerd.model.campaign import CampaignSpec
from dialerd.model.campaign_view import CampaignView, Created
from dialerd.model.page import Page
from dialerd.model.states import CampaignState
from dialerd.operations.shapes import CampaignDocument


@frozen(kw_only=True)
class CampaignQuery(Paged):
    """Which campaigns are wanted.

    Args:
        agent: name of their agent.
        status: where they stand.
        name: their name.
        dialect: the dialect in which they were ordered.
        offset: how many to pass over; slower than `after` where there are many.
    """

    agent: str | None = None
    status: CampaignState | None = None
    name: str | None = None
    dialect: str | None = None
    offset: int = field(default=0, validator=[validators.ge(0), validators.le(1_000_000_000)])


@frozen(kw_only=True)
class Cancelling:
    """How a campaign is to be cancelled.

    Args:
        now: answered calls are hung up, too.
    """

    now: bool = False


async def _create(asked: Asked) -> Created:
    created = await asked.operations.campaigns.create_document(asked.body, once=asked.once)
    asked.request.scope["state"]["campaign"] = created.campaign.id
    return created


async def _list(asked: Asked) -> Page[CampaignView]:
    query: CampaignQuery = asked.query
    return await asked.operations.campaigns.list(
        agent=query.agent,
        states=() if query.status is None else (query.status,),
        name=query.name,
        dialect=query.dialect,
        limit=query.limit,
        offset=query.offset,
        after=query.after,
    )


async def _get(asked: Asked) -> CampaignView:
    return await asked.operations.campaigns.get(asked.params["campaign"])


async def _update(asked: Asked) -> CampaignView:
    return await asked.operations.campaigns.update(asked.params["campaign"], asked.body)


async def _delete(asked: Asked) -> None:
    await asked.operations.campaigns.delete(asked.params["campaign"])


async def _cancel(asked: Asked) -> CampaignView:
    body: Cancelling = asked.body
    return await asked.operations.campaigns.cancel(asked.params["campaign"], now=body.now)


async def _step(verb: str, asked: Asked) -> CampaignView:
    """Send a campaign a step on in its life."""
    take: Callable[[str], Awaitable[CampaignView]] = getattr(asked.operations.campaigns, verb)
    return await take(asked.params["campaign"])


def _step_of(verb: str, summary: str) -> Endpoint:
    return Endpoint(
        method="POST",
        path=f"/v1/campaigns/{{campaign}}/{verb}",
        name=f"{verb}_campaign",
        summary=summary,
        handle=partial(_step, verb),
        answer=CampaignView,
        changes=True,
        conflicts=True,
    )


def _address(created: Any) -> str:
    return f"/v1/campaigns/{created['campaign']['id']}"


CAMPAIGNS = (
    Endpoint(
        method="POST",
        path="/v1/campaigns",
        name="create_campaign",
        summary="Create a campaign, with its recipients or as a draft",
        handle=_create,
        body=Document(cls=CampaignDocument),
        answer=Created,
        status=201,
        changes=True,
        creates=True,
        location=_address,
    ),
    Endpoint(
        method="GET",
        path="/v1/campaigns",
        name="list_campaigns",
        summary="List campaigns, latest first",
        handle=_list,
        query=CampaignQuery,
        answer=Page[CampaignView],
    ),
    Endpoint(
        method="GET",
        path="/v1/campaigns/{campaign}",
        name="get_campaign",
        summary="Show a campaign and how far it is",
        handle=_get,
        answer=CampaignView,
    ),
    Endpoint(
        method="PATCH",
        path="/v1/campaigns/{campaign}",
        name="update_campaign",
        summary="Change a draft, or pacing, windows, retry and end of a campaign that is under way",
        handle=_update,
        body=Record(cls=CampaignSpec, changes=True),
        answer=CampaignView,
        changes=True,
        conflicts=True,
    ),
    Endpoint(
        method="DELETE",
        path="/v1/campaigns/{campaign}",
        name="delete_campaign",
        summary="Delete a draft, or a campaign that is over",
        handle=_delete,
        status=204,
        changes=True,
        conflicts=True,
    ),
    _step_of("schedule", "Release a draft; it begins when its start says"),
    _step_of("start", "Launch a draft or a scheduled campaign now"),
    _step_of("pause", "Hold a campaign: once this is answered, no call of it leaves any more"),
    _step_of("resume", "Let a paused campaign go on"),
    Endpoint(
        method="POST",
        path="/v1/campaigns/{campaign}/cancel",
        name="cancel_campaign",
        summary="End a campaign for good",
        handle=_cancel,
        body=Record(cls=Cancelling, required=False),
        answer=CampaignView,
        changes=True,
        conflicts=True,
    ),
)
