"""The dialect of Nexus: batches that are created, filled, started, changed and listed.

`nexus_request` and `nexus_contacts` read them. Every answer is an envelope of `message`, `status`, `code`,
`errorMessage` and `data`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from dialerd.model.campaign_view import CampaignView
from dialerd.model.errors import Fault, InvalidInput, KeyReused, NotFound, StoreError, TooLarge, WrongState
from dialerd.model.settings import Settings
from dialerd.model.states import CampaignState
from dialerd.model.wording import hint
from dialerd.plugin.dialect import Answer, Campaigns, Dialect, NotAllowed, Order, Request, Route, Translation
from dialerd_dialects.fields import in_words, instead, json_object, renamed, reworded, told_of
from dialerd_dialects.ids import hexadecimal
from dialerd_dialects.instants import whole_seconds
from dialerd_dialects.nexus_contacts import FIELDS, contacts_of
from dialerd_dialects.nexus_request import TOGETHER, changes_of, faults_of_change, rename, shape, spec_of

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
    order = Order(spec=spec, draft=True, alias=hexadecimal(DIGITS))
    try:
        created = await campaigns.create(order, once=request.once)
    except InvalidInput as error:
        raise renamed(error, rename) from error
    return _done(201, "Batch created successfully", created.campaign.alias)


async def batches(request: Request, campaigns: Campaigns) -> Answer:
    """Answer with the latest batches; the daemon is one workspace, whose batches every user sees."""
    found: list[CampaignView] = []
    for offset in range(0, _MOST, _PAGE):
        page = await campaigns.list(limit=_PAGE, offset=offset)
        found += page.items
        if len(page.items) < _PAGE:
            break
    return _done(200, "Batches fetched successfully", [_shown(view) for view in found])


async def add(request: Request, campaigns: Campaigns) -> Answer:
    """Add contacts to a batch: all of them, or none where one is invalid and `skipInvalid` is not asked for."""
    data = json_object(request.body)
    contacts, faults = contacts_of(data, campaigns.settings.daemon.default_region)
    view = await _own(request, data, campaigns, [*_unknown(data, FIELDS), *faults])
    try:
        with told_of(view, _WORDS):
            added = await campaigns.add_recipients(
                view.id, contacts.recipients, skip_invalid=contacts.skip, once=request.once
            )
    except InvalidInput as error:
        raise renamed(error, rename) from error
    left_out = instead(renamed(InvalidInput(added.invalid), rename).faults, contacts.faults)
    invalid = [{"contact": fault.path, "reason": reworded(fault.message, _WORDS)} for fault in left_out]
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
    view = await _own(request, data, campaigns, _unknown(data, ()))
    if view.state not in (CampaignState.DRAFT, CampaignState.SCHEDULED):
        raise WrongState(f"batch {view.alias} is {view.state}; it was started already")
    with told_of(view, _WORDS):
        started = await campaigns.start(view.id)
    return _done(200, "Batch started successfully", _shown(started))


async def update(request: Request, campaigns: Campaigns) -> Answer:
    """Change a batch."""
    data = json_object(request.body)
    given = {name: value for name, value in data.items() if name != "batchId"}
    view = await _own(request, data, campaigns, faults_of_change(given, campaigns.settings))
    if view.state is not CampaignState.DRAFT and (kept := [name for name in given if name not in TOGETHER]):
        raise WrongState(f"batch {view.alias} is {view.state} and keeps its {', '.join(kept)}")
    changes = changes_of(given, view.spec, campaigns.settings)
    try:
        with told_of(view, _WORDS):
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
            return _failed(400, "Bad Request", reworded(in_words(error), _WORDS))
        case KeyReused():
            return _failed(422, "Unprocessable Entity", str(error))
        case NotFound():
            return _failed(404, "Not Found", reworded(str(error), _WORDS))
        case NotAllowed():
            return _failed(error.status, "Not Allowed", str(error))
        case WrongState():
            return _failed(409, "Conflict", str(error))
        case StoreError():
            message = f"{error}; request {request.request_id}"
        case _:
            message = f"something went wrong here; the log says what under request {request.request_id}"
    return _failed(500, "Internal Server Error", message, {"requestId": request.request_id})


def reads(data: Mapping[str, Any], settings: Settings) -> Translation | None:
    """Translate a dropped file: a request for a new batch, which is a draft unless the file has its contacts, too."""
    if "batchName" not in data or "callingNumbers" not in data:
        return None
    batch = {name: value for name, value in data.items() if name not in FIELDS}
    draft = all(data.get(name) is None for name in FIELDS)
    contacts, faults = (None, []) if draft else contacts_of(data, settings.daemon.default_region)
    try:
        document = spec_of(batch, settings)
    except InvalidInput as error:
        raise InvalidInput([*error.faults, *faults]) from error
    if faults:
        raise InvalidInput(faults)
    if contacts is not None:
        document |= {"recipients": contacts.recipients, "skip_invalid": contacts.skip}
    return Translation(document=document, where=rename, draft=draft, alias=hexadecimal(DIGITS))


def _unknown(data: Mapping[str, Any], names: Iterable[str]) -> list[Fault]:
    known = {*names, "batchId"}
    return [Fault(key, f"is not a known field{hint(key, known)}") for key in data if key not in known]


async def _own(
    request: Request, data: Mapping[str, Any], campaigns: Campaigns, faults: Iterable[Fault]
) -> CampaignView:
    """Return the batch that the path or `batchId` in the body names.

    Args:
        request: the request.
        data: its body.
        campaigns: among which it is.
        faults: what else is wrong with the body.

    Raises:
        InvalidInput: no batch is named, or there are other faults.
        NotFound: there is none.
    """
    faults = [*faults]
    name = request.params.get("batchId") or data.get("batchId")
    if not isinstance(name, str) or not name:
        faults.append(Fault("batchId", "is required"))
    elif data.get("batchId", name) != name:
        faults.append(Fault("batchId", "is another one than the path's"))
    if faults:
        raise InvalidInput(faults)
    return await campaigns.get(str(name))


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


_WORDS: Final = {"campaign": "batch", "campaigns": "batches", "recipients": "contacts", "recipient": "contact"}
"""What dialerd says, and what it is called here."""

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
