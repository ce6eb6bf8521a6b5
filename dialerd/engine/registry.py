"""The registry: which campaigns live; taken in when they are stored, ended when nothing of them is left to do.

Whether anything is left, and whether more recipients are on their way, the store alone says, in the very transaction
that ends a campaign. Orders to campaigns are given through `dialerd.engine.steering`.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from random import Random

import structlog
import trio
from sqlalchemy import Connection

from dialerd.engine.campaign import LiveCampaign
from dialerd.engine.clock import Clock
from dialerd.engine.dispatcher import Dispatcher
from dialerd.engine.notices import tell_campaign
from dialerd.engine.scheduler import Scheduler
from dialerd.engine.telling import Telling
from dialerd.model.campaign import ZoneGroup
from dialerd.model.errors import NotFound, StoreError
from dialerd.model.instants import Instant
from dialerd.model.settings import Settings
from dialerd.model.states import CampaignState, Final
from dialerd.rules import lifecycle
from dialerd.rules.reminders import Reminder
from dialerd.store import adding, campaigns, days, recipients
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
        telling: whether notices are written.
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
        telling: Telling,
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._dispatcher = dispatcher
        self._clock = clock
        self._random = random
        self._settings = settings
        self._telling = telling
        self._groups: dict[int, ZoneGroup] = {}
        self._by_uid: dict[str, LiveCampaign] = {}
        self._nursery: trio.Nursery | None = None
        self._unread = Reminder()  # that campaigns could not be read

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
        """Take in campaigns that were stored just now; where they cannot be read now, they are as soon as they can."""
        if not await self._adopt(campaign_ids):
            assert self._nursery is not None
            self._nursery.start_soon(self._adopt_later, campaign_ids)

    async def _adopt_later(self, keys: Sequence[int]) -> None:
        adopted = False
        while not adopted:
            await trio.sleep(_STORE_RETRY_S)
            adopted = await self._adopt(keys)

    async def _adopt(self, keys: Sequence[int]) -> bool:
        """Take in campaigns, or none of them; return whether they could be read."""
        try:
            found = await self._take_in(keys)
        except StoreError as error:
            if self._unread.due(trio.current_time()):
                _log.error("store.campaign_not_read", keys=keys, error=str(error), retry_s=_STORE_RETRY_S)
            return False
        self._unread.over()
        for campaign in found:
            self.idle(campaign)
        return True

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
        """End what can be ended of a campaign that may have nothing left to do.

        One that is found to wait for recipients on their way is left alone: who brings them asks again.
        """
        if campaign.row.uid not in self._by_uid:
            return
        if campaign.closing:
            campaign.look_again = True
            return
        if not (campaign.over or campaign.state is CampaignState.CANCELLED or campaign.given_up(self._clock.now())):
            return
        if campaign.heads or not campaign.live:
            assert self._nursery is not None
            campaign.closing = True
            self._nursery.start_soon(self._close, campaign)

    async def _take_in(self, keys: Sequence[int]) -> list[LiveCampaign]:
        """Take in campaigns by key, several with one look at the store; those that are live already are left out."""
        found = await self._store.read(
            recipients.with_heads, [key for key in keys if key not in self._scheduler.campaigns]
        )
        await self.learn_groups({group_id for _, heads in found for group_id in heads})
        live = [
            (LiveCampaign(row, self._settings, self._groups, self._random, telling=self._telling), heads)
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

    async def _close(self, campaign: LiveCampaign) -> None:
        """End pending recipients who will not be dialled, and the campaign itself when nobody is left."""
        trouble = Reminder()
        try:
            while True:
                campaign.look_again = False
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
        if campaign.look_again or campaign.heads:  # its last call ended meanwhile, say, and found this at work
            self.idle(campaign)

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
        ended, heads = False, dict[int, Instant]()
        try:
            ended, heads = await self._store.write(self._write_end, campaign)
        finally:
            if not ended:
                campaign.state = old
        if not ended:
            if campaign.changes == changes:
                await self.learn_groups(heads)
                campaign.heads = heads
                self._scheduler.touch(campaign, self._clock.now())
                self._dispatcher.wake()
            else:
                await self.refresh(campaign)
            return
        if campaign.state is CampaignState.COMPLETED:
            _log.info("campaign.completed", campaign=campaign.row.uid, name=campaign.row.spec.name)
        campaign.heads = {}
        self._scheduler.remove(campaign)
        del self._by_uid[campaign.row.uid]
        campaign.ended.set()

    def _write_end(self, connection: Connection, campaign: LiveCampaign) -> tuple[bool, dict[int, Instant]]:
        """End a campaign unless somebody of it is pending, or on the way to it.

        Returns:
            Whether it has ended, and when those who are pending are due, by zone group.
        """
        row, now = campaign.row, self._clock.now()
        heads = recipients.heads(connection, row.id)
        ends = not heads and not adding.is_expected(connection, row.id)
        if ends and campaign.state is CampaignState.CANCELLED:
            campaigns.end(connection, row.id, now=now)
        elif ends:
            campaigns.set_state(connection, row.id, CampaignState.COMPLETED, now=now)
            tell_campaign(connection, self._telling, row, CampaignState.COMPLETED, now=now)
        return ends, heads


def _batched(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))
