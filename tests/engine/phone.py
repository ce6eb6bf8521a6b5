"""A provider whose calls do what a script says, and which remembers what left and how many calls were on at once."""

from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import trio
from attrs import define, frozen

from dialerd.model.call import AttemptRef, CallEnd, CannotTell, Cause, Reconciliation
from dialerd.model.states import AtFault, Outcome
from dialerd.plugin.provider import Accepted, Answered, CallOrder, HangUp, Report, Ringing

ANSWERED = CallEnd(outcome=Outcome.ANSWERED)
BUSY = CallEnd(outcome=Outcome.BUSY, cause=Cause(fault=AtFault.CALLEE, q850=17))
OUTAGE = Cause(fault=AtFault.TRUNK, q850=38, code="503", detail="out of order")


@frozen
class Left:
    """A call that left.

    Args:
        at: seconds of trio's clock.
        order: its order.
    """

    at: float
    order: CallOrder


Script = Callable[["Phone", CallOrder, Report], Awaitable[CallEnd]]
"""What a call does from its first instant to its end."""


@define(eq=False, slots=False)
class Phone:
    """A provider for tests.

    Args:
        script: what its calls do.
        answer: what it says when it is asked about an attempt; raised where it is an exception.
        followed: what becomes of a call that was found alive.
    """

    script: Script
    answer: "Callable[[AttemptRef], Reconciliation | Exception]" = lambda _: CannotTell(reason="no records")
    followed: "Callable[[AttemptRef, Report, trio.Event], Awaitable[CallEnd]] | None" = None
    name: str = ""

    def __attrs_post_init__(self) -> None:
        self.left: list[Left] = []
        self.placed: list[CallOrder] = []
        self.asked: list[AttemptRef] = []
        self.live: Counter[object] = Counter()
        self.peak: Counter[object] = Counter()
        self.entered = 0
        self.exited = 0

    async def __aenter__(self) -> Self:
        self.entered += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.exited += 1

    async def place(self, order: CallOrder, report: Report) -> CallEnd:
        """See `Provider.place`."""
        self.placed.append(order)
        kinds = ("all", ("trunk", order.trunk), ("number", order.caller_id), ("agent", order.agent_name))
        kinds = (*kinds, ("campaign", order.campaign), ("person", order.number))
        for kind in kinds:
            self.live[kind] += 1
            self.peak[kind] = max(self.peak[kind], self.live[kind])
        try:
            return await self.script(self, order, report)
        finally:
            for kind in kinds:
                self.live[kind] -= 1

    async def reconcile(self, attempt: AttemptRef) -> Reconciliation:
        """See `Provider.reconcile`."""
        await trio.lowlevel.checkpoint()
        self.asked.append(attempt)
        answer = self.answer(attempt)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def follow(self, attempt: AttemptRef, report: Report, hangup: HangUp) -> CallEnd:
        """See `Provider.follow`."""
        assert self.followed is not None
        return await self.followed(attempt, report, hangup)

    def leave(self, order: CallOrder) -> None:
        """Let a call leave, as its order allows, and remember it."""
        order.leave()
        self.left.append(Left(trio.current_time(), order))

    def numbers(self) -> list[str]:
        """Return the numbers of the calls that left, in order."""
        return [left.order.number for left in self.left]


def talk(seconds: float = 0.0, end: CallEnd = ANSWERED, prepare: float = 0.0, ring: float = 0.0) -> Script:
    """Return the script of calls that take some time.

    Args:
        seconds: from the answer to the end.
        end: how they end.
        prepare: before they leave.
        ring: from leaving to the answer.
    """

    async def script(phone: Phone, order: CallOrder, report: Report) -> CallEnd:
        await trio.sleep(prepare)
        phone.leave(order)
        report(Accepted(order.attempt_id))
        report(Ringing())
        if ring and await hung_up(order.hangup, ring):
            return CallEnd(outcome=Outcome.CANCELLED)
        if end.outcome is Outcome.ANSWERED:
            report(Answered())
        if seconds:
            await hung_up(order.hangup, seconds)
        return end

    return script


def ends(*scripted: CallEnd | Exception, then: CallEnd = ANSWERED) -> Script:
    """Return the script of calls that end, number by number, as given in turn: returned or raised after leaving."""
    counts: Counter[str] = Counter()

    async def script(phone: Phone, order: CallOrder, report: Report) -> CallEnd:
        await trio.lowlevel.checkpoint()
        phone.leave(order)
        nth = counts[order.number]
        counts[order.number] += 1
        end = scripted[nth] if nth < len(scripted) else then
        if isinstance(end, Exception):
            raise end
        return end

    return script


async def hung_up(hangup: HangUp, seconds: float) -> bool:
    """Wait for a hang-up or some seconds; tell whether it was hung up."""
    with trio.move_on_after(seconds):
        await hangup.wait()
    return hangup.is_set()
