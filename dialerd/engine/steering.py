"""Steering: orders to live campaigns: paused, resumed, launched, changed, cancelled.

An order holds in memory first, so that the very next call obeys; then it is stored. One that cannot be stored is taken
back, and nothing has changed.
"""

from collections.abc import Callable
from typing import Final

import structlog
from attrs import evolve
from sqlalchemy import Connection

from dialerd.engine.campaign import LiveCampaign
from dialerd.engine.clock import Clock
from dialerd.engine.days import DayCount
from dialerd.engine.dispatcher import Dispatcher
from dialerd.engine.live import Recall
from dialerd.engine.notices import tell_campaign
from dialerd.engine.registry import Registry
from dialerd.engine.scheduler import Scheduler
from dialerd.engine.telling import Telling
from dialerd.model.errors import StoreError, WrongState
from dialerd.model.instants import NEVER, SECOND, Instant
from dialerd.model.settings import Settings
from dialerd.model.states import AttemptState, CampaignState, Outcome
from dialerd.rules import lifecycle
from dialerd.rules.retry import Done, RetryAt, after
from dialerd.store import campaigns, days
from dialerd.store.records import CampaignRow
from dialerd.store.rejudging import rejudge_some
from dialerd.store.store import Store

_log = structlog.get_logger()

_SLOWED: Final = Recall("the campaign may have fewer calls in progress by now", SECOND)


