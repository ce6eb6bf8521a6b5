"""Endpoints that answer questions and change nothing: why nobody rings, and what a campaign would do."""

from datetime import datetime
from functools import partial

from attrs import field, frozen, validators

from dialerd.api.bodies import Document
from dialerd.api.endpoint import Asked, Endpoint
from dialerd.api.leaving import unless_gone
from dialerd.api.queries import instant_of
from dialerd.model.page import Page
from dialerd.model.plan_view import PlanView
from dialerd.model.reason import Reason
from dialerd.operations.shapes import PlanDocument


@frozen(kw_only=True)
class WhyQuery:
    """Whom it is about.

    Args:
        number: the number that is not dialled.
        campaign: in which campaign; none = in all.
    """

    number: str = field(validator=validators.min_len(1))
    campaign: str | None = None


@frozen(kw_only=True)
class PlanQuery:
    """When it would begin.

    Args:
        start: moment with an offset at which it would be handed in; none = now.
    """

    start: datetime | None = None


async def _why(asked: Asked) -> Page[Reason]:
    query: WhyQuery = asked.query
    return Page.whole(await asked.operations.why.why(query.number, query.campaign))


async def _plan(asked: Asked) -> PlanView:
    query: PlanQuery = asked.query
    start = instant_of(query.start, "start")
    return await unless_gone(asked.request, partial(asked.operations.plans.plan, asked.body, start))


ASKING = (
    Endpoint(
        method="GET",
        path="/v1/why",
        name="why",
        summary="Tell what holds a number in its campaigns",
        handle=_why,
        query=WhyQuery,
        answer=Page[Reason],
    ),
    Endpoint(
        method="POST",
        path="/v1/plan",
        name="plan",
        summary="Forecast a campaign; nothing is stored",
        handle=_plan,
        query=PlanQuery,
        body=Document(cls=PlanDocument),
        answer=PlanView,
    ),
)
