"""The batch calls system, B: batches with UUIDs that are created as drafts, get contacts, and are then scheduled.

What the captured document leaves open is settled in docs/dialects-batch-calls.md.
"""

from collections.abc import Mapping
from typing import Any, Final

import trio

from dialerd.model.campaign_view import CampaignView
from dialerd.model.errors import Fault, InvalidInput, NotFound, WrongState
from dialerd.model.settings import Settings
from dialerd.model.states import CampaignState
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
from dialerd_dialects.batch_calls_contacts import from_list, of_folder, sent
from dialerd_dialects.batch_calls_request import NAME, NAMES, changed, kept, read, spec_of
from dialerd_dialects.fields import json_object

_LIMIT: Final = 50
_MAX_LIMIT: Final = 100

_C = CampaignState


async def _list(request: Request, campaigns: Campaigns) -> Answer:
    query = request.query
    limit, offset = _count(query, "limit", _LIMIT, 1, _MAX_LIMIT), _count(query, "offset", 0, 0, 2**31)
    status = query.get("status")
    if status is not None and status not in STATUSES:
        raise InvalidInput([Fault("status", f"must be one of {', '.join(STATUSES)}")])
    found = await campaigns.list(
        dialect=NAME,
        agent=query.get("agent_id"),
        states=() if status is None else STATUSES[status],
        limit=limit,
        offset=offset,
    )
    return page(request, found.items, limit=limit, offset=offset, total=found.total or 0)


async def _get(request: Request, campaigns: Campaigns) -> Answer:
    return one(request, batch(await _own(request, campaigns)))


async def _create(request: Request, campaigns: Campaigns) -> Answer:
    data = _body(request)
    contacts = data.pop("contacts", None)
    wanted = read(data, campaigns.settings)
    recipients: list[Any] = []
    if contacts is not None:
        if not isinstance(contacts, list):
            raise InvalidInput([Fault("contacts", "must be a list of contacts")])
        recipients = from_list(contacts)
    elif wanted.contact_source == "folder" and wanted.contact_folder_id is not None:
        recipients = await trio.to_thread.run_sync(of_folder, wanted.contact_folder_id, campaigns.settings)
    order = Order(spec=spec_of(wanted), recipients=recipients, draft=True, dialect=NAME, extra={"batch": kept(wanted)})
    created = await campaigns.create(order, once=request.once)
    return one(request, batch(created.campaign), 201)


async def _update(request: Request, campaigns: Campaigns) -> Answer:
    view = await _own(request, campaigns)
    _must_be(view, "changed", _C.DRAFT)
    wanted = changed(view.extra.get("batch", {}), _body(request), campaigns.settings)
    spec = {"start": None, **spec_of(wanted)}
    return one(request, batch(await campaigns.update(view.id, spec, extra={"batch": kept(wanted)})))


async def _delete(request: Request, campaigns: Campaigns) -> Answer:
    view = await _own(request, campaigns)
    await campaigns.delete(view.id)
    return Answer(status=204)


async def _add(request: Request, campaigns: Campaigns) -> Answer:
    view = await _own(request, campaigns)
    recipients = sent(request.body, request.headers.get("content-type", ""))
    added = await campaigns.add_recipients(view.id, recipients, once=request.once)
    total = (await campaigns.get(view.id)).counters.total
    return one(request, {"id": view.id, "added": added.added, "duplicates": added.duplicates, "total": total}, 201)


async def _schedule(request: Request, campaigns: Campaigns) -> Answer:
    view = await _own(request, campaigns)
    _must_be(view, "scheduled", _C.DRAFT)
    if not view.counters.total:
        raise NoContacts("the batch has no contacts; add them with POST /batch-calls/{id}/contacts")
    if agent_name(view.spec.agent, campaigns.settings) is None:
        raise InvalidInput([Fault("agent_id", "is no agent that is active here; configure it again")])
    release = campaigns.start if view.spec.start is None else campaigns.schedule
    return one(request, batch(await release(view.id)))


async def _pause(request: Request, campaigns: Campaigns) -> Answer:
    view = await _own(request, campaigns)
    _must_be(view, "paused", _C.RUNNING, _C.SCHEDULED)
    return one(request, batch(await campaigns.pause(view.id)))


async def _resume(request: Request, campaigns: Campaigns) -> Answer:
    view = await _own(request, campaigns)
    _must_be(view, "resumed", _C.PAUSED)
    return one(request, batch(await campaigns.resume(view.id)))


async def _own(request: Request, campaigns: Campaigns) -> CampaignView:
    """Return the batch that a path names."""
    name = request.params["id"]
    view = await campaigns.get(name)
    if view.dialect != NAME:
        raise NotFound(f"there is no batch call with the id {name!r}")
    return view


def _must_be(view: CampaignView, done: str, *states: CampaignState) -> None:
    if view.state not in states:
        wanted = " or ".join(status for status, known in STATUSES.items() if known[0] in states)
        raise WrongState(f"only a batch in status {wanted} can be {done}; this one is {status_of(view)}")


def _body(request: Request) -> dict[str, Any]:
    try:
        return json_object(request.body)
    except InvalidInput as error:
        raise Malformed(error.faults) from error


def _count(query: Mapping[str, str], key: str, default: int, least: int, most: int) -> int:
    text = query.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and least <= int(text) <= most):
        raise InvalidInput([Fault(key, f"must be a whole number from {least} to {most}")])
    return int(text)


def _token(request: Request) -> str | None:
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credential.strip():
        return credential.strip()
    return request.headers.get("x-api-key") or None


def _reads(data: Mapping[str, Any], settings: Settings) -> Translation | None:
    """Return what a dropped file stands for: with contacts it is dialled, without it waits for them as a draft."""
    if not ({"name", "agent_id"} <= data.keys() and not data.keys() & {"tasks", "recipients", "from_number"}):
        return None
    body = dict(data)
    contacts = body.pop("contacts", None)
    wanted = read(body, settings)
    if wanted.contact_source == "folder" and contacts is None:
        recipients = of_folder(wanted.contact_folder_id or "", settings)
    elif contacts is None or isinstance(contacts, list):
        recipients = from_list(contacts or ())
    else:
        raise InvalidInput([Fault("contacts", "must be a list of contacts")])
    return Translation(
        document={**spec_of(wanted), "recipients": recipients},
        where=NAMES,
        draft=not recipients,
        dialect=NAME,
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
