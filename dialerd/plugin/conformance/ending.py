"""Checks of how calls end: by themselves, at their bounds, by hang-up and by cancellation."""

import trio

from dialerd.model.instants import Duration
from dialerd.model.states import Outcome
from dialerd.plugin.conformance.rehearsal import Placement, Rehearsal
from dialerd.plugin.conformance.scenario import needs, require
from dialerd.plugin.provider import Accepted, Answered, CallEvent, Provider, Ringing


@needs("rings_on")
async def ring_timeout_is_kept(rehearsal: Rehearsal) -> None:
    """A phone rings no longer than the order's ring timeout; then it is no answer."""
    tempo = rehearsal.tempo
    async with rehearsal.open("rings_on") as provider:
        order = rehearsal.order("rings_on", ring_timeout=tempo.bound)
        placement = await rehearsal.place(provider, order, within=tempo.bound + 2 * tempo.soon)
        outcome = placement.must_end().outcome
        require(outcome is Outcome.NO_ANSWER, f"the ring timeout passed, but the outcome is {outcome}")
        # The phone may begin to ring a while after the call left; from there on the bound counts.
        rang_ms = _since(placement, _first(placement, Ringing, Accepted))
        require(
            rang_ms <= tempo.bound + tempo.soon,
            f"it rang for {rang_ms:.0f} ms with a ring timeout of {tempo.bound} ms",
        )


@needs("talks_on")
async def max_duration_is_kept(rehearsal: Rehearsal) -> None:
    """An answered call lasts no longer than the order's maximum duration; it ends as answered."""
    tempo = rehearsal.tempo
    async with rehearsal.open("talks_on") as provider:
        order = rehearsal.order("talks_on", max_duration=tempo.bound)
        placement = await rehearsal.place(provider, order)
        outcome = placement.must_end().outcome
        require(outcome is Outcome.ANSWERED, f"the maximum duration passed, but the outcome is {outcome}")
        talked_ms = _since(placement, _first(placement, Answered))
        require(
            talked_ms <= tempo.bound + tempo.soon,
            f"it lasted {talked_ms:.0f} ms with a maximum duration of {tempo.bound} ms",
        )


@needs("rings_on")
async def hang_up_when_accepted(rehearsal: Rehearsal) -> None:
    """A call that is hung up in the very instant in which it is accepted ends soon, as cancelled."""
    async with rehearsal.open("rings_on") as provider:
        placement = await _hang_up(rehearsal, provider, "rings_on", (Accepted, Ringing))
        outcome = placement.must_end().outcome
        require(outcome is Outcome.CANCELLED, f"it was hung up before the answer, but the outcome is {outcome}")


@needs("rings_on")
async def hang_up_while_it_rings(rehearsal: Rehearsal) -> None:
    """A call that is hung up while it rings ends soon, as cancelled."""
    async with rehearsal.open("rings_on") as provider:
        placement = await _hang_up(rehearsal, provider, "rings_on", (Accepted, Ringing), rehearsal.tempo.linger)
        outcome = placement.must_end().outcome
        require(outcome is Outcome.CANCELLED, f"it was hung up while it rang, but the outcome is {outcome}")


@needs("talks_on")
async def hang_up_during_the_call(rehearsal: Rehearsal) -> None:
    """A call that is hung up after the answer ends soon, as answered."""
    async with rehearsal.open("talks_on") as provider:
        placement = await _hang_up(rehearsal, provider, "talks_on", (Answered,), rehearsal.tempo.linger)
        outcome = placement.must_end().outcome
        require(outcome is Outcome.ANSWERED, f"it was hung up after the answer, but the outcome is {outcome}")


@needs("talks_on")
async def cancellation_is_clean(rehearsal: Rehearsal) -> None:
    """A cancelled `place` ends soon, reports nothing more, leaves no task behind and frees its line."""
    async with rehearsal.open("talks_on") as provider:
        before = rehearsal.living()
        for _ in range(rehearsal.lines + 1):  # a line that is not freed is missing in the last round
            placement = await rehearsal.drop(provider, rehearsal.order("talks_on"))
            await trio.sleep(rehearsal.tempo.linger / 1000)
            require(not placement.report.violations, "; ".join(placement.report.violations))
        left = await rehearsal.leftover(before)
        require(left == 0, f"{left} tasks of cancelled calls still live")


async def _hang_up(
    rehearsal: Rehearsal,
    provider: Provider,
    scenario: str,
    kinds: tuple[type[CallEvent], ...],
    delay: Duration = 0,
) -> Placement:
    """Place a call, hang it up a while after an event of these kinds, and see that it ends soon."""
    order = rehearsal.order(scenario)
    seen = trio.Event()
    hung_up_s: list[float] = []

    def hang_up() -> None:
        if not hung_up_s:
            hung_up_s.append(trio.current_time())
            order.hangup.set()

    def act(event: CallEvent) -> None:
        if isinstance(event, kinds):
            seen.set()
            if not delay:
                hang_up()

    async def later() -> None:
        await seen.wait()
        await trio.sleep(delay / 1000)
        hang_up()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(later)
        placement = await rehearsal.place(provider, order, on_event=act)
        nursery.cancel_scope.cancel()
    require(bool(hung_up_s), f"the scenario {scenario} ended before it could be hung up: {placement.end!r}")
    took_ms = (placement.returned_at_s - hung_up_s[0]) * 1000
    require(took_ms <= rehearsal.tempo.soon, f"the call ended {took_ms:.0f} ms after it was hung up")
    return placement


def _first(placement: Placement, *kinds: type[CallEvent]) -> float:
    """Return when the first event of the first kind that was reported came; else when the call left."""
    for kind in kinds:
        if (at_s := placement.report.at_s(kind)) is not None:
            return at_s
    return placement.order.left_at_s[0]


def _since(placement: Placement, start_s: float) -> float:
    return (placement.returned_at_s - start_s) * 1000
