"""The suite: collects the checks, sets the stage for each and runs it under pytest."""

import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar, Final

import pytest
import trio
import trio.testing

from dialerd.model.errors import InvalidInput
from dialerd.model.settings import AgentSettings
from dialerd.model.structuring import structure
from dialerd.plugin.conformance import ending, events, leaving, recovery, refusals, sharing
from dialerd.plugin.conformance.rehearsal import Rehearsal
from dialerd.plugin.conformance.scenario import Scenario, Tempo, Violation, require
from dialerd.plugin.hookspecs import ProviderFactory
from dialerd.plugin.provider import Provider, TrunkSite

Check = Callable[[Rehearsal], Awaitable[None]]

CHECKS: Final[tuple[Check, ...]] = (
    leaving.leave_is_called_once,
    leaving.withdrawn_call_is_not_placed,
    leaving.line_of_a_withdrawn_call_is_free,
    leaving.call_hung_up_before_it_left,
    events.answer_is_reported,
    events.nothing_is_reported_after_the_end,
    events.detection_is_reported,
    events.busy_is_data,
    ending.ring_timeout_is_kept,
    ending.max_duration_is_kept,
    ending.hang_up_when_accepted,
    ending.hang_up_while_it_rings,
    ending.hang_up_during_the_call,
    ending.cancellation_is_clean,
    refusals.refused_call_is_not_placed,
    refusals.throttled_call_is_not_placed,
    refusals.lost_call_may_have_been_placed,
    recovery.unknown_attempt_was_not_placed,
    recovery.ended_call_was_placed,
    recovery.others_are_not_taken,
    recovery.live_call_was_placed,
    recovery.followed_call_can_be_hung_up,
    sharing.calls_go_on_at_once,
    sharing.trunk_can_be_entered_again,
    sharing.event_loop_is_not_blocked,
)

_UNKNOWN_KEY: Final = "no_provider_has_an_option_of_this_name"


class ProviderConformance:
    """Subclass it as `Test…` in a test module, say what the provider can do, and let pytest run it.

    Attributes:
        factory: as the plugin offers it. Required.
        options: TOML text of the trunk's options.
        answered: a call that is answered and that the far side ends, within `tempo.patience`.
        talks_on: a call that is answered and goes on for longer than twice `tempo.patience`.
        rings_on: a call that rings and is not answered for longer than `tempo.patience`.
        busy: a call to a busy line.
        refused: a call that certainly is not placed.
        throttled: calls of which the hundredth at the latest is throttled.
        lost: a call of which nobody can tell at first whether it was placed.
        lines: calls that the trunk bears at once.
        caller_id: number to show, E.164.
        agent: what speaks in the calls; something that talks on for as long as the calls of `talks_on` last.
        callbacks: public URL of the trunk, as `TrunkSite.callbacks` has it; None = there is none.
        tempo: how long things may take.
        virtual_time: True runs on a clock that leaps while everything waits, so that minutes pass at once; False for
            a far side that lives outside this process.
        leap_after_s: seconds of real time for which everything must wait before the virtual clock leaps; more than
            0 where threads or sockets are at work.

    A scenario that is None is not played: its checks are skipped.
    """

    factory: ClassVar[ProviderFactory]
    options: ClassVar[str] = ""
    answered: ClassVar[Scenario | None] = None
    talks_on: ClassVar[Scenario | None] = None
    rings_on: ClassVar[Scenario | None] = None
    busy: ClassVar[Scenario | None] = None
    refused: ClassVar[Scenario | None] = None
    throttled: ClassVar[Scenario | None] = None
    lost: ClassVar[Scenario | None] = None
    lines: ClassVar[int] = 10
    caller_id: ClassVar[str] = "+12125550100"
    agent: ClassVar[AgentSettings] = AgentSettings(say="This is a rehearsal.")
    callbacks: ClassVar[str | None] = None
    tempo: ClassVar[Tempo] = Tempo()
    virtual_time: ClassVar[bool] = True
    leap_after_s: ClassVar[float] = 0.0

    @asynccontextmanager
    async def network(self) -> AsyncIterator[Mapping[str, Any]]:
        """Run what the provider talks to during one check; yield the options by which it is found."""
        yield {}

    def seen(self) -> int | None:
        """Return how many calls the far side has seen so far; None where that cannot be known."""
        return None

    def far_tasks(self) -> int:
        """Return how many tasks of this event loop are the far side's: a call goes on there without the provider."""
        return 0

    @pytest.mark.parametrize("check", [pytest.param(check, id=check.__name__) for check in CHECKS])
    def test_provider(self, check: Check) -> None:
        """The provider holds to the contract."""
        self.run(check)

    def test_options_are_read(self) -> None:
        """The options of the tests are ones that a trunk may have, and a provider is made without an event loop."""
        self.make(self._written())

    def test_unknown_option_is_a_fault(self) -> None:
        """An option that the provider does not know is a fault with its path."""
        try:
            self.make({**self._written(), _UNKNOWN_KEY: True})
        except InvalidInput as invalid:
            paths = [fault.path for fault in invalid.faults]
            require(any(_UNKNOWN_KEY in path for path in paths), f"the fault names {paths}, not the unknown option")
        else:
            raise Violation("an unknown option was accepted; a slip of the pen in an option must not go unnoticed")

    def run(self, check: Check) -> None:
        """Run one check; skip it when a scenario is missing.

        Args:
            check: one of `CHECKS`.

        Raises:
            Violation: the provider breaks the rule.
        """
        names: tuple[str, ...] = getattr(check, "needs", ())
        scenarios = {name: getattr(self, name) for name in names}
        missing = [name for name, scenario in scenarios.items() if scenario is None]
        if missing:
            pytest.skip(f"{type(self).__name__} has no scenario {' and '.join(missing)}")
        clock = trio.testing.MockClock(autojump_threshold=self.leap_after_s) if self.virtual_time else None
        try:
            trio.run(self._play, check, scenarios, clock=clock)
        except BaseExceptionGroup as group:
            if (violation := _violation_in(group)) is not None:
                raise violation from group
            raise

    def site(self) -> TrunkSite:
        """Return where the provider is put to work."""
        return TrunkSite(name="conformance", caller_ids=(self.caller_id,), callbacks=self.callbacks)

    def make(self, options: Mapping[str, Any]) -> Provider:
        """Make the provider of a trunk as the plugin host would."""
        read = structure(options, self.factory.options, path="trunks.conformance.options")
        return self.factory.make(self.site(), read)

    async def _play(self, check: Check, scenarios: dict[str, Scenario]) -> None:
        async with self.network() as place:

            def trunk(scenario: Scenario) -> AbstractAsyncContextManager[Provider]:
                return self.make({**self._written(), **place, **scenario.options})

            await check(
                Rehearsal(
                    trunk=trunk,
                    scenarios=scenarios,
                    tempo=self.tempo,
                    caller_id=self.caller_id,
                    agent=self.agent,
                    lines=self.lines,
                    seen=self.seen,
                    far_tasks=self.far_tasks,
                )
            )

    def _written(self) -> dict[str, Any]:
        return tomllib.loads(self.options)


def _violation_in(group: BaseExceptionGroup[BaseException]) -> Violation | None:
    """Return a violation that passed through nurseries, so that pytest shows it and not the group."""
    for error in group.exceptions:
        if isinstance(error, Violation):
            return error
        if isinstance(error, BaseExceptionGroup) and (inner := _violation_in(error)) is not None:
            return inner
    return None
