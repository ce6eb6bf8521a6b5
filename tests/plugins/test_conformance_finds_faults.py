"""The conformance suite finds what it is for: for each check, a provider that breaks just this rule fails it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import flawed
import pytest
import trio
from attrs import evolve
from toy import ANSWERS, BUSY, LOST, REFUSED, RINGS_ON, TALKS_ON, THROTTLED, Toy, ToyNetwork, ToyOptions

from dialerd.plugin.conformance import CHECKS, ProviderConformance, RehearsedOrder, Scenario, Violation
from dialerd.plugin.hookspecs import ProviderFactory
from dialerd.plugin.provider import TrunkSite

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
        return self.factory.make(self.site(), ToyOptions(**network))  # type: ignore[return-value]  # it is a toy

    def seen(self) -> int:
        """Return how many calls the network has seen."""
        return len(self.far_side.calls)


FLAWS = [
    ("leave_is_called_once", flawed.NeverLeaves, "leave"),
    ("leave_is_called_once", flawed.LeavesTwice, "called 2 times"),
    ("leave_is_called_once", flawed.ReportsTooEarly, "before order.leave"),
    ("leave_is_called_once", flawed.OptsOutTooEarly, "opt_out was called before"),
    ("withdrawn_call_is_not_placed", flawed.WrapsTheWithdrawal, "let it pass"),
    ("withdrawn_call_is_not_placed", flawed.PlacesTheWithdrawn, "reached the far side"),
    ("line_of_a_withdrawn_call_is_free", flawed.LosesWithdrawnLines, "Throttled"),
    ("call_hung_up_before_it_left", flawed.IgnoresAnEarlyHangUp, "hung up in advance|did not return"),
    ("answer_is_reported", flawed.HidesTheAnswer, "never reported"),
    ("answer_is_reported", flawed.ReportsDigitsFirst, "not answered"),
    ("answer_is_reported", flawed.RingsAfterTheAnswer, "after Answered"),
    ("answer_is_reported", flawed.HandsOverTooMuch, "65536"),
    ("answer_is_reported", flawed.RaisesAnything, "OSError"),
    ("answer_is_reported", flawed.EndsUncertain, "MaybePlaced"),
    ("answer_is_reported", flawed.AnswersBeforeItRings, "instants"),
    ("answer_is_reported", flawed.KnowsItAlready, "async function"),
    ("nothing_is_reported_after_the_end", flawed.ReportsAfterTheEnd, "after the call was over"),
    ("nothing_is_reported_after_the_end", flawed.OptsOutAfterTheEnd, "say it in CallEnd"),
    ("detection_is_reported", flawed.ContradictsItsDetection, "the end says human"),
    ("busy_is_data", flawed.RaisesBusy, "busy line"),
    ("ring_timeout_is_kept", flawed.RingsTooLong, "did not return"),
    ("max_duration_is_kept", flawed.TalksTooLong, "maximum duration"),
    ("hang_up_when_accepted", flawed.IgnoresHangUpsAtOnce, "hung up"),
    ("hang_up_while_it_rings", flawed.IgnoresTheHangUp, "hung up"),
    ("hang_up_while_it_rings", flawed.CallsHungUpFailed, "failed"),
    ("hang_up_during_the_call", flawed.IgnoresTheHangUp, "hung up"),
    ("hang_up_during_the_call", flawed.CallsHungUpFailed, "failed"),
    ("cancellation_is_clean", flawed.SwallowsCancellation, "swallowed"),
    ("cancellation_is_clean", flawed.LeavesTasksBehind, "still live"),
    ("cancellation_is_clean", flawed.LosesWithdrawnLines, "Throttled"),
    ("refused_call_is_not_placed", flawed.PlacesWhatItRefuses, "denied"),
    ("refused_call_is_not_placed", flawed.RefusesWithoutException, "scenario refused"),
    ("throttled_call_is_not_placed", flawed.ThrottlesInSeconds, "whole milliseconds"),
    ("lost_call_may_have_been_placed", flawed.DeniesLostCalls, "may have rung"),
    ("lost_call_may_have_been_placed", flawed.ForgetsCalls, "dialled again"),
    ("unknown_attempt_was_not_placed", flawed.ThinksAllIsAlive, "never got"),
    ("unknown_attempt_was_not_placed", flawed.AnswersNothing, "return WasPlaced"),
    ("ended_call_was_placed", flawed.ForgetsCalls, "in the same life"),
    ("ended_call_was_placed", flawed.NamesCallsByNumber, "is text"),
    ("ended_call_was_placed", flawed.KnowsByReferenceOnly, "without reference"),
    ("ended_call_was_placed", flawed.ThinksAllIsAlive, "alive which is over"),
    ("others_are_not_taken", flawed.TakesAnyCall, "another attempt's"),
    ("live_call_was_placed", flawed.ForgetsCalls, "dialled again"),
    ("live_call_was_placed", flawed.FollowsForever, "follow did not return"),
    ("followed_call_can_be_hung_up", flawed.FollowsToTheEnd, "follow did not return"),
    ("calls_go_on_at_once", flawed.OneAtATime, "only 1 of 10"),
    ("trunk_can_be_entered_again", flawed.KeepsItsPort, "already in use"),
    ("trunk_can_be_entered_again", flawed.TasksOutliveIt, "still live"),
    ("event_loop_is_not_blocked", flawed.Blocks, "held"),
]


def stage(make: Callable[[TrunkSite, Any], Any]) -> TestToy:
    """Return the suite over a flawed toy."""
    suite = TestToy()
    suite.factory = evolve(TestToy.factory, make=make)  # type: ignore[misc]  # for this one suite only
    return suite


@pytest.mark.parametrize(("check", "broken", "words"), FLAWS, ids=lambda value: getattr(value, "__name__", None))
def test_flaw_is_found(check: str, broken: type[Toy], words: str) -> None:
    """A provider with a flaw fails the check that is for it, in words that name it."""
    with pytest.raises(Violation, match=words):
        stage(broken).run(BY_NAME[check])


def test_every_check_has_a_flaw() -> None:
    """No check is without a provider that fails it."""
    assert {check for check, *_ in FLAWS} == set(BY_NAME)


def test_missing_scenario_is_skipped_by_name() -> None:
    """A check whose scenario is not given is skipped, and the reason names the scenario."""
    suite = TestToy()
    suite.busy = None  # type: ignore[misc, assignment]  # for this one suite only
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
        return Toy(self.site(), ToyOptions())


def test_order_notes_when_it_leaves() -> None:
    """The suite's order is a `CallOrder` and keeps the time of each leaving."""
    suite = TestToy()

    async def leave(rehearsal: Any) -> None:
        order = rehearsal.order("answered")
        assert isinstance(order, RehearsedOrder)
        order.leave()
        assert order.left_at_s == [trio.current_time()]

    leave.needs = ("answered",)  # type: ignore[attr-defined]  # as `needs` does
    suite.run(leave)
