"""Checks of the last instant: `order.leave()` and what may happen before and after it."""

import trio

from dialerd.model.call import WasPlaced
from dialerd.model.states import Outcome
from dialerd.plugin.conformance.rehearsal import Rehearsal
from dialerd.plugin.conformance.scenario import needs, require
from dialerd.plugin.provider import NotPlaced, Withdrawn


@needs("answered")
async def leave_is_called_once(rehearsal: Rehearsal) -> None:
    """`order.leave()` is called exactly once, before anything is reported."""
    async with rehearsal.open("answered") as provider:
        placement = await rehearsal.place(provider, rehearsal.order("answered"))
        require(len(placement.order.left_at_s) == 1, "place returned without calling order.leave()")


@needs("answered")
async def withdrawn_call_is_not_placed(rehearsal: Rehearsal) -> None:
    """What `order.leave()` raises passes out of `place` untouched; nothing reaches the far side."""
    async with rehearsal.open("answered") as provider:
        seen = rehearsal.seen()
        withdrawal = Withdrawn("paused")
        placement = await rehearsal.place(provider, rehearsal.order("answered", withdrawal=withdrawal))
        require(
            placement.refusal is withdrawal,
            f"order.leave() raised Withdrawn, but place made {placement.refusal or placement.end!r} of it; let it pass",
        )
        require(not placement.report.told, "events were reported of a withdrawn call")
        await trio.sleep(rehearsal.tempo.linger / 1000)
        require(rehearsal.seen() == seen, "a withdrawn call reached the far side")
        answer = await rehearsal.reconcile(provider, placement.ref())
        require(not isinstance(answer, WasPlaced), "reconcile says that a withdrawn call was placed")


@needs("answered")
async def line_of_a_withdrawn_call_is_free(rehearsal: Rehearsal) -> None:
    """A withdrawn call takes no line: as many as the trunk has are withdrawn, then one is placed."""
    async with rehearsal.open("answered") as provider:
        for _ in range(rehearsal.lines):
            await rehearsal.place(provider, rehearsal.order("answered", withdrawal=Withdrawn("paused")))
        (await rehearsal.place(provider, rehearsal.order("answered"))).must_end()


@needs("answered")
async def call_hung_up_before_it_left(rehearsal: Rehearsal) -> None:
    """A call that is hung up before it is placed ends soon: cancelled, or not placed."""
    async with rehearsal.open("answered") as provider:
        order = rehearsal.order("answered")
        order.hangup.set()
        placement = await rehearsal.place(provider, order, within=rehearsal.tempo.soon)
        cancelled = placement.end is not None and placement.end.outcome is Outcome.CANCELLED
        require(
            cancelled or isinstance(placement.refusal, NotPlaced),
            f"a call hung up in advance came out as {placement.refusal or placement.end!r}",
        )
