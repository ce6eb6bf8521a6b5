"""Campaigns: created, looked at, changed, moved from state to state, deleted.

What is answered has happened: a campaign that was created is being dialled, no call of one that was paused leaves any
more, and a changed window holds the very next call.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog
import trio
from attrs import evolve
from sqlalchemy import Connection

from dialerd.engine.campaign import LiveCampaign
from dialerd.engine.notices import tell_campaign
from dialerd.intake.terms import Terms
from dialerd.model.call_view import RecipientView
from dialerd.model.campaign_view import Added, CampaignView, Created
from dialerd.model.errors import Fault, InvalidInput, NotFound, WrongState
from dialerd.model.once import Once
from dialerd.model.page import Page
from dialerd.model.settings import Settings
from dialerd.model.states import CampaignState
from dialerd.operations.campaign_views import view_of
from dialerd.operations.changing import changed
from dialerd.operations.creation import Creation
from dialerd.operations.ground import Ground, no_campaign
from dialerd.operations.paging import limit_faults, place_fault
from dialerd.operations.recipients import RecipientOperations
from dialerd.plugin.dialect import Order
from dialerd.rules import lifecycle
from dialerd.rules.routes import agent_name
from dialerd.store import adding, campaign_pages, campaigns, reports
from dialerd.store.campaign_pages import Filter
from dialerd.store.records import CampaignRow
from dialerd.store.scanning import BadCursor, cursor_of, place_of

MOST: Final = 100
"""Campaigns of a page."""

_ENDS_S: Final = 2.0  # how long is waited for a cancelled campaign to end where nothing holds it up

_log = structlog.get_logger()


class CampaignOperations:
    """What may be asked of campaigns; see `dialerd.plugin.dialect.Campaigns`, which this is.

    Args:
        ground: what it stands on.
        recipients: what may be asked of recipients.
    """

    def __init__(self, ground: Ground, recipients: RecipientOperations) -> None:
        self._ground = ground
        self._recipients = recipients
        self._creation = Creation(ground)
        self._changing = trio.Lock()  # who changes a campaign has read what it changes; held for moments only

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._ground.settings()

    async def uid(self, campaign: str) -> str:
        """Return the id of the campaign with this id or alias.

        Raises:
            NotFound: there is none.
        """
        return (await self._ground.campaign(campaign)).uid

    async def create(self, order: Order, *, once: Once | None = None) -> Created:
        """Store a campaign whole or not at all. With a `once` that was used before, the campaign made then returns.

        Raises:
            InvalidInput, WrongState, KeyReused, StoreError: see `create_document`; an alias that another campaign has
                is a `WrongState`, too.
        """
        return await self._creation.order(order, once)

    async def create_document(
        self, document: bytes | Path, *, draft: bool | None = None, launch: bool = False, once: Once | None = None
    ) -> Created:
        """Store the campaign of a document: the keys of a campaign file, `recipients`, and perhaps a `state`.

        Args:
            document: JSON text, or the file that holds it.
            draft: it waits until it is scheduled; None = as its `state` says, which is `scheduled` where it says none.
            launch: it is running from the moment of its creation, whatever its start says.
            once: makes it happen once.

        Raises:
            InvalidInput: with its faults, the first 1,000 of them; nothing is stored.
            KeyReused: what `once` stands for was another request.
            StoreError: it could not be stored now; nothing is.
        """
        terms = Terms(draft=draft, launch=launch)
        return await self._creation.document(document, terms, once)

    async def get(self, campaign: str) -> CampaignView:
        """Return a campaign.

        Raises:
            NotFound: there is none with this id or alias.
        """
        listed = await self._ground.store.read(campaign_pages.one_by_name, campaign)
        if listed is None:
            raise no_campaign(campaign)
        return view_of(listed, self._ground.now())

    async def list(
        self,
        *,
        dialect: str | None = None,
        agent: str | None = None,
        states: Sequence[CampaignState] = (),
        name: str | None = None,
        limit: int = 50,
        offset: int = 0,
        after: str | None = None,
    ) -> Page[CampaignView]:
        """Return campaigns, latest first, with their total; what is None or empty does not filter.

        Args:
            dialect: in which they were ordered.
            agent: name or id of their agent.
            states: any of them.
            name: their name, to the letter.
            limit: how many, 1 to `MOST`.
            offset: how many are passed over.
            after: `next` of the page before; the filters must be the same.

        Raises:
            InvalidInput: `limit`, `offset` or `after` makes no sense.
        """
        faults = limit_faults(limit, MOST)
        if not 0 <= offset < 2**31:
            faults.append(Fault("offset", f"{offset} is not between 0 and {2**31 - 1}"))
        try:
            (before,) = place_of(after, 1) or (None,)
        except BadCursor:
            faults.append(place_fault(after or ""))
        if faults:
            raise InvalidInput(faults)
        wanted = Filter(dialect=dialect, agents=self._agents(agent), states=tuple(states), name=name)
        found, total = await self._ground.store.read(
            campaign_pages.page, wanted, limit=limit + 1, offset=offset, before=before
        )
        now = self._ground.now()
        items = tuple(view_of(listed, now) for listed in found[:limit])
        return Page(items=items, next=cursor_of(found[limit - 1].row.id) if len(found) > limit else None, total=total)

    async def update(
        self, campaign: str, changes: Mapping[str, Any], *, extra: Mapping[str, Any] | None = None
    ) -> CampaignView:
        """Change keys of a campaign's spec: in draft all, later pacing, windows, retry and end.

        Raises:
            NotFound: there is none with this id or alias.
            InvalidInput: with everything that is wrong with what would come out; nothing is changed.
            WrongState: it is over, or the keys that are named cannot be changed any more.
            StoreError: it could not be stored now; nothing is changed.
        """
        async with self._changing:
            row, live = await self._with_life(campaign)
            if row.state in (CampaignState.COMPLETED, CampaignState.CANCELLED):
                raise WrongState(f"campaign {row.uid} is {row.state}: what is over cannot be changed")
            wanted = changed(row, changes, self.settings, self._ground.now())
            if extra is not None:
                wanted = evolve(wanted, extra=dict(extra))
            with trio.CancelScope(shield=True):
                if live is not None:
                    await self._ground.engine.steering.change(live, wanted)
                elif not await self._ground.store.write(
                    campaigns.change, wanted, expected=(CampaignState.DRAFT,), now=self._ground.now()
                ):
                    raise WrongState(f"campaign {row.uid} is no draft any more; try again")
        if live is not None and wanted.spec.retry != row.spec.retry:
            await self._ground.engine.steering.rejudge(live)
        return await self._view(row.id, campaign)

    async def delete(self, campaign: str) -> None:
        """Delete a draft, or a campaign that is over; nobody sees it any more from then on.

        The calls of one that is over still count for the people who were called, as long as any rest or cap looks back:
        its rows leave the store eight days after its end.

        Raises:
            NotFound: there is none with this id or alias.
            WrongState: it is neither.
            StoreError: it could not be deleted now.
        """
        _, live = await self._with_life(campaign)
        if live is not None and live.state is CampaignState.CANCELLED:
            with trio.move_on_after(_ENDS_S):
                await live.ended.wait()
        async with self._changing:
            row, _ = await self._with_life(campaign)
            hidden = await self._ground.store.write(campaigns.hide, row.id)
        if hidden is None:
            now = "its last calls are still on" if row.state is CampaignState.CANCELLED else "cancel it first"
            raise WrongState(f"campaign {row.uid} is {row.state}: only a draft or what is over can be deleted; {now}")
        _log.info("campaign.deleted", campaign=row.uid, name=row.spec.name)
        if hidden is CampaignState.DRAFT:
            while await self._ground.store.write_bulk(campaigns.discard_some, row.id):
                _log.debug("campaign.chunk_deleted", campaign=row.uid)

    async def schedule(self, campaign: str) -> CampaignView:
        """Release a draft that has recipients; it starts when its start says.

        Raises:
            NotFound: there is none with this id or alias.
            InvalidInput: it cannot be dialled as it stands: its end has passed, its agent is gone.
            WrongState: it is no draft, or has no recipients.
        """
        async with self._changing:
            row, _ = await self._with_life(campaign)
            lifecycle.check(row.state, CampaignState.SCHEDULED)
            await self._release(row, CampaignState.SCHEDULED)
        return await self._view(row.id, campaign)

    async def start(self, campaign: str) -> CampaignView:
        """Launch a draft or a scheduled campaign now, whatever its start says; windows still hold its calls.

        Raises:
            NotFound, InvalidInput, WrongState: see `schedule`.
        """
        async with self._changing:
            row, live = await self._with_life(campaign)
            lifecycle.check(row.state, CampaignState.RUNNING)
            if live is None:
                await self._release(row, CampaignState.RUNNING)
            else:
                with trio.CancelScope(shield=True):
                    await self._ground.engine.steering.launch(row.uid)
        return await self._view(row.id, campaign)

    async def pause(self, campaign: str) -> CampaignView:
        """Hold a campaign: when this returns, no call of it leaves any more; calls in progress go on.

        Raises:
            NotFound: there is none with this id or alias.
            WrongState: it is a draft, paused already, or over.
        """
        row = await self._live(campaign, CampaignState.PAUSED)
        await self._ground.engine.steering.pause(row.uid)
        return await self._view(row.id, campaign)

    async def resume(self, campaign: str) -> CampaignView:
        """Let a paused campaign go on.

        Raises:
            NotFound: there is none with this id or alias.
            WrongState: it is not paused.
        """
        row, live = await self._with_life(campaign)
        if live is None or row.state is not CampaignState.PAUSED:
            raise WrongState(f"campaign {row.uid} is {row.state}: only a paused one can be resumed")
        await self._ground.engine.steering.resume(row.uid)
        return await self._view(row.id, campaign)

    async def cancel(self, campaign: str, *, now: bool = False) -> CampaignView:
        """End a campaign and its unanswered calls; with `now` the answered ones too. A draft is thrown away.

        Raises:
            NotFound: there is none with this id or alias.
            WrongState: it is over.
        """
        async with self._changing:
            row, live = await self._with_life(campaign)
            lifecycle.check(row.state, CampaignState.CANCELLED)
            if live is None:
                await self._release(row, CampaignState.CANCELLED)
                live = self._ground.engine.campaigns.by_key(row.id)
            else:
                await self._ground.engine.steering.cancel(row.uid, now=now)
        if live is not None and not live.live:  # its people are ended bit by bit
            with trio.move_on_after(_ENDS_S):
                await live.ended.wait()
        return await self._view(row.id, campaign)

    async def add_recipients(
        self, campaign: str, recipients: Sequence[Any], *, skip_invalid: bool = False, once: Once | None = None
    ) -> Added:
        """Add recipients, as they stand in a campaign file, to a campaign that is not over."""
        return await self._recipients.add(campaign, recipients, skip_invalid=skip_invalid, once=once)

    async def recipients(
        self, campaign: str, *, limit: int = 100, after: str | None = None, calls: bool = False
    ) -> Page[RecipientView]:
        """Return a campaign's recipients in the order of its list, with their calls if wanted."""
        return await self._recipients.list(campaign, limit=limit, after=after, calls=calls)

    async def _release(self, row: CampaignRow, state: CampaignState) -> None:
        """Bring a draft into another state and hand it to the engine."""
        ground = self._ground
        if state is not CampaignState.CANCELLED:
            if not await ground.store.read(_has_people, row.id):
                raise WrongState(f"campaign {row.uid} has no recipients; add some first")
            start_at = None if state is CampaignState.RUNNING else row.start_at
            changed(evolve(row, start_at=start_at, state=state), {}, self.settings, ground.now(), released=True)

        def release(connection: Connection) -> bool:
            released = campaigns.release(connection, row.id, state, expected=(CampaignState.DRAFT,), now=ground.now())
            if released:
                tell_campaign(connection, ground.engine.telling, row, state, now=ground.now())
            return released

        with trio.CancelScope(shield=True):
            if not await ground.store.write(release):
                raise WrongState(f"campaign {row.uid} is no draft any more; look at it again")
            await ground.engine.campaigns.adopt(row.id)
        _log.info(f"campaign.{state}", campaign=row.uid, name=row.spec.name)

    async def _with_life(self, campaign: str) -> tuple[CampaignRow, LiveCampaign | None]:
        """Return a campaign as it is now, and what is dialled of it; what is live is ahead of what is stored."""
        row = await self._ground.campaign(campaign)
        live = self._ground.engine.campaigns.by_key(row.id)
        if live is None:
            return row, None
        return evolve(live.row, state=live.state, extra=row.extra), live

    async def _live(self, campaign: str, state: CampaignState) -> CampaignRow:
        """Return a campaign that may come into a state.

        Raises:
            WrongState: it may not.
        """
        row, live = await self._with_life(campaign)
        lifecycle.check(row.state, state)
        if live is None:
            raise WrongState(f"campaign {row.uid} is {row.state} and not taken over yet; try again")
        return row

    async def _view(self, campaign_id: int, wanted: str) -> CampaignView:
        listed = await self._ground.store.read(campaign_pages.one, campaign_id)
        if listed is None:
            raise NotFound(f"campaign {wanted} was deleted meanwhile")
        return view_of(listed, self._ground.now())

    def _agents(self, agent: str | None) -> tuple[str, ...]:
        """Return the words for an agent that campaigns may have: its name and its id."""
        if agent is None:
            return ()
        name = agent_name(agent, self.settings)
        if name is None:
            return (agent,)
        entry = self.settings.agents[name]
        return tuple({name, entry.id or name, agent})


def _has_people(connection: Connection, campaign_id: int) -> bool:
    """Tell whether a campaign has recipients, or some are on their way to it."""
    counted = reports.totals(connection, [campaign_id]).get(campaign_id)
    return bool(counted and counted.recipients) or adding.is_expected(connection, campaign_id)
