"""The registry: campaigns taken in, paused, resumed, cancelled, and ended when nothing of them is left to do."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from random import Random

import structlog
import trio
from sqlalchemy import Connection

from dialerd.engine.campaign import LiveCampaign
from dialerd.engine.clock import Clock
from dialerd.engine.dispatcher import Dispatcher
from dialerd.engine.scheduler import Scheduler
from dialerd.model.campaign import ZoneGroup
from dialerd.model.errors import NotFound, StoreError
from dialerd.model.instants import Instant
from dialerd.model.settings import Settings
from dialerd.model.states import AttemptState, CampaignState, Final
from dialerd.rules import lifecycle
from dialerd.rules.reminders import Reminder
from dialerd.store import campaigns, days, notices, recipients
from dialerd.store.records import CampaignRow
from dialerd.store.store import Store

_log = structlog.get_logger()

_STORE_RETRY_S = 1.0
_AT_ONCE = 500  # campaigns read at once: a long read stops the store's checkpoints


class Registry:
    """The live campaigns, by id.

    Args:
        store: where they are durable.
        scheduler: who dials them.
        dispatcher: their calls.
        clock: the wall clock.
        random: what random rotations draw from.
        settings: the settings in force.
        told: whether anybody is told what happens.
    """

    def __init__(
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        dispatcher: Dispatcher,
        clock: Clock,
        random: Random,
        settings: Settings,
        told: bool,
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._dispatcher = dispatcher
        self._clock = clock
        self._random = random
        self._settings = settings
        self._told = told
        self._groups: dict[int, ZoneGroup] = {}
        self._by_uid: dict[str, LiveCampaign] = {}
        self._nursery: trio.Nursery | None = None

    def open(self, nursery: trio.Nursery) -> None:
        """Begin: campaigns are ended in tasks of `nursery`."""
        self._nursery = nursery

    async def load(self) -> None:
        """Take in every campaign that the store has and that is not over; none is ended before `settle`."""
        for some in _batched(await self._store.read(campaigns.open_keys)):
            await self._take_in(some)

    def settle(self) -> None:
        """End what can be ended of the campaigns taken in, now that the calls of the former life are known."""
        for campaign in list(self._scheduler.campaigns.values()):
            self.idle(campaign)

    async def adopt(self, *campaign_ids: int) -> None:
        """Take in campaigns that were stored just now.

        Raises:
            StoreError: they could not be read; none of them was taken in.
        """
        for campaign in await self._take_in(campaign_ids):
            self.idle(campaign)

    def campaign(self, uid: str) -> LiveCampaign:
        """Return the live campaign of that id.

        Raises:
            NotFound: there is none; it may be over.
        """
        campaign = self._by_uid.get(uid)
        if campaign is None:
            raise NotFound(f"no campaign {uid} is scheduled, running or paused")
        return campaign

    def live(self) -> Collection[LiveCampaign]:
        """Return the campaigns that are not over."""
        return self._by_uid.values()

    def by_key(self, campaign_id: int) -> LiveCampaign | None:
        """Return the live campaign of the store's key, or None."""
        return self._scheduler.campaigns.get(campaign_id)

    async def pause(self, uid: str) -> None:
        """Hold a campaign: when this returns, no call of it leaves any more; calls in progress go on."""
        await self._move(self.campaign(uid), CampaignState.PAUSED)

    async def resume(self, uid: str) -> None:
        """Let a paused campaign go on."""
        campaign = self.campaign(uid)
        await self._move(campaign, CampaignState.RUNNING if campaign.started else CampaignState.SCHEDULED)

    async def cancel(self, uid: str, *, now: bool = False) -> None:
        """End a campaign: nobody is dialled any more, and calls that were not answered yet are ended.

        Args:
            uid: its id.
            now: answered calls are ended too.
        """
        campaign = self.campaign(uid)
        await self._move(campaign, CampaignState.CANCELLED)
        for call in self._dispatcher.calls.values():
            if call.campaign is campaign and (now or call.phase is not AttemptState.ANSWERED):
                call.hangup.set()
        self.idle(campaign)

    async def refresh(self, campaign: LiveCampaign) -> None:
        """Learn from the store who of a campaign is due when, because recipients were added or ended."""
        while True:
            changes = campaign.changes
            heads = await self._store.write(recipients.heads, campaign.row.id)
            await self.learn_groups(heads)
            if campaign.changes == changes:
                break
        campaign.heads = dict(heads)
        self._scheduler.touch(campaign, self._clock.now())
        self._dispatcher.wake()

    def update(self, settings: Settings) -> None:
        """Follow changed settings."""
        self._settings = settings
        for campaign in self._scheduler.campaigns.values():
            campaign.update(settings)
        self._scheduler.touch_all(self._clock.now())
        self._dispatcher.wake()

    def idle(self, campaign: LiveCampaign) -> None:
        """End what can be ended of a campaign that may have nothing left to do."""
        now = self._clock.now()
        cancelled = campaign.state is CampaignState.CANCELLED
        if campaign.closing or campaign.row.uid not in self._by_uid:
            return
        if not (campaign.over or cancelled or campaign.given_up(now)):
            return
        if campaign.heads or not campaign.live:
            assert self._nursery is not None
            campaign.closing = True
            self._nursery.start_soon(self._close, campaign)

    async def _take_in(self, keys: Sequence[int]) -> list[LiveCampaign]:
        """Take in campaigns by key, several with one look at the store; those that are live already are left out."""
        found = await self._store.read(_look_up, [key for key in keys if key not in self._scheduler.campaigns])
        await self.learn_groups({group_id for _, heads in found for group_id in heads})
        live = [
            (LiveCampaign(row, self._settings, self._groups, self._random, told=self._told), heads)
            for row, heads in found
        ]
        now = self._clock.now()
        capped = [(campaign.day, campaign.day.key(now)) for campaign, _ in live if campaign.day is not None]
        if capped:
            calls = await self._store.read(days.calls, [key for _, key in capped])
            for day, key in capped:
                day.calls = calls.get(key, 0)
        for campaign, heads in live:
            campaign.heads = heads
            self._by_uid[campaign.row.uid] = campaign
            self._scheduler.add(campaign, self._clock.now())
        if live:
            self._dispatcher.wake()
        return [campaign for campaign, _ in live]

    async def learn_groups(self, group_ids: Iterable[int]) -> None:
        """Read what is not yet known of zone groups, by key."""
        for group_id in group_ids:
            if group_id not in self._groups:
                self._groups[group_id] = await self._store.read(recipients.group, group_id)

    async def _move(self, campaign: LiveCampaign, state: CampaignState) -> None:
        """Change a campaign's state: in memory first, so that the very next call obeys, then in the store."""
        old = campaign.state
        lifecycle.check(old, state)
        campaign.state = state
        try:
            await self._store.write(self._write_state, campaign, state)
        except StoreError:
            campaign.state = old
            raise
        self._log(campaign, state)
        self._scheduler.touch(campaign, self._clock.now())
        self._dispatcher.wake()

    def _write_state(self, connection: Connection, campaign: LiveCampaign, state: CampaignState) -> None:
        now = self._clock.now()
        campaigns.set_state(connection, campaign.row.id, state, now=now)
        if self._told:
            body = {"campaign_id": campaign.row.uid, "campaign": campaign.row.spec.name, "state": state}
            notices.add(connection, f"campaign.{state}", campaign.row.uid, body, now=now)

    async def _close(self, campaign: LiveCampaign) -> None:
        """End pending recipients who will not be dialled, and the campaign itself when nobody is left."""
        trouble = Reminder()
        try:
            while True:
                try:
                    await self._finish_pending(campaign)
                    if campaign.live:  # it is over when its calls are
                        await self.refresh(campaign)
                    else:
                        await self._end(campaign)
                except StoreError as error:
                    if trouble.due(trio.current_time()):
                        _log.error("store.campaign_not_ended", campaign=campaign.row.uid, error=str(error))
                    await trio.sleep(_STORE_RETRY_S)
                else:
                    break
        finally:
            campaign.closing = False
        self.idle(campaign)  # its last call may have ended meanwhile, and found this at work

    async def _finish_pending(self, campaign: LiveCampaign) -> None:
        now = self._clock.now()
        if campaign.state is CampaignState.CANCELLED:
            final = Final.CANCELLED
        elif campaign.given_up(now):
            final = Final.EXPIRED
        else:
            return
        while await self._store.write_bulk(campaigns.finish_pending_some, campaign.row.id, final, now=now):
            _log.debug("campaign.chunk_ended", campaign=campaign.row.uid, final=final)

    async def _end(self, campaign: LiveCampaign) -> None:
        """End a campaign of which no call is on, in the transaction that finds nobody pending; else learn who is."""
        old, changes = campaign.state, campaign.changes
        if old is not CampaignState.CANCELLED:
            lifecycle.check(old, CampaignState.COMPLETED)
            campaign.state = CampaignState.COMPLETED  # in memory first: it cannot be paused any more
        heads: dict[int, Instant] | None = None
        try:
            heads = await self._store.write(self._write_end, campaign)
        finally:
            if heads is None or heads:
                campaign.state = old
        if heads:
            if campaign.changes == changes:
                await self.learn_groups(heads)
                campaign.heads = heads
                self._scheduler.touch(campaign, self._clock.now())
                self._dispatcher.wake()
            else:
                await self.refresh(campaign)
            return
        if campaign.state is CampaignState.COMPLETED:
            self._log(campaign, CampaignState.COMPLETED)
        campaign.heads = {}
        self._scheduler.remove(campaign)
        del self._by_uid[campaign.row.uid]
        campaign.ended.set()

    def _write_end(self, connection: Connection, campaign: LiveCampaign) -> dict[int, Instant]:
        """End a campaign unless somebody of it is pending; return when those are due, by zone group."""
        heads = recipients.heads(connection, campaign.row.id)
        if not heads:
            if campaign.state is CampaignState.CANCELLED:
                campaigns.end(connection, campaign.row.id, now=self._clock.now())
            else:
                self._write_state(connection, campaign, CampaignState.COMPLETED)
        return heads

    def _log(self, campaign: LiveCampaign, state: CampaignState) -> None:
        _log.info(f"campaign.{state}", campaign=campaign.row.uid, name=campaign.row.spec.name)


def _batched(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))


def _look_up(connection: Connection, keys: Sequence[int]) -> list[tuple[CampaignRow, dict[int, Instant]]]:
    """Return campaigns, and when the next of their recipients are due, by zone group."""
    return [(row, recipients.heads(connection, row.id)) for row in campaigns.by_ids(connection, keys)]
