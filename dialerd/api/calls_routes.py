"""Endpoints of calls."""

from attrs import field, frozen

from dialerd.api.bodies import Record
from dialerd.api.endpoint import Asked, Endpoint
from dialerd.api.queries import Paged
from dialerd.model.call_view import CallResult, CallView
from dialerd.model.instants import Plain
from dialerd.model.page import Page
from dialerd.model.states import AttemptState, Outcome


@frozen(kw_only=True)
class CallQuery(Paged):
    """Which calls are wanted.

    Args:
        campaign: id of their campaign.
        number: the called number.
        state: where they stand.
        outcome: how they ended.
    """

    campaign: str | None = None
    number: str | None = None
    state: AttemptState | None = None
    outcome: Outcome | None = None


@frozen(kw_only=True)
class CallReport:
    """What an agent reports of a call.

    Args:
        success: whether the call reached its purpose; None = the agent does not say.
        data: whatever the agent found out.
        opt_out: the called person wants no more calls; enters the number as not to be called.
    """

    success: bool | None = None
    data: dict[str, Plain] = field(factory=dict)
    opt_out: bool = False


async def _list(asked: Asked) -> Page[CallView]:
    query: CallQuery = asked.query
    return await asked.operations.calls.list(
        campaign=query.campaign,
        number=query.number,
        state=query.state,
        outcome=query.outcome,
        limit=query.limit,
        after=query.after,
    )


async def _get(asked: Asked) -> CallView:
    return await asked.operations.calls.get(asked.params["call"])


async def _hang_up(asked: Asked) -> CallView:
    return await asked.operations.calls.hangup(asked.params["call"])


async def _report(asked: Asked) -> CallView:
    report: CallReport = asked.body
    result = CallResult(success=report.success, data=report.data, opt_out=report.opt_out)
    return await asked.operations.calls.result(asked.params["call"], result)


CALLS = (
    Endpoint(
        method="GET",
        path="/v1/calls",
        name="list_calls",
        summary="List calls, latest first; those of one campaign in the order of its recipients",
        handle=_list,
        query=CallQuery,
        answer=Page[CallView],
    ),
    Endpoint(
        method="GET",
        path="/v1/calls/{call}",
        name="get_call",
        summary="Show a call",
        handle=_get,
        answer=CallView,
    ),
    Endpoint(
        method="POST",
        path="/v1/calls/{call}/hangup",
        name="hang_up_call",
        summary="Hang a call up",
        handle=_hang_up,
        answer=CallView,
        changes=True,
        conflicts=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/calls/{call}/result",
        name="report_call",
        summary="Report what became of a call that an agent served",
        handle=_report,
        body=Record(cls=CallReport),
        answer=CallView,
        changes=True,
        conflicts=True,
    ),
)
