"""The dispatcher: turn after turn, store what has ended, claim what the free lines can carry, let the calls go.

One task, one transaction a turn. While a turn is being committed, calls end and lines free; the next turn takes all of
it at once, so that batches grow with the load and nobody waits when there is none. Ends go before claims in a turn,
so that what a claim learns of due instants is never older than the retries that memory knows.
"""

import math
from collections import Counter
from collections.abc import Callable, Container, Sequence
from typing import Protocol

import structlog
import trio

from dialerd.engine.asking import Asked, Blocked, Slot, ask, give_back
from dialerd.engine.campaign import LiveCampaign
from dialerd.engine.clock import SET_BACK, SET_FORWARD, Clock
from dialerd.engine.conclude import withdrawn
from dialerd.engine.days import DayCount
from dialerd.engine.limits import Queue
from dialerd.engine.lines import Lines
from dialerd.engine.live import LiveCall
from dialerd.engine.news import News
from dialerd.engine.scheduler import Scheduler
from dialerd.model.call import Cause
from dialerd.model.errors import StoreError, StoreLost
from dialerd.model.instants import NEVER, SECOND, Instant
from dialerd.model.settings import PersonSettings
from dialerd.model.states import AtFault, AttemptState, CampaignState, Rule
from dialerd.rules.reminders import Reminder
from dialerd.store import turn
from dialerd.store.claiming import Answer, Claimed
from dialerd.store.ending import Ended
from dialerd.store.store import Store
from dialerd.store.turn import Turn

_log = structlog.get_logger()

_STALLED_S = 1.0  # a campaign whose due people can all not be had with the free lines is looked at again then
_STORE_RETRY_S = 1.0
_STEP_MS = 2_000  # a wall clock that departs this far from the monotonic one was stepped


class Caller(Protocol):
    """Starts the tasks of calls that were claimed together."""

    def __call__(self, calls: Sequence[LiveCall]) -> None:
        """Start them; must not fail."""


