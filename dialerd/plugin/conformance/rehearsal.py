"""A provider at work in its network, as the checks see it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import trio
from attrs import define, frozen
from uuid_utils.compat import uuid7

from dialerd.model.call import AttemptRef, CallEnd, CannotTell, Reconciliation, WasNotPlaced, WasPlaced
from dialerd.model.instants import Duration
from dialerd.model.settings import AgentSettings
from dialerd.model.states import Amd, Outcome
from dialerd.plugin.conformance.order import RehearsedOrder
from dialerd.plugin.conformance.recorder import Recorder
from dialerd.plugin.conformance.scenario import Scenario, Tempo, Violation, require
from dialerd.plugin.hangup import HangUp
from dialerd.plugin.provider import (
    Accepted,
    Answered,
    CallEvent,
    MaybePlaced,
    NotPlaced,
    Provider,
    Ringing,
    Throttled,
    Withdrawn,
)

Refusal = NotPlaced | MaybePlaced | Throttled | Withdrawn
Trunk = Callable[[Scenario], AbstractAsyncContextManager[Provider]]


class Network(Protocol):
    """Tells what reached the far side."""

    def __call__(self) -> int | None:
        """Return how many calls the far side has seen so far; None where that cannot be known."""


@define(kw_only=True, eq=False)
class Placement:
    """One call that was given to a provider.

    Args:
        order: what was ordered.
        report: what was reported.
        end: how it ended, or None.
        refusal: what `place` raised instead, or None.
        returned_at_s: when `place` was over, in trio's time.
    """

    order: RehearsedOrder
    report: Recorder
    end: CallEnd | None = None
    refusal: Refusal | None = None
    returned_at_s: float = 0.0

    @property
    def left(self) -> bool:
        """Whether the call left."""
        return bool(self.order.left_at_s)

    @property
    def rang(self) -> bool:
        """Whether ringing was reported."""
        return self.report.find(Ringing) is not None

    @property
    def answered(self) -> bool:
        """Whether an answer was reported."""
        return self.report.find(Answered) is not None

    def ref(self) -> AttemptRef:
        """Return the attempt as it is known after a crash."""
        accepted = self.report.find(Accepted)
        return AttemptRef(
            attempt_id=self.order.attempt_id,
            number=self.order.number,
            caller_id=self.order.caller_id,
            claimed_at=0,
            reference=None if accepted is None else accepted.reference,
            state=self.report.last_state,
            ring_timeout=self.order.ring_timeout,
            max_duration=self.order.max_duration,
        )

    def must_end(self) -> CallEnd:
        """Return the end; a refusal is a violation here."""
        if self.end is None:
            raise Violation(f"place raised {self.refusal!r}; this call should have come to an end")
        return self.end


@frozen(kw_only=True)
class Rehearsal:
    """What a check works with.

    Args:
        trunk: makes a provider for a scenario and enters it; each use is a new life of the trunk.
        scenarios: by name.
        tempo: how long things may take.
        caller_id: number to show, E.164.
        agent: what speaks.
        lines: calls that the trunk bears at once.
        seen: what reached the far side.
        far_tasks: tells how many tasks of this event loop are the far side's.
    """

    trunk: Trunk
    scenarios: dict[str, Scenario]
    tempo: Tempo
    caller_id: str
    agent: AgentSettings
    lines: int
    seen: Network
    far_tasks: Callable[[], int]

    def order(self, scenario: str, **changes: Any) -> RehearsedOrder:
        """Return an order for a scenario.

        Args:
            scenario: name of the scenario.
            changes: arguments of `RehearsedOrder` that differ.
        """
        wanted: dict[str, Any] = {
            "attempt_id": str(uuid7()),
            "trunk": "conformance",
            "number": self.scenarios[scenario].number,
            "caller_id": self.caller_id,
            "agent_name": "conformance",
            "agent": self.agent,
            "ring_timeout": self.tempo.patience,
            "max_duration": self.tempo.patience,
            "amd": Amd.OFF,
        }
        return RehearsedOrder(**wanted | changes)

    @asynccontextmanager
    async def open(self, scenario: str) -> AsyncIterator[Provider]:
        """Enter a provider on which a scenario happens, and see to it that nothing stays behind when it is left."""
        before = self.living()
        async with AsyncExitStack() as stack:
            try:
                provider = await stack.enter_async_context(self.trunk(self.scenarios[scenario]))
            except Exception as error:
                raise Violation(f"the provider could not be entered: {error!r}") from error
            yield provider
        left = await self.leftover(before)
        require(left == 0, f"the provider was left, but {left} of its tasks still live")

    async def leftover(self, before: int) -> int:
        """Return how many more tasks live than `before`, once the far side had a moment to notice an end."""
        with trio.move_on_after(self.tempo.soon / 1000):
            while self.living() > before:  # noqa: ASYNC110  # trio tells nobody when a task of others ends
                await trio.sleep(0.01)
        return max(0, self.living() - before)

    def living(self) -> int:
        """Return how many tasks live, but for those of the far side."""
        return trio.lowlevel.current_statistics().tasks_living - self.far_tasks()

    async def place(
        self,
        provider: Provider,
        order: RehearsedOrder,
        *,
        within: Duration | None = None,
        on_event: Callable[[CallEvent], None] | None = None,
    ) -> Placement:
        """Place a call and hold everything about it against the contract that holds for every call.

        Args:
            provider: the provider, entered.
            order: the order.
            within: how long it may take; None = patience.
            on_event: called at each event.

        Raises:
            Violation: with every rule that was broken.
        """
        report = Recorder(lambda: bool(order.left_at_s), on_event)
        placement = Placement(order=order, report=report)
        limit = self.tempo.patience + self.tempo.soon if within is None else within
        with trio.move_on_after(limit / 1000) as scope:
            try:
                placement.end = await provider.place(order, report)
            except (NotPlaced, MaybePlaced, Throttled, Withdrawn) as refusal:
                placement.refusal = refusal
            except Exception as error:
                raise Violation(
                    f"place raised {type(error).__name__}: {error}; only NotPlaced, MaybePlaced, Throttled and the "
                    "Withdrawn of order.leave() may come out of it"
                ) from error
        report.over = True
        placement.returned_at_s = trio.current_time()
        require(not scope.cancelled_caught, f"place did not return within {limit} ms")
        self._judge(placement)
        return placement

    async def drop(self, provider: Provider, order: RehearsedOrder) -> Placement:
        """Place a call and cancel `place` at the instant at which the answer is reported; it must let that happen.

        Args:
            provider: the provider, entered.
            order: an order of the scenario `talks_on`.

        Raises:
            Violation: it was not answered, or the cancellation was swallowed or took long.
        """
        answered_s: list[float] = []

        def act(event: CallEvent) -> None:
            if isinstance(event, Answered):
                answered_s.append(trio.current_time())
                scope.cancel()

        placement = Placement(order=order, report=Recorder(lambda: bool(order.left_at_s), act))
        with trio.move_on_after(self.tempo.patience / 1000) as scope:
            try:
                end = await provider.place(order, placement.report)
            except Exception as error:
                raise Violation(f"place raised {error!r}; the scenario talks_on should have been answered") from error
            swallowed = "place swallowed its cancellation and" if answered_s else "the scenario talks_on"
            raise Violation(f"{swallowed} returned {end!r}")
        placement.report.over = True
        placement.returned_at_s = trio.current_time()
        require(bool(answered_s), "the scenario talks_on was not answered in time")
        took_ms = (placement.returned_at_s - answered_s[0]) * 1000
        require(took_ms <= self.tempo.soon, f"a cancelled place took {took_ms:.0f} ms to end")
        return placement

    async def follow(
        self, provider: Provider, attempt: AttemptRef, hangup: HangUp, *, within: Duration
    ) -> tuple[CallEnd, Recorder]:
        """Follow a call and return its end; see `place`."""
        report = Recorder()
        with trio.move_on_after(within / 1000) as scope:
            end = await provider.follow(attempt, report, hangup)
        report.over = True
        require(not scope.cancelled_caught, f"follow did not return within {within} ms")
        require(not report.violations, "; ".join(report.violations))
        check_end(end)
        return end, report

    async def reconcile(self, provider: Provider, attempt: AttemptRef, *, reachable: bool = True) -> Reconciliation:
        """Ask about an attempt and return the answer, which must come in time and be one.

        Args:
            provider: the provider, entered.
            attempt: what to ask about.
            reachable: False where the far side may be away, so that the provider may raise as well.
        """
        with trio.move_on_after(self.tempo.patience / 1000) as scope:
            try:
                answer = await provider.reconcile(attempt)
            except Exception as error:
                if not reachable:
                    return CannotTell(reason=repr(error))
                raise Violation(f"reconcile raised {error!r}, though the far side can be asked") from error
        require(not scope.cancelled_caught, f"reconcile did not return within {self.tempo.patience} ms")
        lawful = isinstance(answer, WasPlaced | WasNotPlaced | CannotTell)
        require(lawful, f"reconcile returned {answer!r}; return WasPlaced, WasNotPlaced or CannotTell")
        if isinstance(answer, WasPlaced):
            named = answer.reference is None or isinstance(answer.reference, str)
            require(named, f"the reference of a call is text, not {answer.reference!r}")
            if answer.end is not None:
                check_end(answer.end)
        return answer

    def _judge(self, placement: Placement) -> None:
        broken = list(placement.report.violations)
        leaves, refusal = len(placement.order.left_at_s), placement.refusal
        if leaves > 1:
            broken.append(f"order.leave() was called {leaves} times; call it once, right before the first byte leaves")
        if placement.end is not None and not leaves and placement.end.outcome is not Outcome.CANCELLED:
            broken.append(f"the call ended as {placement.end.outcome}, but order.leave() was never called")
        if isinstance(refusal, MaybePlaced) and not leaves:
            broken.append("MaybePlaced was raised before order.leave(): the call was certainly not placed")
        if isinstance(refusal, NotPlaced | Throttled) and (placement.rang or placement.answered):
            broken.append(f"{type(refusal).__name__} was raised though the phone had been reported to ring")
        require(not broken, "; ".join(broken))
        if placement.end is not None:
            check_end(placement.end)


def check_end(end: CallEnd) -> None:
    """Raise `Violation` unless `end` is one that a provider may return."""
    require(isinstance(end, CallEnd), f"place returned {end!r}; return a CallEnd")
    require(
        isinstance(end.outcome, Outcome) and end.outcome is not Outcome.UNCERTAIN,
        f"the end's outcome is {end.outcome!r}; a provider that does not know raises MaybePlaced",
    )
    instants = [at for at in (end.ringing_at, end.answered_at, end.ended_at) if at is not None]
    require(type(end.opted_out) is bool, "the end's opted_out is True or False")
    later = end.afterwards is None or callable(end.afterwards)
    require(later, "the end's afterwards is an async function without arguments, or None")
    require(all(type(at) is int for at in instants), "instants are whole milliseconds since 1970, UTC")
    require(instants == sorted(instants), "the end's instants are not in the order ringing, answered, ended")
