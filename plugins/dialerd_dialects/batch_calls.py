"""The batch calls system, B: batches with UUIDs that are created as drafts, get contacts, and are then scheduled.

What the captured document leaves open is settled in docs/dialects-batch-calls.md.
"""

from collections.abc import Mapping
from typing import Any, Final

import trio

from dialerd.model.campaign_view import CampaignView
from dialerd.model.errors import Fault, InvalidInput, WrongState
from dialerd.model.settings import Settings
from dialerd.model.states import CampaignState
from dialerd.model.wording import hint
from dialerd.plugin.dialect import Answer, Campaigns, Dialect, Order, Request, Route, Translation
from dialerd.rules.routes import agent_name
from dialerd_dialects.batch_calls_answers import (
    STATUSES,
    Malformed,
    NoContacts,
    batch,
    failed,
    one,
    page,
    refused,
    status_of,
)
from dialerd_dialects.batch_calls_contacts import Contacts, from_list, of_folder, sent
from dialerd_dialects.batch_calls_request import NAME, NAMES, Batch, changed, kept, no_number, reading, spec_of
from dialerd_dialects.fields import json_object, renamed

_LIMIT: Final = 50
_LIMITS: Final = range(1, 101)
_OFFSETS: Final = range(2**31)
_QUERY: Final = ("agent_id", "status", "limit", "offset")

_C = CampaignState


async def _list(request: Request, campaigns: Campaigns) -> Answer:
    query = request.query
    faults = [Fault(key, f"is not a known parameter{hint(key, _QUERY)}") for key in query if key not in _QUERY]
    limit = _count(query.get("limit", str(_LIMIT)))
    if limit not in _LIMITS:
        faults.append(Fault("limit", f"must be a whole number from {_LIMITS[0]} to {_LIMITS[-1]}"))
    offset = _count(query.get("offset", "0"))
    if offset not in _OFFSETS:
        faults.append(Fault("offset", f"must be a whole number from {_OFFSETS[0]} to {_OFFSETS[-1]}"))
    if (status := query.get("status")) is not None and status not in STATUSES:
        faults.append(Fault("status", f"must be one of {', '.join(STATUSES)}"))
    if faults:
        raise InvalidInput(faults)
    states = () if status is None else STATUSES[status]
    found = await campaigns.list(agent=query.get("agent_id"), states=states, limit=limit, offset=offset)
    return page(request, found.items, limit=limit, offset=offset, total=found.total or 0)


async def _get(request: Request, campaigns: Campaigns) -> Answer:
    return one(request, batch(await campaigns.get(request.params["id"])))


async def _create(request: Request, campaigns: Campaigns) -> Answer:
    data = _body(request)
    wanted, contacts = await trio.to_thread.run_sync(_ordered, data, campaigns.settings)
    order = Order(spec=spec_of(wanted), recipients=contacts.rows, draft=True, extra={"batch": kept(wanted)})
    try:
        created = await campaigns.create(order, once=request.once)
    except InvalidInput as error:
        raise InvalidInput(contacts.placed(renamed(error, NAMES).faults)) from error
    return one(request, batch(created.campaign), 201)


async def _update(request: Request, campaigns: Campaigns) -> Answer:
    view = await campaigns.get(request.params["id"])
    _must_be(view, "changed", _C.DRAFT)
    wanted = changed(view.extra.get("batch", {}), _body(request), campaigns.settings)
    spec = {"start": None, **spec_of(wanted)}
    return one(request, batch(await campaigns.update(view.id, spec, extra={"batch": kept(wanted)})))


async def _delete(request: Request, campaigns: Campaigns) -> Answer:
    view = await campaigns.get(request.params["id"])
    if view.state in (_C.SCHEDULED, _C.RUNNING, _C.PAUSED):
        remedy = f'end this one, which is {status_of(view)}, with "dialerctl campaign cancel {view.id}"'
        raise WrongState(f"only a draft, or a batch that is over, can be deleted; {remedy}")
    await campaigns.delete(view.id)
    return Answer(status=204)


async def _add(request: Request, campaigns: Campaigns) -> Answer:
    view = await campaigns.get(request.params["id"])
    contacts = sent(request.body, request.headers.get("content-type", ""))
    if faults := contacts.judged((), campaigns.settings):
        raise InvalidInput(faults)
    try:
        added = await campaigns.add_recipients(view.id, contacts.rows, once=request.once)
    except InvalidInput as error:
        raise InvalidInput(contacts.placed(renamed(error, NAMES).faults)) from error
    total = (await campaigns.get(view.id)).counters.total
    return one(request, {"id": view.id, "added": added.added, "duplicates": added.duplicates, "total": total}, 201)


