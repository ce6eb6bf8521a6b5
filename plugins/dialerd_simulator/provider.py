"""The provider `simulator`: places calls into a pretended phone network.

A call with neither ring nor talk time costs one turn of the event loop, no thread and no timer, so that benchmarks
measure the daemon and forecasts take seconds. Durations are on trio's clock, which may be virtual; instants are
left to the daemon, which takes them at the reports.
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import trio
from attrs import evolve, frozen

from dialerd.model.call import AttemptRef, CallEnd, CannotTell, Cause, Reconciliation, WasNotPlaced, WasPlaced
from dialerd.model.instants import Duration, Instant
from dialerd.model.states import Amd, AtFault, OnVoicemail, Outcome
from dialerd.plugin.hangup import HangUp
from dialerd.plugin.provider import (
    Accepted,
    AmdResult,
    Answered,
    CallOrder,
    MaybePlaced,
    NotPlaced,
    Report,
    Ringing,
    TrunkSite,
)
from dialerd_simulator.carrier import OUT_OF_SERVICE, Carrier
from dialerd_simulator.course import Course, course
from dialerd_simulator.ends import PLAIN, cut_end
from dialerd_simulator.fate import Fates, Loss
from dialerd_simulator.ledger import Ledger, LedgerError
from dialerd_simulator.options import SimulatorOptions
from dialerd_simulator.timers import Timers

_RINGING: Final = Ringing()
_ANSWERED: Final = Answered()

_REFUSED: Final = Cause(fault=AtFault.PROVIDER, code="500", detail="the simulated provider refused the call")
_LOST: Final = Cause(fault=AtFault.PROVIDER, code="408", detail="the simulated provider did not answer")
_HUNG_UP_FIRST: Final = Cause(fault=AtFault.US, detail="hung up before it left")

_DOUBTFUL_MOST: Final = 10_000  # without a ledger: lost calls that are remembered, the latest ones


@frozen
class _Placed:
    """What the network knows of a call: when it took it, how long ago that is, and how many to its number before."""

    at: Instant
    passed: Duration
    nth: int


class Simulator:
    """A simulated trunk.

    Args:
        site: the trunk's site.
        options: what the network does.
        now: tells the instant of a line in the ledger; the system's clock unless a test has its own.
    """

    def __init__(self, site: TrunkSite, options: SimulatorOptions, *, now: Callable[[], Instant] | None = None) -> None:
        self._site = site
        self._options = options
        self._now = now or _system_now
        self._fates = Fates(options)
        self._ledger: Ledger | None = None
        self._calls = 0
        self._counts: dict[str, int] = {}
        self._doubtful: dict[str, float | None] = {}
        self._timers = Timers()
        self._courses: dict[tuple[Duration, Duration], Course] = {}

    async def __aenter__(self) -> Self:
        """Open the ledger, where there is one, and start the clock of the outages.

        Raises:
            LedgerError: the ledger cannot be opened or read.
        """
        options = self._options
        self._carrier = Carrier(options, trio.current_time())
        self._timing = trio.CancelScope()
        trio.lowlevel.spawn_system_task(self._tell_time)
        self._counts = dict.fromkeys(options.numbers, 0)
        if options.ledger is not None:
            self._ledger = await Ledger.open(options.ledger, frozenset(options.numbers))
            if self._counts:
                self._counts = await self._ledger.count()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the ledger."""
        self._timing.cancel()
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        """Place a call as the options will have it; see `Provider.place`."""
        # A call without duration yields to nobody from here to the line in the ledger, and needs not: its task has
        # just begun. A cancellation finds it here, not placed.
        await trio.lowlevel.checkpoint_if_cancelled()
        if order.hangup.is_set():
            raise NotPlaced(_HUNG_UP_FIRST)
        order.leave()
        carrier = self._carrier
        if not carrier.refuses_nothing:
            if silence := carrier.silence(trio.current_time()):
                await self._timers.wait(min(silence, order.ring_timeout) / 1_000, order.hangup)
                raise NotPlaced(OUT_OF_SERVICE)
            carrier.admit(self._calls, trio.current_time())
        self._calls += 1
        try:
            return await self._call(order, report)
        finally:
            self._calls -= 1

    async def reconcile(self, attempt: AttemptRef) -> Reconciliation:
        """Look the attempt up in the ledger; without one only the lost calls of this process are known.

        Raises:
            LedgerError: the ledger cannot be read now.
        """
        placed = await self._look_up(attempt.attempt_id)
        if not isinstance(placed, _Placed):
            return placed
        way = self._course(attempt, placed.nth)
        if placed.passed < way.lasts:
            return WasPlaced(end=None)
        return WasPlaced(end=_dated(way, way.end, placed, way.lasts))

    async def follow(self, attempt: AttemptRef, report: Report, hangup: HangUp) -> CallEnd:
        """Stay with a call until its time is over or it is hung up."""
        placed = await self._look_up(attempt.attempt_id)
        if isinstance(placed, WasNotPlaced):
            raise NotPlaced(_LOST)
        if isinstance(placed, CannotTell):
            raise MaybePlaced(_LOST)
        way = self._course(attempt, placed.nth)
        self._calls += 1
        try:
            end = await self._live(way, report, hangup, placed.passed)
        finally:
            self._calls -= 1
        return _dated(way, end, placed, None)

    async def _tell_time(self) -> None:
        with self._timing:
            await self._timers.run()

    async def _call(self, order: CallOrder, report: Report) -> CallEnd:
        number, attempt_id = order.number, order.attempt_id
        nth = self._counts.get(number, 0)
        fate = self._fates.of(attempt_id, number, order.amd, nth)
        if fate.loss is Loss.REFUSED:
            raise NotPlaced(_REFUSED)
        if fate.loss is Loss.BEFORE:
            self._doubt(attempt_id, None)
            raise MaybePlaced(_LOST)
        if number in self._counts:
            self._counts[number] = nth + 1
        if self._ledger is not None:
            await self._write(self._ledger, order)
        if fate.loss is Loss.AFTER:
            self._doubt(attempt_id, trio.current_time())
            raise MaybePlaced(_LOST)
        report(Accepted(attempt_id))
        on_voicemail = order.agent.on_voicemail
        if order.amd is Amd.DETECT:
            report.state(f"{order.amd} {on_voicemail}".encode())
        if fate is self._fates.certain:  # so is the course of all calls with the same bounds
            bounds = order.ring_timeout, order.max_duration
            way = self._courses.get(bounds) or self._courses.setdefault(bounds, course(fate, *bounds, on_voicemail))
        else:
            way = course(fate, order.ring_timeout, order.max_duration, on_voicemail)
        return await self._live(way, report, order.hangup, 0)

    async def _live(self, way: Course, report: Report, hangup: HangUp, passed: Duration) -> CallEnd:
        """Go the course of a call from `passed` on, reporting; return its end."""
        if way.ring_time:
            report(_RINGING)
            if passed < way.ring_time and await self._timers.wait((way.ring_time - passed) / 1_000, hangup):
                return PLAIN[Outcome.CANCELLED]
        elif hangup.is_set():
            return PLAIN[Outcome.CANCELLED]
        if not way.answered:
            return way.end
        report(_ANSWERED)
        if way.answered_by is not None:
            report(AmdResult(way.answered_by))
        left = way.lasts - max(passed, way.ring_time)
        if left > 0 and await self._timers.wait(left / 1_000, hangup):
            return cut_end(way.end)
        return way.end

    async def _write(self, ledger: Ledger, order: CallOrder) -> None:
        try:
            ledger.write(order.attempt_id, order.number, order.caller_id, self._now())
        except LedgerError as error:
            raise NotPlaced(evolve(_REFUSED, detail=str(error))) from error
        try:
            await ledger.settle()
        except LedgerError as error:
            raise MaybePlaced(evolve(_LOST, detail=str(error))) from error

    def _doubt(self, attempt_id: str, placed_s: float | None) -> None:
        """Remember a lost call where no ledger does, and when the network took it."""
        if self._ledger is None:
            if len(self._doubtful) >= _DOUBTFUL_MOST:
                del self._doubtful[next(iter(self._doubtful))]
            self._doubtful[attempt_id] = placed_s

    async def _look_up(self, attempt_id: str) -> _Placed | WasNotPlaced | CannotTell:
        if self._ledger is not None:
            entry = await self._ledger.find(attempt_id)
            if entry is None:
                return WasNotPlaced()
            return _Placed(entry.at, max(0, self._now() - entry.at), entry.nth)
        await trio.lowlevel.checkpoint()
        if attempt_id not in self._doubtful:
            return CannotTell(reason=f"trunk {self._site.name} keeps no ledger; set options.ledger to be able to tell")
        placed_s = self._doubtful[attempt_id]
        if placed_s is None:
            return WasNotPlaced()
        passed = int((trio.current_time() - placed_s) * 1000)
        return _Placed(self._now() - passed, passed, 0)

    def _course(self, attempt: AttemptRef, nth: int) -> Course:
        # State is handed over for calls with detection only.
        amd, on_voicemail = (attempt.state or f"{Amd.OFF} {OnVoicemail.HANG_UP}".encode()).decode().split()
        fate = self._fates.of(attempt.attempt_id, attempt.number, Amd(amd), nth)
        return course(fate, attempt.ring_timeout, attempt.max_duration, OnVoicemail(on_voicemail))


def _dated(way: Course, end: CallEnd, placed: _Placed, lasted: Duration | None) -> CallEnd:
    """Return an end with the instants that lie in a former life; `lasted` None = it ends now."""
    answered = way.answered and end.outcome is not Outcome.CANCELLED
    return evolve(
        end,
        ringing_at=placed.at if way.ring_time else None,
        answered_at=placed.at + way.ring_time if answered else None,
        ended_at=None if lasted is None else placed.at + lasted,
    )


def _system_now() -> Instant:
    return time.time_ns() // 1_000_000
