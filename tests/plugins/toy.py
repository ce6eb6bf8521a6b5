"""A small provider that keeps the contract, and its network: what the flawed ones of the tests depart from."""

from types import TracebackType
from typing import Any, Self

import trio
from attrs import define, field, frozen

from dialerd.model.call import AttemptRef, CallEnd, Cause, Reconciliation, WasNotPlaced, WasPlaced
from dialerd.model.states import AtFault, Outcome
from dialerd.plugin.provider import (
    Accepted,
    Answered,
    CallOrder,
    HangUp,
    MaybePlaced,
    NotPlaced,
    Report,
    Ringing,
    Throttled,
    TrunkSite,
)

ANSWERS, TALKS_ON, RINGS_ON, BUSY, REFUSED, THROTTLED, LOST = (f"+1212555010{digit}" for digit in range(1, 8))

CAUSE = Cause(fault=AtFault.TRUNK, detail="toy")


@define
class ToyNetwork:
    """What the far side has seen.

    Args:
        calls: ends by attempt, None while a call lasts.
        taken: whether its one port is in use.
    """

    calls: dict[str, CallEnd | None] = field(factory=dict)
    taken: bool = False


@frozen(kw_only=True)
class ToyOptions:
    """The options of a toy trunk.

    Args:
        network: its network; handed over directly, as a toy has no wires.
    """

    network: Any = None


class Toy:
    """A provider without faults; a flawed one overrides a step."""

    def __init__(self, site: TrunkSite, options: ToyOptions) -> None:
        self.network: ToyNetwork = options.network

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        await trio.lowlevel.checkpoint()
        if order.hangup.is_set():
            raise NotPlaced(CAUSE)
        order.leave()
        if order.number == REFUSED:
            raise NotPlaced(CAUSE)
        if order.number == THROTTLED:
            raise Throttled(1000)
        self.network.calls[order.attempt_id] = None
        if order.number == LOST:
            raise MaybePlaced(CAUSE)
        end = await self.talk(order, report)
        self.network.calls[order.attempt_id] = end
        return end

    async def talk(self, order: CallOrder, report: Report) -> CallEnd:
        report(Accepted(order.attempt_id))
        if order.number == BUSY:
            return CallEnd(outcome=Outcome.BUSY, cause=CAUSE)
        report(Ringing())
        rings = 1e6 if order.number == RINGS_ON else 0.2
        if await self.wait(order, min(rings, order.ring_timeout / 1000)):
            return CallEnd(outcome=Outcome.CANCELLED)
        if rings > order.ring_timeout / 1000:
            return CallEnd(outcome=Outcome.NO_ANSWER, cause=CAUSE)
        report(Answered())
        await self.wait(order, min(1e6 if order.number == TALKS_ON else 1, order.max_duration / 1000))
        return CallEnd(outcome=Outcome.ANSWERED)

    async def wait(self, order: CallOrder, seconds: float) -> bool:
        with trio.move_on_after(seconds):
            await order.hangup.wait()
        return order.hangup.is_set()

    async def reconcile(self, attempt: AttemptRef) -> Reconciliation:
        await trio.lowlevel.checkpoint()
        if attempt.attempt_id not in self.network.calls:
            return WasNotPlaced()
        return WasPlaced(end=self.network.calls[attempt.attempt_id])

    async def follow(self, attempt: AttemptRef, report: Report, hangup: HangUp) -> CallEnd:
        with trio.move_on_after(attempt.max_duration / 1000):
            await hangup.wait()
        return CallEnd(outcome=Outcome.ANSWERED)
