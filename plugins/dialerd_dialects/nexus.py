"""The dialect of Nexus: batches that are created, filled, started, changed and listed.

`nexus_request` and `nexus_contacts` read them. Every answer is an envelope of `message`, `status`, `code`,
`errorMessage` and `data`.
"""

from collections.abc import Mapping
from typing import Any, Final

from dialerd.model.campaign_view import CampaignView
from dialerd.model.errors import Fault, InvalidInput, KeyReused, NotFound, StoreError, TooLarge, WrongState
from dialerd.model.settings import Settings
from dialerd.model.wording import hint, shown
from dialerd.plugin.dialect import Answer, Campaigns, Dialect, Order, Request, Route, Translation
from dialerd_dialects.fields import in_words, json_object, renamed
from dialerd_dialects.ids import hexadecimal, unused
from dialerd_dialects.instants import whole_seconds
from dialerd_dialects.nexus_contacts import recipients_of
from dialerd_dialects.nexus_request import changes_of, rename, shape, spec_of

NAME: Final = "nexus"
DIGITS: Final = 24

_PAGE: Final = 100
_MOST: Final = 1_000  # batches that one list shows, the latest


def token(request: Request) -> str | None:
    """Return the key of `x-api-key`, or else of `Authorization: Bearer`, or None."""
    if key := request.headers.get("x-api-key", "").strip():
        return key
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    return credential.strip() or None if scheme.lower() == "bearer" else None


async def create(request: Request, campaigns: Campaigns) -> Answer:
    """Create a batch, to be filled and started later."""
    spec = spec_of(json_object(request.body), campaigns.settings)
    alias = await unused(campaigns, lambda: hexadecimal(DIGITS))
    order = Order(spec=spec, draft=True, alias=alias, dialect=NAME)
    try:
        created = await campaigns.create(order, once=request.once)
    except InvalidInput as error:
        raise renamed(error, rename) from error
    return _done(201, "Batch created successfully", created.campaign.alias)


async def batches(request: Request, campaigns: Campaigns) -> Answer:
    """Answer with the latest batches; the daemon is one workspace, whose batches every user sees."""
    found: list[CampaignView] = []
    for offset in range(0, _MOST, _PAGE):
        page = await campaigns.list(dialect=NAME, limit=_PAGE, offset=offset)
        found += page.items
        if len(page.items) < _PAGE:
            break
    return _done(200, "Batches fetched successfully", [_shown(view) for view in found])


async def add(request: Request, campaigns: Campaigns) -> Answer:
    """Add contacts to a batch: all of them, or none where one is invalid and `skipInvalid` is not asked for."""
    data = json_object(request.body)
    view = await _own(request, data, campaigns, {"contacts", "skipInvalid"})
    skip = data.get("skipInvalid", False)
    if not isinstance(skip, bool):
        raise InvalidInput([Fault("skipInvalid", "must be true or false")])
    recipients = recipients_of(data.get("contacts"))
    try:
        added = await campaigns.add_recipients(view.id, recipients, skip_invalid=skip, once=request.once)
    except InvalidInput as error:
        raise renamed(error, rename) from error
    invalid = [{"contact": rename(fault.path), "reason": fault.message} for fault in added.invalid]
    body = {
        "batchId": view.alias,
        "added": added.added,
        "duplicates": added.duplicates,
        "invalidCount": added.invalid_count,
        "invalid": invalid,
    }
    return _done(201, "Contacts added successfully", body)


async def start(request: Request, campaigns: Campaigns) -> Answer:
    """Start dialling a batch; calling hours and allowed days hold its calls."""
    data = json_object(request.body) if request.body.strip() else {}
    view = await _own(request, data, campaigns, set())
    return _done(200, "Batch started successfully", _shown(await campaigns.start(view.id)))


async def update(request: Request, campaigns: Campaigns) -> Answer:
    """Change a batch."""
    data = json_object(request.body)
    view = await _own(request, data, campaigns, None)
    given = {name: value for name, value in data.items() if name != "batchId"}
    if not given:
        raise InvalidInput([Fault("", "changes nothing; send the fields to change")])
    changes = changes_of(given, view.spec, campaigns.settings)
    try:
        changed = await campaigns.update(view.id, changes)
    except InvalidInput as error:
        raise renamed(error, rename) from error
    return _done(200, "Batch updated successfully", _shown(changed))