async def _schedule(request: Request, campaigns: Campaigns) -> Answer:
    view = await campaigns.get(request.params["id"])
    _must_be(view, "scheduled", _C.DRAFT)
    if not view.counters.total:
        raise NoContacts("the batch has no contacts; add them with POST /batch-calls/{id}/contacts")
    if agent_name(view.spec.agent, campaigns.settings) is None:
        raise InvalidInput([Fault("agent_id", "is no agent that is active here; configure it again")])
    if (fault := no_number(view.spec.agent, view.spec.caller_ids, campaigns.settings)) is not None:
        raise InvalidInput([fault])
    release = campaigns.start if view.spec.start is None else campaigns.schedule
    return one(request, batch(await release(view.id)))


async def _pause(request: Request, campaigns: Campaigns) -> Answer:
    view = await campaigns.get(request.params["id"])
    _must_be(view, "paused", _C.RUNNING, _C.SCHEDULED)
    return one(request, batch(await campaigns.pause(view.id)))


async def _resume(request: Request, campaigns: Campaigns) -> Answer:
    view = await campaigns.get(request.params["id"])
    _must_be(view, "resumed", _C.PAUSED)
    return one(request, batch(await campaigns.resume(view.id)))


def _must_be(view: CampaignView, done: str, *states: CampaignState) -> None:
    if view.state not in states:
        wanted = " or ".join(status for status, known in STATUSES.items() if known[0] in states)
        raise WrongState(f"only a batch in status {wanted} can be {done}; this one is {status_of(view)}")


def _body(request: Request) -> dict[str, Any]:
    try:
        return json_object(request.body)
    except InvalidInput as error:
        raise Malformed(error.faults) from error


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else -1


def _ordered(data: Mapping[str, Any], settings: Settings) -> tuple[Batch, Contacts]:
    """Return a body and the contacts that it brings or names. Reads a folder: call it in a thread.

    Raises:
        InvalidInput: with every fault.
    """
    body = dict(data)
    listed = body.pop("contacts", None)
    found, contacts = reading(body, settings), Contacts()
    wanted = found.record
    try:
        if listed is not None:
            contacts = from_list(listed)
        elif wanted.contact_source == "folder" and wanted.contact_folder_id is not None:
            contacts = of_folder(wanted.contact_folder_id, settings)
    except InvalidInput as error:
        raise InvalidInput([*found.faults, *error.faults]) from error
    if faults := contacts.judged(found.faults, settings):
        raise InvalidInput(faults)
    return wanted, contacts


def _token(request: Request) -> str | None:
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credential.strip():
        return credential.strip()
    return request.headers.get("x-api-key") or None


def _reads(data: Mapping[str, Any], settings: Settings) -> Translation | None:
    """Return what a dropped file stands for: with contacts it is dialled, without it waits for them as a draft."""
    if not ({"name", "agent_id"} <= data.keys() and not data.keys() & {"tasks", "recipients", "from_number"}):
        return None
    wanted, contacts = _ordered(data, settings)
    return Translation(
        document={**spec_of(wanted), "recipients": contacts.rows},
        where=lambda path: contacts.named(NAMES(path)),
        draft=not contacts.rows,
        extra={"batch": kept(wanted)},
    )


DIALECT: Final = Dialect(
    name=NAME,
    routes=(
        Route(method="GET", path="/batch-calls", handle=_list),
        Route(method="POST", path="/batch-calls", handle=_create, creates=True),
        Route(method="GET", path="/batch-calls/{id}", handle=_get),
        Route(method="PATCH", path="/batch-calls/{id}", handle=_update),
        Route(method="PUT", path="/batch-calls/{id}", handle=_update),
        Route(method="DELETE", path="/batch-calls/{id}", handle=_delete),
        Route(method="POST", path="/batch-calls/{id}/contacts", handle=_add, creates=True),
        Route(method="POST", path="/batch-calls/{id}/schedule", handle=_schedule),
        Route(method="POST", path="/batch-calls/{id}/pause", handle=_pause),
        Route(method="POST", path="/batch-calls/{id}/resume", handle=_resume),
    ),
    token=_token,
    refused=refused,
    failed=failed,
    reads=_reads,
)