class Steering:
    """Gives orders to live campaigns.

    Args:
        store: where they are durable.
        registry: who is live.
        scheduler: who dials them.
        dispatcher: their calls.
        clock: the wall clock.
        telling: whether notices are written.
        settings: returns the settings in force.
    """

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        scheduler: Scheduler,
        dispatcher: Dispatcher,
        clock: Clock,
        telling: Telling,
        settings: Callable[[], Settings],
    ) -> None:
        self._store = store
        self._registry = registry
        self._scheduler = scheduler
        self._dispatcher = dispatcher
        self._clock = clock
        self._telling = telling
        self._settings = settings

    async def pause(self, uid: str) -> None:
        """Hold a campaign: when this returns, no call of it leaves any more; calls in progress go on.

        Raises:
            NotFound: it is not live.
            WrongState: it cannot be paused.
            StoreError: it could not be stored; nothing has changed.
        """
        await self._move(self._registry.campaign(uid), CampaignState.PAUSED)

    async def resume(self, uid: str) -> None:
        """Let a paused campaign go on.

        Raises:
            NotFound, WrongState, StoreError: see `pause`.
        """
        campaign = self._registry.campaign(uid)
        await self._move(campaign, CampaignState.RUNNING if campaign.started else CampaignState.SCHEDULED)

    async def launch(self, uid: str) -> None:
        """Let a scheduled campaign begin now, whatever its start says; its windows hold its calls all the same.

        Raises:
            NotFound: it is not live.
            WrongState: it is not scheduled.
            StoreError: it could not be stored; nothing has changed.
        """
        campaign = self._registry.campaign(uid)
        old, row, now = campaign.state, campaign.row, self._clock.now()
        if old is not CampaignState.SCHEDULED:
            raise WrongState(f"a campaign that is {old} cannot be started: only a draft or a scheduled one can")
        campaign.state = CampaignState.RUNNING
        campaign.follow(evolve(row, start_at=None, started_at=now), self._settings())
        try:
            await self._store.write(self._write_launch, campaign)
        except StoreError:
            if campaign.state is CampaignState.RUNNING and not campaign.was_claimed:
                campaign.state = old
            campaign.follow(row, self._settings())
            raise
        finally:
            self._changed(campaign)
        self._log(campaign, CampaignState.RUNNING)

    async def change(self, campaign: LiveCampaign, row: CampaignRow) -> None:
        """Change a live campaign's pacing, windows, retry or end.

        A daily cap that is new counts the calls of today that were made without it. Calls claimed ahead that a lowered
        limit does not allow do not leave. Those who wait for a retry follow with `rejudge`.

        Args:
            campaign: which.
            row: as it shall be.

        Raises:
            WrongState: it is ending.
            StoreError: it could not be stored; nothing has changed.
        """
        old, capped = campaign.row, campaign.day is not None
        if campaign.closing or not (campaign.dialable or campaign.state is CampaignState.PAUSED):
            raise WrongState(f"campaign {old.uid} is ending: nobody of it will be dialled, there is nothing to change")
        campaign.follow(row, self._settings())
        try:
            changed = await self._store.write(self._write_change, row)
        except StoreError:
            campaign.follow(old, self._settings())
            self._changed(campaign)
            raise
        if campaign.day is not None and not capped:
            await self._count_today(campaign, campaign.day)
        self._recall(campaign)
        if not changed:  # it was cancelled, or its last call has ended meanwhile
            raise WrongState(f"campaign {old.uid} has ended meanwhile")
        self._changed(campaign)
        _log.info("campaign.changed", campaign=row.uid, name=row.spec.name)

    async def rejudge(self, campaign: LiveCampaign) -> None:
        """Have those who wait for a retry follow their campaign's present policy; a second or more for a million.

        Raises:
            StoreError: it could not be stored for all of them; whoever has had all attempts is not rung all the same.
        """
        policy = campaign.retry

        def judge(outcome: Outcome, attempts: int, limit: int | None, ended_at: Instant) -> RetryAt | Done:
            return after(outcome=outcome, attempts=attempts, policy=policy, limit=limit, now=ended_at)

        place: int | None = 0
        while place is not None:
            place = await self._store.write_bulk(rejudge_some, campaign.row.id, place, judge, now=self._clock.now())
        if self._registry.by_key(campaign.row.id) is campaign:
            await self._registry.refresh(campaign)
            self._registry.idle(campaign)

    async def _count_today(self, campaign: LiveCampaign, day: DayCount) -> None:
        """Count what was called today while there was no cap."""
        now = self._clock.now()
        since, key, calls = day.began_at(now), day.key(now), 0
        place: int | None = NEVER
        while place is not None:
            some, place = await self._store.read(days.calls_since, campaign.row.id, since, place)
            calls += some
        if day.key(self._clock.now()) == key:
            day.calls = max(day.calls, calls)
            await self._store.write(days.at_least, key, calls)

    def _recall(self, campaign: LiveCampaign) -> None:
        """Keep back the calls claimed ahead that are more than the campaign may have by now."""
        most = campaign.pacing.max_concurrent
        if most is None:
            return
        calls = [call for call in self._dispatcher.calls.values() if call.campaign is campaign and not call.ended]
        waiting = [call for call in calls if not call.left]
        for call in waiting[max(0, most - (len(calls) - len(waiting))) :]:
            call.recalled = _SLOWED

    async def cancel(self, uid: str, *, now: bool = False) -> None:
        """End a campaign: nobody is dialled any more, and calls that were not answered yet are ended.

        Args:
            uid: its id.
            now: answered calls are ended too.

        Raises:
            NotFound, WrongState, StoreError: see `pause`.
        """
        campaign = self._registry.campaign(uid)
        await self._move(campaign, CampaignState.CANCELLED)
        for call in self._dispatcher.calls.values():
            if call.campaign is campaign and (now or call.phase is not AttemptState.ANSWERED):
                call.hangup.set()
        self._registry.idle(campaign)

    async def _move(self, campaign: LiveCampaign, state: CampaignState) -> None:
        """Change a campaign's state: in memory first, then in the store."""
        old = campaign.state
        lifecycle.check(old, state)
        campaign.state = state
        try:
            await self._store.write(self._write_state, campaign, state)
        except StoreError:
            if campaign.state is state:  # another order may have been given meanwhile
                campaign.state = old
            self._look(campaign)  # somebody may have looked at it meanwhile
            raise
        self._log(campaign, state)
        if old is CampaignState.PAUSED:
            campaign.dialable_since = self._clock.now()
        self._look(campaign)

    def _look(self, campaign: LiveCampaign) -> None:
        """Have a campaign looked at anew of which the state is another."""
        self._scheduler.touch(campaign, self._clock.now())
        self._dispatcher.wake()

    def _changed(self, campaign: LiveCampaign) -> None:
        """Have a campaign looked at anew of which hours or pacing are others."""
        self._scheduler.changed(campaign, self._clock.now())
        self._dispatcher.wake()

    def _write_state(self, connection: Connection, campaign: LiveCampaign, state: CampaignState) -> None:
        now = self._clock.now()
        campaigns.set_state(connection, campaign.row.id, state, now=now)
        tell_campaign(connection, self._telling, campaign.row, state, now=now)

    def _write_launch(self, connection: Connection, campaign: LiveCampaign) -> None:
        waits = (CampaignState.SCHEDULED, CampaignState.RUNNING)  # it may have been claimed from meanwhile
        now = self._clock.now()
        campaigns.release(connection, campaign.row.id, CampaignState.RUNNING, expected=waits, now=now)
        tell_campaign(connection, self._telling, campaign.row, CampaignState.RUNNING, now=now)

    def _write_change(self, connection: Connection, row: CampaignRow) -> bool:
        live = (CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.PAUSED)
        now = self._clock.now()
        changed = campaigns.change(connection, row, expected=live, now=now)
        if changed:
            tell_campaign(connection, self._telling, row, row.state, what="changed", now=now)
        return changed

    def _log(self, campaign: LiveCampaign, state: CampaignState) -> None:
        _log.info(f"campaign.{state}", campaign=campaign.row.uid, name=campaign.row.spec.name)
