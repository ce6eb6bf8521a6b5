"""Checks of the three exceptions: each says what is certain about the phone at the other end."""

from dialerd.model.call import Cause, WasNotPlaced, WasPlaced
from dialerd.plugin.conformance.rehearsal import Rehearsal
from dialerd.plugin.conformance.scenario import needs, require
from dialerd.plugin.provider import MaybePlaced, NotPlaced, Throttled


@needs("refused")
async def refused_call_is_not_placed(rehearsal: Rehearsal) -> None:
    """A call that certainly was not placed raises `NotPlaced`; `reconcile` does not contradict."""
    async with rehearsal.open("refused") as provider:
        placement = await rehearsal.place(provider, rehearsal.order("refused"))
        refusal = placement.refusal
        if not isinstance(refusal, NotPlaced):
            refusal = None
        require(refusal is not None, f"the scenario refused came out as {placement.refusal or placement.end!r}")
        require(refusal is not None and isinstance(refusal.cause, Cause), "NotPlaced carries no Cause")
        answer = await rehearsal.reconcile(provider, placement.ref(), reachable=False)
        require(not isinstance(answer, WasPlaced), "reconcile says that a call was placed of which place denied it")


@needs("throttled")
async def throttled_call_is_not_placed(rehearsal: Rehearsal) -> None:
    """A carrier that asks for patience makes `place` raise `Throttled`, with milliseconds or None."""
    async with rehearsal.open("throttled") as provider:
        for _ in range(100):  # it may take a few before it is too much
            placement = await rehearsal.place(provider, rehearsal.order("throttled"))
            if isinstance(placement.refusal, Throttled):
                break
        refusal = placement.refusal
        require(isinstance(refusal, Throttled), f"the scenario throttled came out as {refusal or placement.end!r}")
        if isinstance(refusal, Throttled):
            after = refusal.retry_after
            lawful = after is None or (type(after) is int and after >= 0)
            require(lawful, f"Throttled carries {after!r}; give whole milliseconds or None")


@needs("lost")
async def lost_call_may_have_been_placed(rehearsal: Rehearsal) -> None:
    """A call that was lost after it left raises `MaybePlaced`; `reconcile` does not deny what the far side saw."""
    async with rehearsal.open("lost") as provider:
        for _ in range(10):
            seen = rehearsal.seen()
            placement = await rehearsal.place(provider, rehearsal.order("lost"))
            require(
                isinstance(placement.refusal, MaybePlaced),
                f"the scenario lost came out as {placement.refusal or placement.end!r}; raise MaybePlaced, as the "
                "phone may have rung",
            )
            now_seen = rehearsal.seen()
            answer = await rehearsal.reconcile(provider, placement.ref(), reachable=False)
            if seen is not None and now_seen is not None:
                placed = now_seen > seen
                require(
                    not (placed and isinstance(answer, WasNotPlaced)),
                    "reconcile says WasNotPlaced of a call that the far side has seen: it would be dialled again",
                )
                require(
                    placed or not isinstance(answer, WasPlaced),
                    "reconcile says WasPlaced of a call that the far side has not seen",
                )
