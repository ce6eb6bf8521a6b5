"""Checks of what a provider says of attempts of a former life. A crash is played by cancelling and a new provider.

The one grave fault is `WasNotPlaced` of a call that was placed: the person is rung twice. Where a provider has no
proof, `CannotTell` is always lawful.
"""

from attrs import evolve

from dialerd.model.call import AttemptRef, Reconciliation, WasNotPlaced, WasPlaced
from dialerd.plugin.conformance.recorder import Recorder
from dialerd.plugin.conformance.rehearsal import Placement, Rehearsal
from dialerd.plugin.conformance.scenario import needs, require
from dialerd.plugin.hangup import HangUp


@needs("answered")
async def unknown_attempt_was_not_placed(rehearsal: Rehearsal) -> None:
    """Of an attempt that the provider never heard of, `reconcile` does not say that it was placed."""
    async with rehearsal.open("answered") as provider:
        order = rehearsal.order("answered")
        attempt = Placement(order=order, report=Recorder()).ref()
        answer = await rehearsal.reconcile(provider, attempt)
        require(not isinstance(answer, WasPlaced), f"reconcile says {answer!r} of a call it never got")


@needs("answered")
async def ended_call_was_placed(rehearsal: Rehearsal) -> None:
    """Of a call that is over, `reconcile` never says that it was not placed, nor that it is alive."""
    async with rehearsal.open("answered") as provider:
        placement = await rehearsal.place(provider, rehearsal.order("answered"))
        placement.must_end()
        _check_ended(await rehearsal.reconcile(provider, placement.ref()), "in the same life")
    async with rehearsal.open("answered") as provider:
        _check_ended(await rehearsal.reconcile(provider, placement.ref()), "after a restart")
        # A crash may come before what was reported is durable.
        bare = evolve(placement.ref(), reference=None, state=None)
        _check_ended(await rehearsal.reconcile(provider, bare), "after a restart, without reference and state")


@needs("answered")
async def others_are_not_taken(rehearsal: Rehearsal) -> None:
    """A call that is known as another attempt's is not taken for that of an attempt to the same number."""
    async with rehearsal.open("answered") as provider:
        placement = await rehearsal.place(provider, rehearsal.order("answered"))
        placement.must_end()
    known = placement.ref().reference
    attempt = Placement(order=rehearsal.order("answered"), report=Recorder()).ref()
    async with rehearsal.open("answered") as provider:
        answer = await rehearsal.reconcile(provider, evolve(attempt, others=() if known is None else (known,)))
        require(
            not isinstance(answer, WasPlaced),
            f"reconcile says {answer!r} of an attempt that was never placed: it took another attempt's call for it",
        )


@needs("talks_on")
async def live_call_was_placed(rehearsal: Rehearsal) -> None:
    """Of a call in progress at a crash, `reconcile` never says that it was not placed; alive, it can be followed."""
    attempt = await _crash_in_a_call(rehearsal)
    async with rehearsal.open("talks_on") as provider:
        answer = await rehearsal.reconcile(provider, attempt)
        require(
            not isinstance(answer, WasNotPlaced),
            "reconcile says WasNotPlaced of a call that was answered before the crash: it would be dialled again",
        )
        if isinstance(answer, WasPlaced) and answer.end is None:
            limit = 2 * rehearsal.tempo.patience + rehearsal.tempo.soon
            await rehearsal.follow(provider, attempt, HangUp(), within=limit)


@needs("talks_on")
async def followed_call_can_be_hung_up(rehearsal: Rehearsal) -> None:
    """A call that is followed ends soon after it is hung up."""
    attempt = await _crash_in_a_call(rehearsal)
    async with rehearsal.open("talks_on") as provider:
        answer = await rehearsal.reconcile(provider, attempt)
        if isinstance(answer, WasPlaced) and answer.end is None:
            hangup = HangUp()
            hangup.set()
            await rehearsal.follow(provider, attempt, hangup, within=rehearsal.tempo.soon)


def _check_ended(answer: Reconciliation, when: str) -> None:
    require(
        not isinstance(answer, WasNotPlaced),
        f"reconcile says WasNotPlaced of a call that was answered, {when}: it would be dialled again",
    )
    alive = isinstance(answer, WasPlaced) and answer.end is None
    require(not alive, f"reconcile says that a call is alive which is over, {when}")


async def _crash_in_a_call(rehearsal: Rehearsal) -> AttemptRef:
    """Start a call, drop it when it is answered together with its provider, and return its attempt."""
    async with rehearsal.open("talks_on") as provider:
        placement = await rehearsal.drop(provider, rehearsal.order("talks_on"))
    return placement.ref()
