"""The registry: campaigns taken in, paused, resumed, cancelled, and ended when nothing of them is left to do."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from random import Random

import structlog
import trio
from attrs import evolve
from sqlalchemy import Connection

from dialerd.engine.campaign import LiveCampaign
from dialerd.engine.clock import Clock
from dialerd.engine.dispatcher import Dispatcher
from dialerd.engine.notices import campaign_body
from dialerd.engine.scheduler import Scheduler
from dialerd.engine.telling import Telling
from dialerd.model.campaign import ZoneGroup
from dialerd.model.errors import NotFound, StoreError, WrongState
from dialerd.model.instants import Instant
from dialerd.model.settings import Settings
from dialerd.model.states import AttemptState, CampaignState, Final
from dialerd.rules import lifecycle
from dialerd.rules.reminders import Reminder
from dialerd.store import adding, campaigns, days, notices, recipients
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
        self._expected: Counter[int] = Counter()  # by key of a campaign, the additions on their way to it

    def open(self, nursery: trio.Nursery) -> None:
        """Begin: campaigns are ended in tasks of `nursery`."""
        self._nursery = nursery

    async def load(self) -> None:
        """Take in every campaign that the store has and that is not over; none is ended before `settle`."""
        self._expected.update(target for _, target in await self._store.read(adding.under_way))
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

    async def take_over(self, campaign_id: int) -> None:
        """Take in a campaign that was stored just now; where it cannot be read now, it is a second later."""
        try:
            await self.adopt(campaign_id)
        except StoreError as error:
            _log.error("store.campaign_not_read", keys=[campaign_id], error=str(error), retry_s=_STORE_RETRY_S)
            assert self._nursery is not None
            self._nursery.start_soon(self._take_over_later, campaign_id)

    async def _take_over_later(self, campaign_id: int) -> None:
        await trio.sleep(_STORE_RETRY_S)
        await self.take_over(campaign_id)

    def expect(self, campaign_id: int) -> None:
        """Take note of recipients that are on their way to a campaign: it is not ended before `arrived`."""
        self._expected[campaign_id] += 1

    def arrived(self, campaign_id: int) -> None:
        """Take note that recipients who were expected are there, or will not come; each `expect` needs one."""
        self._expected[campaign_id] -= 1
        if not self._expected[campaign_id]:
            del self._expected[campaign_id]
            if (campaign := self.by_key(campaign_id)) is not None:
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

    async def launch(self, uid: str) -> None:
        """Let a scheduled campaign begin now, whatever its start says; its windows hold its calls all the same.

        Raises:
            NotFound: it is not live.
            WrongState: it is not scheduled.
            StoreError: it could not be stored; nothing has changed.
        """
        campaign = self.campaign(uid)
        old, row, now = campaign.state, campaign.row, self._clock.now()
        if old is not CampaignState.SCHEDULED:
            raise WrongState(f"a campaign that is {old} cannot be started: only a draft or a scheduled one can")
        campaign.state = CampaignState.RUNNING
        campaign.follow(evolve(row, start_at=None, started_at=now), self._settings)
        try:
            await self._store.write(self._write_launch, campaign)
        except StoreError:
            if campaign.state is CampaignState.RUNNING and not campaign.was_claimed:
                campaign.state = old
            campaign.follow(row, self._settings)
            raise
        self._log(campaign, CampaignState.RUNNING)
        self._scheduler.changed(campaign, self._clock.now())
        self._dispatcher.wake()

    async def change(self, campaign: LiveCampaign, row: CampaignRow) -> None:
        """Change a live campaign's pacing, windows, retry or end: in memory first, so that the very next call obeys.

        A daily cap that is new counts from now on.

        Args:
            campaign: which.
            row: as it shall be.

        Raises:
            WrongState: it is ending.
            StoreError: it could not be stored; nothing has changed.
        """
        old = campaign.row
        if campaign.closing or not (campaign.dialable or campaign.state is CampaignState.PAUSED):
            raise WrongState(f"campaign {old.uid} is ending: nobody of it will be dialled, there is nothing to change")
        campaign.follow(row, self._settings)
        try:
            changed = await self._store.write(self._write_change, row)
        except StoreError:
            campaign.follow(old, self._settings)
            self._scheduler.changed(campaign, self._clock.now())
            raise
        if not changed:  # it was cancelled, or its last call has ended meanwhile
            raise WrongState(f"campaign {old.uid} has ended meanwhile")
        _log.info("campaign.changed", campaign=row.uid, name=row.spec.name)
        self._scheduler.changed(campaign, self._clock.now())
        self._dispatcher.wake()

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
        if campaign.closing or campaign.row.uid not in self._by_uid or campaign.row.id in self._expected:
            return
        if not (campaign.over or cancelled or campaign.given_up(now)):
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
        now = self._clock.now()
        if old is CampaignState.PAUSED:
            campaign.dialable_since = now
        self._scheduler.touch(campaign, now)
        self._dispatcher.wake()

    def _write_state(self, connection: Connection, campaign: LiveCampaign, state: CampaignState) -> None:
        campaigns.set_state(connection, campaign.row.id, state, now=self._clock.now())
        self.tell(connection, campaign.row, state)

    def _write_launch(self, connection: Connection, campaign: LiveCampaign) -> None:
        waits = (CampaignState.SCHEDULED, CampaignState.RUNNING)  # it may have been claimed from meanwhile
        key, now = campaign.row.id, self._clock.now()
        campaigns.release(connection, key, CampaignState.RUNNING, expected=waits, now=now)
        self.tell(connection, campaign.row, CampaignState.RUNNING)

    def _write_change(self, connection: Connection, row: CampaignRow) -> bool:
        live = (CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.PAUSED)
        changed = campaigns.change(connection, row, expected=live, now=self._clock.now())
        if changed:
            self.tell(connection, row, row.state, "changed")
        return changed

    def tell(self, connection: Connection, row: CampaignRow, state: CampaignState, what: str | None = None) -> None:
        """Write the notice that a campaign came into a state, in that transaction, or that `what` happened to it."""
        if self._telling.on:
            now = self._clock.now()
            body = campaign_body(row.uid, row.spec.name, state, now)
            notices.add(connection, f"campaign.{what or state}", row.uid, body, now=now)

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
            self._log(campaign, CampaignState.COMPLETED)
        campaign.heads = {}
        self._scheduler.remove(campaign)
        del self._by_uid[campaign.row.uid]
        campaign.ended.set()

    def _write_end(self, connection: Connection, campaign: LiveCampaign) -> tuple[bool, dict[int, Instant]]:
        """End a campaign unless somebody of it is pending, or on the way to it.

        Returns:
            Whether it has ended, and when those who are pending are due, by zone group.
        """
        heads = recipients.heads(connection, campaign.row.id)
        ends = not heads and not adding.is_expected(connection, campaign.row.id)
        if ends:
            if campaign.state is CampaignState.CANCELLED:
                campaigns.end(connection, campaign.row.id, now=self._clock.now())
            else:
                self._write_state(connection, campaign, CampaignState.COMPLETED)
        return ends, heads

    def _log(self, campaign: LiveCampaign, state: CampaignState) -> None:
        _log.info(f"campaign.{state}", campaign=campaign.row.uid, name=campaign.row.spec.name)


def _batched(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))
