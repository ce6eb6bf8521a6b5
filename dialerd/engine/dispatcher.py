"""The dispatcher: turn after turn, store what has ended, claim what the free lines can carry, let the calls go.

One task, one transaction a turn. While a turn is being committed, calls end and lines free; the next turn takes all of
it at once, so that batches grow with the load and nobody waits when there is none. Ends go before claims in a turn,
so that what a claim learns of due instants is never older than the retries that memory knows.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog
import trio
from sqlalchemy import Connection

from dialerd.engine.asking import Asked, Slot, give_back
from dialerd.engine.campaign import LiveCampaign
from dialerd.engine.clock import Clock, Steps
from dialerd.engine.conclude import withdrawn
from dialerd.engine.days import DayCount
from dialerd.engine.lines import Lines
from dialerd.engine.live import LiveCall, OptsOut
from dialerd.engine.news import News
from dialerd.engine.scheduler import Scheduler
from dialerd.engine.sharing import Sharing
from dialerd.engine.tempo import Tempo
from dialerd.engine.withheld import Withheld
from dialerd.model.call import Cause
from dialerd.model.errors import StoreError, StoreLost
from dialerd.model.instants import Instant
from dialerd.model.settings import PersonSettings
from dialerd.model.states import AtFault, AttemptState, CampaignState, Rule
from dialerd.plugin.telling import tell
from dialerd.rules.reminders import Reminder
from dialerd.store import turn
from dialerd.store.claiming import Answer, Claimed
from dialerd.store.ending import Ended
from dialerd.store.store import Store
from dialerd.store.suppressions import Entry
from dialerd.store.turn import Turn

_log = structlog.get_logger()

_STORE_RETRY_S = 1.0
_LOOK_S = 1.0


class Caller(Protocol):
    """Starts the tasks of calls that were claimed together."""

    def __call__(self, calls: Sequence[LiveCall]) -> None:
        """Start them; must not fail."""


class Suppresses(OptsOut, Protocol):
    """Stores the do-not-call entries that calls bring with them."""

    def write(self, connection: Connection, entries: Sequence[Entry]) -> Mapping[int, int]:
        """Store them in a transaction; return how many queued recipients of which campaign they ended."""

    def entered(self, ended: Mapping[int, int]) -> None:
        """Take note that they are durable."""


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
        suppresses: stores do-not-call entries; set before it runs.
        beats: grows whenever it has looked round, every second at least; one that stands still is stuck, unless
        storing: it waits for the disk.
        started: calls that it has let go in this life.
        tempo: how many a second, of late.
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
        self.suppresses: Suppresses
        self.limits = PersonSettings()
        self.withheld = Withheld()
        self.accepting = False
        self.calls: dict[int, LiveCall] = {}  # by attempt, until their end is stored
        self.held: Counter[Rule] = Counter()  # how often each rule put somebody off
        self.turns = 0
        self.beats = 0
        self.storing = False
        self.started = 0
        self.tempo = Tempo(trio.current_time())
        self._store = store
        self._scheduler = scheduler
        self._sharing = Sharing(scheduler, lines, idle)
        self._clock = clock
        self._start_calls = start_calls
        self._idle = idle
        self._ended: list[tuple[LiveCall, Ended]] = []
        self._entries: list[Entry] = []
        self._news = News()
        self._telling: frozenset[LiveCall] = frozenset()  # whose news are being stored
        self._waiting: dict[LiveCall, Callable[[bool], None]] = {}  # who is told when theirs are
        self._lost: StoreLost | None = None
        self._wake = trio.Event()
        self._turned = trio.Event()
        self._trouble = Reminder()
        self._closed = False
        self._finished = trio.Event()
        self._steps = Steps(clock.now())

    def wake(self) -> None:
        """Let the next turn begin now."""
        self._wake.set()

    def news(self, call: LiveCall) -> None:
        """Take note that `call` has something to store while it goes on."""
        if self._news.add(call):
            self._wake.set()  # so that the sleep under way ends in time

    def notify_stored(self, call: LiveCall, told: Callable[[bool], None] | None) -> None:
        """Have what a call has reported stored with the next turn, and tell it; see `Report.notify_stored`."""
        if told is None:
            self._waiting.pop(call, None)
        elif self._lost is None and (self._news.has(call) or call in self._telling):
            self._waiting[call] = told
            self._hurry()
        else:
            tell(told, self._lost is None, over="stored")

    def _hurry(self) -> None:
        """Have the news stored with the next turn."""
        self._news.hurry()
        self._wake.set()

    def ended(self, call: LiveCall, end: Ended) -> None:
        """Take the end of a call: its lines are free at once, its row follows with the next turn."""
        call.ended = True
        self._news.drop(call)
        self._waiting.pop(call, None)
        self._ended.append((call, end))
        self._sharing.release(call)
        self._wake.set()

    def suppress(self, entry: Entry) -> None:
        """Enter a number as not to be called: no call to it leaves from now on, and the next turn stores it."""
        self.withheld.hold((entry.number,), entry.scope)
        self._entries.append(entry)
        self._wake.set()

    def release(self, call: LiveCall) -> None:
        """Let a call's lines go to whoever waits for them."""
        self._sharing.release(call)
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
        """Wait until no call is on; attempts about which a carrier is still being asked are left to the next life.

        The ends may still have to be stored.
        """
        while any(not call.ended and call.phase is not AttemptState.UNCERTAIN for call in self.calls.values()):
            with trio.move_on_after(_LOOK_S):  # no turn comes while the disk hangs, and calls end all the same
                await self._turned.wait()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take turns until `finish` was called and everything is stored. Must not be cancelled before."""
        task_status.started()
        while True:
            self.beats += 1
            self._wake = trio.Event()
            now = self._clock.now()
            if self._steps.stepped(now):
                self._scheduler.touch_all(now)  # their openings were judged by another time
            self.withheld.release(self.calls.values())
            asked = self._sharing.ask(now) if self.accepting else []
            news = self._news.take(now_s=math.inf if self._closed else trio.current_time())
            if asked or self._ended or news or self._entries:
                await self._turn(asked, news, now)
            elif self._closed:
                self._finished.set()
                return
            else:
                with trio.move_on_after(self._idle_s(now)):
                    await self._wake.wait()

    async def _turn(self, asked: list[Asked], news: list[LiveCall], now: Instant) -> None:
        ended, self._ended = self._ended, []
        entries, self._entries = self._entries, []
        suppressed: dict[int, int] = {}

        def enter(connection: Connection) -> None:
            suppressed.clear()  # a transaction that is rolled back is begun anew
            suppressed.update(self.suppresses.write(connection, entries))

        self._telling = frozenset(news)
        progress = [call.progress() for call in news]
        self.storing = True
        try:
            answers = await self._store.write(
                turn.take,
                Turn(
                    ended=[end for _, end in ended],
                    progress=progress,
                    asks=[one.ask for one in asked],
                    enter=enter if entries else None,
                    limits=self.limits,
                    now=now,
                ),
            )
        except StoreError as error:
            self._entries[:0] = entries
            await self._put_off(ended, news, asked, error)
            return
        finally:
            self.storing = False
        self.turns += 1
        self._telling = frozenset()
        self._trouble.over()
        self._turned.set()
        self._turned = trio.Event()
        self._tell_stored()
        if entries:
            for entry in entries:
                self.withheld.stored((entry.number,), entry.scope)
            self.suppresses.entered(suppressed)
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

    def _tell_stored(self) -> None:
        """Tell those whose news a turn has stored; what has come meanwhile is stored with the next one."""
        for call in tuple(self._waiting):
            if self._news.has(call):
                self._hurry()
            elif (told := self._waiting.pop(call, None)) is not None:
                tell(told, True, over="stored")

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
            for entry in self._entries:  # the numbers stay withheld in this life
                remedy = "when the database is mended, enter the number of this call as not to be called: its person "
                remedy += "asked for it"
                _log.error("suppression.not_stored", source=entry.source, remedy=remedy)
            self._entries.clear()
            self._lost, self._telling = error, frozenset()
            self.close()
            waiting, self._waiting = self._waiting, {}
            for told in waiting.values():
                tell(told, False, over="stored")
            self._turned.set()
            self._turned = trio.Event()
            return
        self._ended[:0] = ended
        self._telling = frozenset()
        for call in news:
            self.news(call)
        if self._waiting:
            self._hurry()
        await trio.sleep(_STORE_RETRY_S)
        for one in asked:  # they rest until their answer is here, and it will not come
            self._scheduler.touch(one.campaign, self._clock.now())

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
            self.tempo.count(len(calls), now_s)
            self._start_calls(calls)
        else:
            cause = Cause(fault=AtFault.US, detail="dialerd is stopping")
            for call in calls:
                self.ended(call, withdrawn(call, cause, now, now))
        give_back(campaign, unused)
        self._sharing.answered(asked, answer, now)

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
            opts_out=self.suppresses,
            stores=self.notify_stored,
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

    def _idle_s(self, now: Instant) -> float:
        """Return for how many seconds there is nothing to do, as far as is known."""
        seconds = min(self._clock.recheck_s, self._news.due_s - trio.current_time())
        if self.accepting:
            seconds = min(seconds, self._sharing.wake_s(now))
        return max(0.0, seconds)
