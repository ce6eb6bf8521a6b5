"""Providers with one flaw each, which the conformance suite has to find."""

import time
from typing import Any

import trio
from attrs import evolve
from toy import CAUSE, Toy, ToyOptions

from dialerd.model.call import AttemptRef, CallEnd, Reconciliation, WasNotPlaced, WasPlaced
from dialerd.model.states import Amd, AnsweredBy, Outcome
from dialerd.plugin.provider import (
    Accepted,
    AmdResult,
    Answered,
    CallOrder,
    Digits,
    HangUp,
    MaybePlaced,
    NotPlaced,
    Report,
    Ringing,
    Throttled,
    TrunkSite,
    Withdrawn,
)


class NeverLeaves(Toy):
    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        return await self.talk(order, report)


class LeavesTwice(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        order.leave()
        return await super().talk(order, report)


class ReportsTooEarly(Toy):
    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        report(Accepted("early"))
        return await super().place(order, report)


class WrapsTheWithdrawal(Toy):
    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        try:
            return await super().place(order, report)
        except Withdrawn as withdrawn:
            raise NotPlaced(CAUSE) from withdrawn


class PlacesTheWithdrawn(Toy):
    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        self.network.calls[order.attempt_id] = None
        return await super().place(order, report)


class LosesWithdrawnLines(Toy):
    busy = 0

    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        if self.busy >= 10:
            raise Throttled(None)
        self.busy += 1
        end = await super().place(order, report)
        self.busy -= 1  # not reached when leave or a cancellation raises
        return end


class IgnoresAnEarlyHangUp(Toy):
    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        order.hangup = HangUp()
        return await super().place(order, report)


class HidesTheAnswer(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        def tell(event: Any) -> None:
            if not isinstance(event, Answered):
                report(event)

        return await super().talk(order, tell)  # type: ignore[arg-type]  # it hands over no state


class ReportsDigitsFirst(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        report(Digits("1"))
        return await super().talk(order, report)


class RingsAfterTheAnswer(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        end = await super().talk(order, report)
        report(Ringing())
        return end


class HandsOverTooMuch(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        report.state(b"x" * 65537)
        return await super().talk(order, report)


class ReportsAfterTheEnd(Toy):
    async def __aenter__(self) -> "ReportsAfterTheEnd":
        self.manager = trio.open_nursery()
        self.nursery = await self.manager.__aenter__()
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self.manager.__aexit__(*exc)

    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        end = await super().place(order, report)

        async def later() -> None:
            await trio.sleep(0.1)
            report(Digits("9"))

        self.nursery.start_soon(later)
        return end


class OptsOutAfterTheEnd(ReportsAfterTheEnd):
    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        end = await Toy.place(self, order, report)
        self.nursery.start_soon(report.opt_out)
        return end


class OptsOutTooEarly(Toy):
    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        await report.opt_out()
        return await super().place(order, report)


class KnowsItAlready(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        return evolve(await super().talk(order, report), afterwards={"price": "0.01"})


class TakesAnyCall(Toy):
    async def reconcile(self, attempt: AttemptRef) -> Reconciliation:
        await trio.lowlevel.checkpoint()
        return next((WasPlaced(end=end) for end in self.network.calls.values()), WasNotPlaced())


class NamesCallsByNumber(Toy):
    async def reconcile(self, attempt: AttemptRef) -> Reconciliation:
        answer = await super().reconcile(attempt)
        return evolve(answer, reference=7) if isinstance(answer, WasPlaced) else answer


class ContradictsItsDetection(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        end = await super().talk(order, report)
        if order.amd is Amd.DETECT:
            report(AmdResult(AnsweredBy.MACHINE))
            return evolve(end, answered_by=AnsweredBy.HUMAN)
        return end


class RaisesBusy(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        end = await super().talk(order, report)
        if end.outcome is Outcome.BUSY:
            raise NotPlaced(CAUSE)
        return end


class RaisesAnything(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        raise OSError("connection reset")


class EndsUncertain(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        return evolve(await super().talk(order, report), outcome=Outcome.UNCERTAIN)


class AnswersBeforeItRings(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        return evolve(await super().talk(order, report), ringing_at=2, answered_at=1)


class RingsTooLong(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        order.ring_timeout += 3_600_000
        return await super().talk(order, report)


class TalksTooLong(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        order.max_duration += 30_000
        return await super().talk(order, report)


class IgnoresTheHangUp(Toy):
    async def wait(self, order: CallOrder, seconds: float) -> bool:
        await trio.sleep(seconds)
        return order.hangup.is_set()


class IgnoresHangUpsAtOnce(Toy):
    async def wait(self, order: CallOrder, seconds: float) -> bool:
        if order.hangup.is_set():
            await trio.sleep(seconds)
            return False
        return await super().wait(order, seconds)


class CallsHungUpFailed(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        end = await super().talk(order, report)
        return evolve(end, outcome=Outcome.FAILED) if order.hangup.is_set() else end


class SwallowsCancellation(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        try:
            return await super().talk(order, report)
        except trio.Cancelled:
            return CallEnd(outcome=Outcome.CANCELLED)


class LeavesTasksBehind(ReportsAfterTheEnd):
    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        self.nursery.start_soon(trio.sleep_forever)
        return await Toy.place(self, order, report)

    async def __aexit__(self, *exc: Any) -> None:
        self.nursery.cancel_scope.cancel()
        await super().__aexit__(*exc)


class TasksOutliveIt(Toy):
    async def __aenter__(self) -> "TasksOutliveIt":
        async def linger() -> None:
            with trio.move_on_after(100):
                await trio.sleep_forever()

        trio.lowlevel.spawn_system_task(linger)
        return self


class PlacesWhatItRefuses(Toy):
    async def reconcile(self, attempt: AttemptRef) -> Reconciliation:
        return WasPlaced(end=CallEnd(outcome=Outcome.ANSWERED))


class RefusesWithoutException(Toy):
    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        try:
            return await super().place(order, report)
        except NotPlaced:
            return CallEnd(outcome=Outcome.FAILED)


class ThrottlesInSeconds(Toy):
    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        try:
            return await super().place(order, report)
        except Throttled as throttled:
            raise Throttled(0.5) from throttled  # type: ignore[arg-type]  # this is its flaw


class DeniesLostCalls(Toy):
    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        try:
            return await super().place(order, report)
        except MaybePlaced as lost:
            raise NotPlaced(lost.cause) from lost


class ForgetsCalls(Toy):
    async def reconcile(self, attempt: AttemptRef) -> Reconciliation:
        return WasNotPlaced()


class KnowsByReferenceOnly(Toy):
    async def reconcile(self, attempt: AttemptRef) -> Reconciliation:
        return WasNotPlaced() if attempt.reference is None else await super().reconcile(attempt)


class ThinksAllIsAlive(Toy):
    async def reconcile(self, attempt: AttemptRef) -> Reconciliation:
        return WasPlaced(end=None)


class AnswersNothing(Toy):
    async def reconcile(self, attempt: AttemptRef) -> Reconciliation:
        return None  # type: ignore[return-value]  # this is its flaw


class FollowsForever(Toy):
    async def follow(self, attempt: AttemptRef, report: Report, hangup: HangUp) -> CallEnd:
        await trio.sleep_forever()


class FollowsToTheEnd(Toy):
    async def follow(self, attempt: AttemptRef, report: Report, hangup: HangUp) -> CallEnd:
        return await super().follow(attempt, report, HangUp())


class OneAtATime(Toy):
    def __init__(self, site: TrunkSite, options: ToyOptions) -> None:
        super().__init__(site, options)
        self.lock = trio.Lock()

    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        async with self.lock:
            return await super().place(order, report)


class KeepsItsPort(Toy):
    async def __aenter__(self) -> "KeepsItsPort":
        if self.network.taken:
            raise OSError("address already in use")
        self.network.taken = True
        return self


class Blocks(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        time.sleep(0.25)  # noqa: ASYNC251  # this is its flaw
        return await super().talk(order, report)
