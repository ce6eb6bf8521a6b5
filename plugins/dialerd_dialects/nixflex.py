"""The dialect of Nixflex: two kinds of batch request on one path, told apart by their fields, and the launch.

`nixflex_older` and `nixflex_newer` read them, `nixflex_views` shows what became of them.
"""

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from dialerd.model.errors import Fault, InvalidInput, WrongState
from dialerd.model.settings import Settings
from dialerd.model.states import CampaignState
from dialerd.model.wording import hint
from dialerd.plugin.dialect import Answer, Campaigns, Dialect, Request, Route, Translation
from dialerd_dialects import nixflex_newer, nixflex_older, nixflex_views
from dialerd_dialects.fields import instead, json_object, renamed, told_of
from dialerd_dialects.ids import hexadecimal, unused
from dialerd_dialects.nixflex_errors import Refusal, failed, refused
from dialerd_dialects.nixflex_invalid import listed

NAME: Final = "nixflex"


def token(request: Request) -> str | None:
    """Return the key of `Authorization: Bearer KEY_ID:KEY_SECRET`, or None."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    return credential.strip() or None if scheme.lower() == "bearer" else None


async def create(request: Request, campaigns: Campaigns) -> Answer:
    """Create a batch, by whichever of the two requests it is."""
    data = _body(request)
    if nixflex_older.is_older(data):
        return await _create_older(data, request, campaigns)
    return await _create_newer(data, request, campaigns)


async def launch(request: Request, campaigns: Campaigns) -> Answer:
    """Launch a scheduled batch now; its window still holds its calls."""
    view = await campaigns.get(request.params["campaign_id"])
    if view.state not in (CampaignState.DRAFT, CampaignState.SCHEDULED):
        raise WrongState(f"campaign {view.alias} is {view.state}; only one that is scheduled can be launched")
    with told_of(view, {}):
        started = await campaigns.start(view.id)
    return Answer(status=200, body=nixflex_views.whole(started))


async def get(request: Request, campaigns: Campaigns) -> Answer:
    """Answer with a batch."""
    return Answer(status=200, body=nixflex_views.whole(await campaigns.get(request.params["campaign_id"])))


async def calls(request: Request, campaigns: Campaigns) -> Answer:
    """Answer with a page of a batch's calls."""
    asked = _Page.of(request.query)
    view = await campaigns.get(request.params["campaign_id"])
    page = await campaigns.recipients(view.id, limit=asked.limit, after=asked.after, calls=True)
    found = [call for recipient in page.items for call in nixflex_views.calls(recipient, view)]
    return Answer(status=200, body={"calls": found, "next": page.next})


def reads(data: Mapping[str, Any], settings: Settings) -> Translation | None:
    """Translate a dropped file that holds a batch request."""
    if "agent_id" not in data or not isinstance(data.get("recipients"), list) or "agent" in data:
        return None
    kind = nixflex_older if nixflex_older.is_older(data) else nixflex_newer
    alias = kind.PREFIX + hexadecimal(kind.DIGITS)
    try:
        order = kind.order_of(data, settings, alias)
    except Refusal as refusal:
        raise InvalidInput(refusal.faults) from refusal
    document = {**order.spec, "recipients": list(order.recipients)}
    return Translation(document=document, where=kind.rename, alias=alias)


def _body(request: Request) -> dict[str, Any]:
    """Return the object in a request's body; none is like an empty one, which lacks what is required.

    Raises:
        Refusal: it is none; what is neither of the two requests gets the newer one's codes.
    """
    try:
        return json_object(request.body) if request.body.strip() else {}
    except InvalidInput as error:
        raise Refusal("campaign_creation_failed", error.faults) from error


async def _create_older(data: Mapping[str, Any], request: Request, campaigns: Campaigns) -> Answer:
    # so few digits do meet: 1 in 40,000 where there are 100,000 batches
    alias = await unused(campaigns, lambda: nixflex_older.PREFIX + hexadecimal(nixflex_older.DIGITS))
    order = nixflex_older.order_of(data, campaigns.settings, alias)
    try:
        created = await campaigns.create(order, once=request.once)
    except InvalidInput as error:
        raise nixflex_older.refusal_of(renamed(error, nixflex_older.rename).faults) from error
    return Answer(status=201, body=nixflex_views.echo(created.campaign))


async def _create_newer(data: Mapping[str, Any], request: Request, campaigns: Campaigns) -> Answer:
    alias = nixflex_newer.PREFIX + hexadecimal(nixflex_newer.DIGITS)
    order = nixflex_newer.order_of(data, campaigns.settings, alias)
    entries = data["recipients"]
    people = nixflex_newer.recipients_of(entries) if order.spec["skip_invalid"] else []
    own = [fault for person in people for fault in person.faults]
    try:
        created = await campaigns.create(order, once=request.once)
    except InvalidInput as error:
        faults = renamed(error, nixflex_newer.rename).faults
        if not people or any(fault.path for fault in faults):
            raise nixflex_newer.refusal_of(faults, entries) from error
        bad = [*own, *nixflex_newer.bad_phones(people, campaigns.settings)]  # nobody is left
        counts = {"valid_count": 0, "invalid_count": len(people), "invalid": listed(bad, entries)}
        raise Refusal("invalid_phone_format", bad or faults, counts) from error
    body = {
        "campaign_id": created.campaign.alias,
        "status": created.campaign.state.value,
        "valid_count": created.recipients.added,
        "invalid_count": created.recipients.invalid_count,
        "invalid": listed(instead(created.recipients.invalid, own), entries),
    }
    if created.recipients.duplicates:
        body["duplicate_count"] = created.recipients.duplicates
    return Answer(status=201, body=body)


@frozen(kw_only=True)
class _Page:
    """Which calls are asked for."""

    limit: int = 50
    after: str | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "_Page":
        faults = [Fault(key, f"is not known{hint(key, _QUERY)}") for key in query if key not in _QUERY]
        text = query.get("limit", "50")
        limit = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0
        if not 1 <= limit <= 100:
            faults.append(Fault("limit", "must be a whole number from 1 to 100"))
        if faults:
            raise InvalidInput(faults)
        return cls(limit=limit, after=query.get("after"))


_QUERY: Final = ("limit", "after")

_BATCHES: Final = "/v1/calls/batch"

DIALECT: Final = Dialect(
    name=NAME,
    routes=(
        Route(method="POST", path=_BATCHES, handle=create, creates=True),
        Route(method="POST", path=_BATCHES + "/{campaign_id}/launch", handle=launch),
        Route(method="GET", path=_BATCHES + "/{campaign_id}", handle=get),
        Route(method="GET", path=_BATCHES + "/{campaign_id}/calls", handle=calls),
    ),
    token=token,
    refused=refused,
    failed=failed,
    reads=reads,
)
