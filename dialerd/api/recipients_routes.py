"""Endpoints of a campaign's recipients."""

from attrs import frozen
from starlette.responses import Response

from dialerd.api.bodies import MEDIA, Upload
from dialerd.api.endpoint import Asked, Endpoint
from dialerd.api.export import CsvAnswer, recipient_rows
from dialerd.api.queries import Paged
from dialerd.model.call_view import RecipientView
from dialerd.model.campaign_view import Added
from dialerd.model.page import Page
from dialerd.model.states import Final, RecipientState
from dialerd.operations.shapes import RecipientSpec


@frozen(kw_only=True)
class AddingQuery:
    """How recipients are to be added.

    Args:
        skip_invalid: True adds the valid ones and lists the others; False adds none where one is invalid.
    """

    skip_invalid: bool = False


@frozen(kw_only=True)
class RecipientQuery(Paged):
    """Which recipients are wanted.

    Args:
        state: where they stand.
        final: what became of them.
        number: their number.
        calls: with their calls.
    """

    state: RecipientState | None = None
    final: Final | None = None
    number: str | None = None
    calls: bool = False


async def _add(asked: Asked) -> Added:
    query: AddingQuery = asked.query
    return await asked.operations.recipients.add_file(
        asked.params["campaign"],
        asked.body,
        format=MEDIA[asked.media],
        skip_invalid=query.skip_invalid,
        once=asked.once,
    )


async def _list(asked: Asked) -> Page[RecipientView]:
    query: RecipientQuery = asked.query
    return await asked.operations.recipients.list(
        asked.params["campaign"],
        state=query.state,
        final=query.final,
        number=query.number,
        limit=query.limit,
        after=query.after,
        calls=query.calls,
    )


async def _get(asked: Asked) -> RecipientView:
    return await asked.operations.recipients.get(asked.params["campaign"], asked.params["number"])


async def _export(asked: Asked) -> Response:
    return CsvAnswer(recipient_rows(asked.operations, asked.params["campaign"]))


RECIPIENTS = (
    Endpoint(
        method="POST",
        path="/v1/campaigns/{campaign}/recipients",
        name="add_recipients",
        summary="Add recipients: a JSON list, JSON lines or CSV, of any length",
        handle=_add,
        query=AddingQuery,
        body=Upload(media=tuple(MEDIA), cls=RecipientSpec),
        answer=Added,
        changes=True,
        creates=True,
        conflicts=True,
    ),
    Endpoint(
        method="GET",
        path="/v1/campaigns/{campaign}/recipients",
        name="list_recipients",
        summary="List a campaign's recipients in the order of its list",
        handle=_list,
        query=RecipientQuery,
        answer=Page[RecipientView],
    ),
    Endpoint(
        method="GET",
        path="/v1/campaigns/{campaign}/recipients/{number}",
        name="get_recipient",
        summary="Show a recipient with its calls",
        handle=_get,
        answer=RecipientView,
    ),
    Endpoint(
        method="GET",
        path="/v1/campaigns/{campaign}/export",
        name="export_campaign",
        summary="Every recipient of a campaign with its calls, as CSV",
        handle=_export,
        media="text/csv",
    ),
)