def refused(_request: Request, wrong: bool) -> Answer:
    """Answer a request whose key is missing or, if `wrong`, not accepted."""
    message = "the API key is not known" if wrong else "send x-api-key, or Authorization: Bearer"
    return _failed(403, "Forbidden", message)


def failed(request: Request, error: Exception) -> Answer:
    """Answer a request whose handling raised `error`."""
    match error:
        case TooLarge():
            return _failed(413, "Payload Too Large", str(error))
        case InvalidInput():
            return _failed(400, "Bad Request", in_words(error))
        case KeyReused():
            return _failed(422, "Unprocessable Entity", str(error))
        case NotFound():
            return _failed(404, "Not Found", str(error))
        case WrongState():
            return _failed(409, "Conflict", str(error))
        case StoreError():
            message = f"{error}; request {request.request_id}"
        case _:
            message = f"something went wrong here; the log says what under request {request.request_id}"
    return _failed(500, "Internal Server Error", message, {"requestId": request.request_id})


def reads(data: Mapping[str, Any], settings: Settings) -> Translation | None:
    """Translate a dropped file that holds a request for a new batch: a draft, as it has no contacts."""
    if "batchName" not in data or "callingNumbers" not in data:
        return None
    document = spec_of(data, settings)
    return Translation(document=document, where=rename, draft=True, alias=hexadecimal(DIGITS), dialect=NAME)


async def _own(request: Request, data: Mapping[str, Any], campaigns: Campaigns, known: set[str] | None) -> CampaignView:
    """Return the batch that the path or `batchId` in the body names.

    Args:
        request: the request.
        data: its body.
        campaigns: among which it is.
        known: further fields that the body may hold; None = they are judged elsewhere.

    Raises:
        InvalidInput: no batch is named, or there are unknown fields.
        NotFound: there is none, or it is another dialect's.
    """
    faults = []
    if known is not None:
        names = known | {"batchId"}
        faults += [Fault(key, f"is not known{hint(key, names)}") for key in data if key not in names]
    name = request.params.get("batchId") or data.get("batchId")
    if not isinstance(name, str) or not name:
        faults.append(Fault("batchId", "is required"))
    elif data.get("batchId", name) != name:
        faults.append(Fault("batchId", "is another one than the path's"))
    if faults:
        raise InvalidInput(faults)
    view = await campaigns.get(str(name))
    if view.dialect != NAME:
        raise NotFound(f"there is no batch {shown(str(name))}; it was not created by this request")
    return view


def _shown(view: CampaignView) -> dict[str, Any]:
    counters = view.counters
    return {
        "batchId": view.alias,
        **shape(view.spec),
        "timezone": view.timezone,
        "status": view.state.value,
        "totalContacts": counters.total,
        "pendingContacts": counters.pending,
        "completedContacts": sum(counters.done.values()),
        "totalCalls": counters.calls,
        "createdAt": whole_seconds(view.created_at),
    }


def _done(code: int, message: str, data: Any) -> Answer:
    return _envelope(code, message, data=data, status=True)


def _failed(code: int, message: str, error: str, data: Any = None) -> Answer:
    return _envelope(code, message, error=error, data=data, status=False)


def _envelope(code: int, message: str, *, status: bool, error: str = "", data: Any = None) -> Answer:
    body = {"message": message, "status": status, "code": code, "errorMessage": error, "data": data}
    return Answer(status=code, body=body)


_CALL: Final = "/api/call"

DIALECT: Final = Dialect(
    name=NAME,
    routes=(
        Route(method="POST", path=f"{_CALL}/createBatch", handle=create, creates=True),
        Route(method="GET", path=f"{_CALL}/batches/{{userId}}", handle=batches),
        Route(method="POST", path=f"{_CALL}/addContacts", handle=add, creates=True),
        Route(method="POST", path=f"{_CALL}/addContacts/{{batchId}}", handle=add, creates=True),
        Route(method="POST", path=f"{_CALL}/startBatch", handle=start),
        Route(method="POST", path=f"{_CALL}/startBatch/{{batchId}}", handle=start),
        *(
            Route(method=method, path=f"{_CALL}/updateBatch{place}", handle=update)
            for method in ("PUT", "PATCH", "POST")
            for place in ("", "/{batchId}")
        ),
    ),
    token=token,
    refused=refused,
    failed=failed,
    reads=reads,
)
