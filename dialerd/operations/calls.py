"""Calls: listed, looked at, hung up, reported on."""

from functools import partial

import structlog
from attrs import evolve
from sqlalchemy import Connection

from dialerd.engine.live import Recall
from dialerd.model.call_view import CallResult, CallView
from dialerd.model.errors import NotFound, WrongState
from dialerd.model.instants import Instant, to_iso
from dialerd.model.page import Page
from dialerd.model.states import AttemptState, Outcome
from dialerd.model.unstructuring import unstructure
from dialerd.operations.ground import Ground
from dialerd.operations.live_view import freshened
from dialerd.operations.paging import check_limit, going_on
from dialerd.store import call_pages, notices
from dialerd.store.call_pages import StoredCall, Wanted

_LONGEST = 100  # calls of a page
_OPT_OUT = "opt-out"
_AGENT = "agent"

_log = structlog.get_logger()


class CallOperations:
    """Calls: listed, looked at, hung up, reported on.

    Args:
        ground: what it stands on.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._live = ground.engine.dispatcher.calls

    async def list(
        self,
        *,
        campaign: str | None = None,
        number: str | None = None,
        state: AttemptState | None = None,
        outcome: Outcome | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page[CallView]:
        """Return calls: newest first, of a campaign alone in the order of its recipients.

        A page looks at a bounded number of rows; it may be short, even empty, and still have a `next`.

        Args:
            campaign: id or alias; None = of all.
            number: the called one, in any form that a campaign file may use; None = any.
            state: where it stands; None = anywhere.
            outcome: how it ended; None = any, also those that go on.
            limit: how many, 1 to 100.
            after: `next` of the page before; None = the first page.

        Raises:
            NotFound: there is no such campaign.
            InvalidInput: `number`, `limit` or `after` makes no sense.
            StoreError: the store cannot be read.
        """
        wanted = Wanted(
            campaign_id=None if campaign is None else (await self._ground.campaign(campaign)).id,
            number=None if number is None else self._ground.number(number),
            state=state,
            outcome=outcome,
            phases={key: call.phase for key, call in self._live.items()} if state is not None else None,
        )
        check_limit(limit, _LONGEST)
        with going_on(after):
            found, further = await self._ground.store.read(call_pages.page, wanted, limit=limit, after=after)
        return Page(items=[freshened(stored, self._live) for stored in found], next=further)

    async def get(self, call_id: str) -> CallView:
        """Return a call as it stands at this instant.

        Raises:
            NotFound: there is none with this id.
        """
        return freshened(await self._stored(call_id), self._live)

    async def hangup(self, call_id: str) -> CallView:
        """Have a call ended; it is ended by its provider, moments after this returns.

        A person who had not answered yet is tried again as after no answer; one whose phone did not ring yet, too, and
        that call does not count. Who is not to be called any more belongs among the suppressions.

        Raises:
            NotFound: there is none with this id.
            WrongState: it is over.
        """
        stored = await self._stored(call_id)
        call = self._live.get(stored.key)
        if stored.view.ended_at is not None or call is None or call.ended:
            raise WrongState(f"call {call_id} is over; there is nothing to hang up")
        if not call.left:
            call.recalled = Recall("it was hung up before it left", call.campaign.retry.delay)
        call.hangup.set()
        _log.info("call.hung_up", call_id=call_id, campaign=stored.view.campaign_id)
        return freshened(stored, self._live)

    async def result(self, call_id: str, result: CallResult) -> CallView:
        """Keep what an agent reports of a call, while it lasts or after it; of several reports the last one stays.

        With `opt_out` the number is entered as not to be called by anybody: when this returns, nobody rings it.

        Raises:
            NotFound: there is none with this id.
            StoreError: it could not be stored.
        """
        now = self._ground.now()
        known = await self._stored(call_id)
        if result.opt_out:  # the wish to be left alone first: where the rest fails, the agent reports again
            await self._ground.engine.suppress([known.view.number], reason=_OPT_OUT, source=_AGENT)
        kept = result if result.reported_at is not None else evolve(result, reported_at=now)
        stored = await self._ground.store.write(partial(self._report, call_id=call_id, result=kept, now=now))
        if stored is None:  # it was pruned meanwhile
            raise NotFound(f"there is no call with the id {call_id!r}")
        return freshened(stored, self._live)

    def _report(self, connection: Connection, *, call_id: str, result: CallResult, now: Instant) -> StoredCall | None:
        stored = call_pages.report(connection, call_id, result)
        if stored is not None and self._ground.engine.telling.on:
            view = stored.view
            body = {"call_id": view.id, "campaign_id": view.campaign_id, "number": view.number}
            told = {**body, **unstructure(result), "reported_at": to_iso(result.reported_at or now)}
            notices.add(connection, "call.result", view.campaign_id, told, now=now)
        return stored

    async def _stored(self, call_id: str) -> StoredCall:
        stored = await self._ground.store.read(call_pages.one, call_id)
        if stored is None:
            raise NotFound(f"there is no call with the id {call_id!r}")
        return stored