class Dispatcher:
    """Claims and lets go.

    Args:
        store: where turns are committed.
        scheduler: who has somebody due.
        lines: what is free.
        clock: the wall clock.
        start_calls: starts the tasks of the calls that one campaign got in a turn.
        idle: told of campaigns that have nothing left to do, or of which groups will not open again.

    Attributes:
        beats: grows whenever it has looked round, every second at least; one that stands still is stuck, unless
        storing: it waits for the disk.
        started: calls that it has let go in this life.
    """

    def __init__(
        self,
        *,
        store: Store,
        scheduler: Scheduler,
        lines: Lines,
        clock: Clock,
        start_calls: Caller,
        idle: Callable[[LiveCampaign], None],
    ) -> None:
        self.limits = PersonSettings()
        self.withheld: dict[str, bool] = {}  # numbers under a new do-not-call entry, and whether that is stored
        self.accepting = False
        self.calls: dict[int, LiveCall] = {}  # by attempt, until their end is stored
        self.held: Counter[Rule] = Counter()  # how often each rule put somebody off
        self.turns = 0
        self.beats = 0
        self.storing = False
        self.started = 0
        self._store = store
        self._scheduler = scheduler
        self._lines = lines
        self._clock = clock
        self._start_calls = start_calls
        self._idle = idle
        self._full: dict[Queue, None] = {}  # what campaigns are parked on
        self._ended: list[tuple[LiveCall, Ended]] = []
        self._news = News()
        self._wake = trio.Event()
        self._turned = trio.Event()
        self._trouble = Reminder()
        self._closed = False
        self._finished = trio.Event()
        self._offset = self._clock.now() - trio.current_time() * SECOND

    def wake(self) -> None:
        """Let the next turn begin now."""
        self._wake.set()

    def news(self, call: LiveCall) -> None:
        """Take note that `call` has something to store while it goes on."""
        if self._news.add(call):
            self._wake.set()  # so that the sleep under way ends in time

    def ended(self, call: LiveCall, end: Ended) -> None:
        """Take the end of a call: its lines are free at once, its row follows with the next turn."""
        call.ended = True
        self._news.drop(call)
        self._ended.append((call, end))
        self.release(call)

    def release(self, call: LiveCall) -> None:
        """Let a call's lines go to whoever waits for them."""
        if call.permit is not None:
            call.permit.release()
        limit = call.campaign.limit
        if limit.awaited and (campaign := limit.unpark()) is not None:  # on its own limit there waits but itself
            self._scheduler.unpark(campaign, self._clock.now())
        self._wake.set()

    def close(self) -> None:
        """Claim nothing any more: a claim under way is voided, and calls that have not left yet do not leave."""
        self.accepting = False
        for call in self.calls.values():
            if not call.left:
                call.hangup.set()
        self._wake.set()

    async def finish(self) -> None:
        """Let `run` return once every end is stored, and wait for it; no call may be on any more."""
        self._closed = True
        self._wake.set()
        await self._finished.wait()

    async def drained(self) -> None:
        """Wait until no call is on; attempts about which a carrier is still being asked are left to the next life."""
        while any(call.phase is not AttemptState.UNCERTAIN for call in self.calls.values()):
            await self._turned.wait()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take turns until `finish` was called and everything is stored. Must not be cancelled before."""
        task_status.started()
        while True:
            self.beats += 1
            self._wake = trio.Event()
            now = self._clock.now()
            self._watch_clock(now)
            self._release_withheld()
            asked = self._ask(now) if self.accepting else []
            news = self._news.take(now_s=math.inf if self._closed else trio.current_time())
            if asked or self._ended or news:
                await self._turn(asked, news, now)
            elif self._closed:
                self._finished.set()
                return
            else:
                with trio.move_on_after(self._idle_s(now)):
                    await self._wake.wait()

    async def _turn(self, asked: list[Asked], news: list[LiveCall], now: Instant) -> None:
        ended, self._ended = self._ended, []
        progress = [call.progress() for call in news]
        self.storing = True
        try:
            answers = await self._store.write(
                turn.take,
                Turn(
                    ended=[end for _, end in ended],
                    progress=progress,
                    asks=[one.ask for one in asked],
                    limits=self.limits,
                    now=now,
                ),
            )
        except StoreError as error:
            await self._put_off(ended, news, asked, error)
            return
        finally:
            self.storing = False
        self.turns += 1
        self._trouble.over()
        self._turned.set()
        self._turned = trio.Event()
        changed: dict[int, LiveCampaign] = {}
        for call, end in ended:
            self._forget(call, end)
            changed[call.campaign.row.id] = call.campaign
        for one, answer in zip(asked, answers, strict=True):
            self._take(one, answer, now)
            changed[one.campaign.row.id] = one.campaign
        now = self._clock.now()
        for campaign in changed.values():
            self._scheduler.touch(campaign, now)
            if campaign.over or campaign.state is CampaignState.CANCELLED or campaign.given_up(now):
                self._idle(campaign)

    async def _put_off(
        self, ended: list[tuple[LiveCall, Ended]], news: list[LiveCall], asked: list[Asked], error: StoreError
    ) -> None:
        """Keep what could not be stored, and claim nothing until it can be; nothing ever, where the store is lost."""
        if self._trouble.due(trio.current_time()):
            words = {"error": error.what, "remedy": error.remedy}
            _log.error("store.turn_failed", **words, ends=len(ended), retry_s=_STORE_RETRY_S)
        for one in asked:
            give_back(one.campaign, one.slots)
        if isinstance(error, StoreLost):  # their attempts stay open there, and are reconciled when it is mended
            for call, end in ended:
                _log.warning("call.end_not_stored", call_id=call.claimed.uid, outcome=end.outcome)
                self._forget(call, end)
            self.close()
            self._turned.set()
            self._turned = trio.Event()
            return
        self._ended[:0] = ended
        for call in news:
            self.news(call)
        await trio.sleep(_STORE_RETRY_S)
        for one in asked:  # they rest until their answer is here, and it will not come
            self._scheduler.touch(one.campaign, self._clock.now())

    def _ask(self, now: Instant) -> list[Asked]:
        now_s = trio.current_time()
        self._scheduler.due(now, now_s)
        asked: list[Asked] = []
        asking: set[LiveCampaign] = set()
        while free := self._lines.free():
            unparked = self._unpark(asking, now)
            shared = list(self._scheduler.share(free))
            for campaign, given in shared:
                due = campaign.due_groups(now)
                if not due:
                    self._idle(campaign)
                    self._scheduler.rest(campaign, now_s + _STALLED_S)
                    continue
                result = ask(campaign, due, self._lines, given, now)
                self._scheduler.unused(campaign, given - (len(result.slots) if isinstance(result, Asked) else 0))
                if isinstance(result, Blocked):
                    campaign.parked = frozenset(due if result.limits else ())
                    for limit in result.limits:
                        limit.park(campaign, self._scheduler.tag(campaign))
                        if limit is not campaign.limit:
                            self._full[limit] = None
                    if result.capped is not None:
                        self._scheduler.hold(campaign, campaign.heads, *result.capped)
                    self._scheduler.rest(campaign, result.until_s)
                else:
                    asked.append(result)
                    asking.add(campaign)
                    campaign.parked = frozenset()  # where it still stands in a queue, it may be passed over
                    self._scheduler.rest(campaign, None)  # until its answer is here
            if not (shared or unparked):
                break
        return asked

    def _unpark(self, asking: Container[LiveCampaign], now: Instant) -> bool:
        """Bring back who waits for limits that have free units, whatever freed them; tell whether there was anybody.

        Those who cannot use their unit, because they were paused or find another limit full, leave it free, and then
        the next are brought back: no unit is left lying while somebody waits for it.

        Args:
            asking: campaigns that wait for an answer; they are looked at again when it is here.
            now: the present instant.
        """
        found = False
        for limit in [limit for limit in self._full if limit.free >= 1]:
            free = limit.free
            while free >= 1 and (campaign := limit.unpark()) is not None:
                if campaign not in asking:
                    self._scheduler.unpark(campaign, now)
                    found = True
                    free -= 1
            if not limit.awaited:
                del self._full[limit]
        return found

    def _take(self, asked: Asked, answer: Answer, now: Instant) -> None:
        """Start the calls of an answer and give back the lines that it did not use."""
        campaign = asked.campaign
        for group_id, head in answer.heads.items():
            if head is None:
                campaign.heads.pop(group_id, None)
            else:
                campaign.heads[group_id] = head
        campaign.served(len(answer.claimed))
        self.held += answer.held
        if answer.claimed and campaign.state is CampaignState.SCHEDULED:
            campaign.state = CampaignState.RUNNING
            _log.info("campaign.running", campaign=campaign.row.uid, name=campaign.row.spec.name)
        used, unused = asked.split(answer.claimed)
        now_s = trio.current_time()
        calls = [
            self._call(campaign, claimed, slot, now, now_s) for claimed, slot in zip(answer.claimed, used, strict=True)
        ]
        if self.accepting:
            self.started += len(calls)
            self._start_calls(calls)
        else:
            cause = Cause(fault=AtFault.US, detail="dialerd is stopping")
            for call in calls:
                self.ended(call, withdrawn(call, cause, now, now))
        give_back(campaign, unused)
        self._scheduler.unused(campaign, len(asked.slots) - len(answer.claimed))
        if answer.claimed or answer.held or answer.suppressed or not campaign.due_groups(now):
            campaign.stalls = 0
        elif campaign.stalls < len(campaign.caller_ids):
            campaign.stalls += 1  # those who are due keep other caller ids; the rotation comes to each of them
        else:
            campaign.stalls = 0
            self._scheduler.rest(campaign, trio.current_time() + _STALLED_S)

    def _call(self, campaign: LiveCampaign, claimed: Claimed, slot: Slot, now: Instant, now_s: float) -> LiveCall:
        """Return the live call of a claim on the line that it got."""
        if slot.day is not None:
            slot.day.asked -= 1
        day_keys: list[tuple[DayCount, tuple[str, str]]] = []
        if campaign.day is not None or slot.day is not None:
            for day in (campaign.day, slot.day):
                if day is not None:
                    day_keys.append((day, day.key(now)))
                    day.calls += 1
        call = LiveCall(
            claimed=claimed,
            campaign=campaign,
            trunk=slot.trunk,
            permit=slot.permit,
            clock=self._clock,
            changed=self.news,
            claimed_at=now,
            started_at=now_s,
            start_at=slot.start_at,
            probe=slot.probe,
            day_keys=day_keys,
        )
        self.adopt(call)
        return call

    def adopt(self, call: LiveCall) -> None:
        """Count a call as live."""
        self.calls[call.claimed.attempt_id] = call
        call.campaign.live += 1

    def _forget(self, call: LiveCall, end: Ended) -> None:
        """Let a call go whose end is stored."""
        del self.calls[call.claimed.attempt_id]
        call.campaign.live -= 1
        if end.final is None:
            call.campaign.due_again(call.claimed.group_id, end.next_at)

    def _release_withheld(self) -> None:
        """Forget numbers whose entry the next claim will see, unless a call claimed before it has still to leave."""
        if self.withheld:
            waiting = {call.claimed.number for call in self.calls.values() if not call.left}
            for number in [number for number, stored in self.withheld.items() if stored and number not in waiting]:
                del self.withheld[number]

    def _idle_s(self, now: Instant) -> float:
        """Return for how many seconds there is nothing to do, as far as is known."""
        now_s = trio.current_time()
        seconds = min(self._clock.recheck_s, self._news.due_s - now_s)
        if self.accepting:
            at, until_s = self._scheduler.next_wake()
            if at != NEVER:
                seconds = min(seconds, (at - now) / SECOND)
            if until_s is not None:
                seconds = min(seconds, until_s - now_s)
            if self._lines.daemon.free >= 1:
                for queue in self._full:
                    if (free_at := queue.free_at) is not None:
                        seconds = min(seconds, free_at - now_s)
        return max(0.0, seconds)

    def _watch_clock(self, now: Instant) -> None:
        """Look at every campaign anew when the wall clock was stepped: their openings were judged by another time."""
        offset = now - trio.current_time() * SECOND
        if abs(offset - self._offset) > _STEP_MS:
            remedy = SET_BACK if offset < self._offset else SET_FORWARD
            _log.warning("clock.stepped", by_s=round((offset - self._offset) / SECOND), remedy=remedy)
            self._scheduler.touch_all(now)
        self._offset = offset
