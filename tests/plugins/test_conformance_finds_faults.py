"""The conformance suite finds what it is for: for each check, a provider that breaks just this rule fails it."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import evolve
from toy import ANSWERS, BUSY, CAUSE, LOST, REFUSED, RINGS_ON, TALKS_ON, THROTTLED, Toy, ToyNetwork, ToyOptions

from dialerd.model.call import AttemptRef, CallEnd, Reconciliation, WasNotPlaced, WasPlaced
from dialerd.model.states import Amd, AnsweredBy, Outcome
from dialerd.plugin.conformance import CHECKS, ProviderConformance, RehearsedOrder, Scenario, Violation
from dialerd.plugin.hookspecs import ProviderFactory
from dialerd.plugin.provider import (
    Accepted,
    AmdResult,
    Answered,
    CallOrder,
    Digits,
    MaybePlaced,
    NotPlaced,
    Report,
    Ringing,
    Throttled,
    Withdrawn,
)

BY_NAME = {check.__name__: check for check in CHECKS}


class TestToy(ProviderConformance):
    """The toy keeps the contract; so what a flawed one fails is its flaw."""

    factory = ProviderFactory(name="toy", options=ToyOptions, make=Toy)
    answered = Scenario(ANSWERS)
    talks_on = Scenario(TALKS_ON)
    rings_on = Scenario(RINGS_ON)
    busy = Scenario(BUSY)
    refused = Scenario(REFUSED)
    throttled = Scenario(THROTTLED)
    lost = Scenario(LOST)

    @asynccontextmanager
    async def network(self) -> AsyncIterator[Mapping[str, Any]]:
        """Give each check a network of its own."""
        self.far_side = ToyNetwork()
        yield {"network": self.far_side}

    def make(self, options: Mapping[str, Any]) -> Toy:
        """Make a toy; the network of a toy is an object, which no file could hold."""
        network = {"network": options["network"]} if "network" in options else {}
        super().make({key: value for key, value in options.items() if key != "network"})
        return self.factory.make("conformance", ToyOptions(**network))  # type: ignore[return-value]

    def seen(self) -> int:
        """Return how many calls the network has seen."""
        return len(self.far_side.calls)


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
        order.hangup = trio.Event()
        return await super().place(order, report)


class HidesTheAnswer(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        def tell(event: Any) -> None:
            if not isinstance(event, Answered):
                report(event)

        return await super().talk(order, tell)  # type: ignore[arg-type]


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
            raise Throttled(0.5) from throttled  # type: ignore[arg-type]


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
        return None  # type: ignore[return-value]


class FollowsForever(Toy):
    async def follow(self, attempt: AttemptRef, report: Report, hangup: trio.Event) -> CallEnd:
        await trio.sleep_forever()


class FollowsToTheEnd(Toy):
    async def follow(self, attempt: AttemptRef, report: Report, hangup: trio.Event) -> CallEnd:
        return await super().follow(attempt, report, trio.Event())


class OneAtATime(Toy):
    def __init__(self, trunk: str, options: ToyOptions) -> None:
        super().__init__(trunk, options)
        self.lock = trio.Lock()

    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        async with self.lock:
            return await super().place(order, report)


PORTS: set[ToyNetwork | int] = set()


class KeepsItsPort(Toy):
    async def __aenter__(self) -> "KeepsItsPort":
        if id(self.network) in PORTS:
            raise Violation("address already in use")
        PORTS.add(id(self.network))
        return self


class Blocks(Toy):
    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        time.sleep(0.25)  # noqa: ASYNC251  # this is its flaw
        return await super().talk(order, report)


FLAWS = [
    ("leave_is_called_once", NeverLeaves, "leave"),
    ("leave_is_called_once", LeavesTwice, "called 2 times"),
    ("leave_is_called_once", ReportsTooEarly, "before order.leave"),
    ("withdrawn_call_is_not_placed", WrapsTheWithdrawal, "let it pass"),
    ("withdrawn_call_is_not_placed", PlacesTheWithdrawn, "reached the far side"),
    ("line_of_a_withdrawn_call_is_free", LosesWithdrawnLines, "Throttled"),
    ("call_hung_up_before_it_left", IgnoresAnEarlyHangUp, "hung up in advance|did not return"),
    ("answer_is_reported", HidesTheAnswer, "never reported"),
    ("answer_is_reported", ReportsDigitsFirst, "not answered"),
    ("answer_is_reported", RingsAfterTheAnswer, "after Answered"),
    ("answer_is_reported", HandsOverTooMuch, "65536"),
    ("answer_is_reported", RaisesAnything, "OSError"),
    ("answer_is_reported", EndsUncertain, "MaybePlaced"),
    ("answer_is_reported", AnswersBeforeItRings, "instants"),
    ("nothing_is_reported_after_the_end", ReportsAfterTheEnd, "after the call was over"),
    ("detection_is_reported", ContradictsItsDetection, "the end says human"),
    ("busy_is_data", RaisesBusy, "busy line"),
    ("ring_timeout_is_kept", RingsTooLong, "did not return"),
    ("max_duration_is_kept", TalksTooLong, "maximum duration"),
    ("hang_up_when_accepted", IgnoresHangUpsAtOnce, "hung up"),
    ("hang_up_while_it_rings", IgnoresTheHangUp, "hung up"),
    ("hang_up_while_it_rings", CallsHungUpFailed, "failed"),
    ("hang_up_during_the_call", IgnoresTheHangUp, "hung up"),
    ("hang_up_during_the_call", CallsHungUpFailed, "failed"),
    ("cancellation_is_clean", SwallowsCancellation, "swallowed"),
    ("cancellation_is_clean", LeavesTasksBehind, "still live"),
    ("cancellation_is_clean", LosesWithdrawnLines, "Throttled"),
    ("refused_call_is_not_placed", PlacesWhatItRefuses, "denied"),
    ("refused_call_is_not_placed", RefusesWithoutException, "scenario refused"),
    ("throttled_call_is_not_placed", ThrottlesInSeconds, "whole milliseconds"),
    ("lost_call_may_have_been_placed", DeniesLostCalls, "may have rung"),
    ("lost_call_may_have_been_placed", ForgetsCalls, "dialled again"),
    ("unknown_attempt_was_not_placed", ThinksAllIsAlive, "never got"),
    ("unknown_attempt_was_not_placed", AnswersNothing, "return WasPlaced"),
    ("ended_call_was_placed", ForgetsCalls, "in the same life"),
    ("ended_call_was_placed", KnowsByReferenceOnly, "without reference"),
    ("ended_call_was_placed", ThinksAllIsAlive, "alive which is over"),
    ("live_call_was_placed", ForgetsCalls, "dialled again"),
    ("live_call_was_placed", FollowsForever, "follow did not return"),
    ("followed_call_can_be_hung_up", FollowsToTheEnd, "follow did not return"),
    ("calls_go_on_at_once", OneAtATime, "only 1 of 10"),
    ("trunk_can_be_entered_again", KeepsItsPort, "already in use"),
    ("trunk_can_be_entered_again", TasksOutliveIt, "still live"),
    ("event_loop_is_not_blocked", Blocks, "held"),
]


def stage(flawed: Callable[[str, Any], Any]) -> TestToy:
    """Return the suite over a flawed toy."""
    suite = TestToy()
    suite.factory = evolve(TestToy.factory, make=flawed)  # type: ignore[misc]  # for this one suite only
    return suite


@pytest.mark.parametrize(("check", "flawed", "words"), FLAWS, ids=lambda value: getattr(value, "__name__", None))
def test_flaw_is_found(check: str, flawed: type[Toy], words: str) -> None:
    """A provider with a flaw fails the check that is for it, in words that name it."""
    with pytest.raises(Violation, match=words):
        stage(flawed).run(BY_NAME[check])


def test_every_check_has_a_flaw() -> None:
    """No check is without a provider that fails it."""
    assert {check for check, *_ in FLAWS} == set(BY_NAME)


def test_missing_scenario_is_skipped_by_name() -> None:
    """A check whose scenario is not given is skipped, and the reason names the scenario."""
    suite = TestToy()
    suite.busy = None  # type: ignore[misc,assignment]  # for this one suite only
    with pytest.raises(pytest.skip.Exception, match="no scenario busy"):
        suite.run(BY_NAME["busy_is_data"])


def test_lax_options_are_found() -> None:
    """A provider that takes any option fails the suite."""
    with pytest.raises(Violation, match="slip of the pen"):
        LaxSuite().test_unknown_option_is_a_fault()


class LaxSuite(TestToy):
    """A suite over a provider that does not read its options strictly."""

    __test__ = False

    def make(self, options: Mapping[str, Any]) -> Toy:
        """Make a toy whatever the options are."""
        return Toy("conformance", ToyOptions())


def test_order_notes_when_it_leaves() -> None:
    """The suite's order is a `CallOrder` and keeps the time of each leaving."""
    suite = TestToy()

    async def leave(rehearsal: Any) -> None:
        order = rehearsal.order("answered")
        assert isinstance(order, RehearsedOrder)
        order.leave()
        assert order.left_at_s == [trio.current_time()]

    leave.needs = ("answered",)  # type: ignore[attr-defined]
    suite.run(leave)
