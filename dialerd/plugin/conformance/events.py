"""Checks of what is reported. That it comes in order and in time is held for every call, in `Recorder`."""

import trio

from dialerd.model.states import Amd, AnsweredBy, Outcome
from dialerd.plugin.conformance.rehearsal import Rehearsal
from dialerd.plugin.conformance.scenario import needs, require
from dialerd.plugin.provider import AmdResult


@needs("answered")
async def answer_is_reported(rehearsal: Rehearsal) -> None:
    """An answered call was reported as answered when it was, and ends as answered or voicemail."""
    async with rehearsal.open("answered") as provider:
        placement = await rehearsal.place(provider, rehearsal.order("answered"))
        outcome = placement.must_end().outcome
        require(outcome in (Outcome.ANSWERED, Outcome.VOICEMAIL), f"the scenario answered came out as {outcome}")
        require(placement.answered, "the call was answered, but Answered was never reported")


@needs("answered")
async def nothing_is_reported_after_the_end(rehearsal: Rehearsal) -> None:
    """Once `place` has returned, nothing more is reported."""
    async with rehearsal.open("answered") as provider:
        placement = await rehearsal.place(provider, rehearsal.order("answered"))
        await trio.sleep(rehearsal.tempo.linger / 1000)
    require(not placement.report.violations, "; ".join(placement.report.violations))


@needs("answered")
async def detection_is_reported(rehearsal: Rehearsal) -> None:
    """With `amd = detect`, what is reported is what the end says; a provider that cannot detect says nothing."""
    async with rehearsal.open("answered") as provider:
        placement = await rehearsal.place(provider, rehearsal.order("answered", amd=Amd.DETECT))
        end, result = placement.must_end(), placement.report.find(AmdResult)
        found = None if result is None else result.answered_by
        require(
            end.answered_by == found or {end.answered_by, found} == {None, AnsweredBy.UNKNOWN},
            f"the detection was reported as {found}, but the end says {end.answered_by}",
        )


@needs("busy")
async def busy_is_data(rehearsal: Rehearsal) -> None:
    """A busy line is an outcome, not an exception, and nobody answered it."""
    async with rehearsal.open("busy") as provider:
        placement = await rehearsal.place(provider, rehearsal.order("busy"))
        require(placement.end is not None, f"place raised {placement.refusal!r} for a busy line; return a CallEnd")
        outcome = placement.must_end().outcome
        require(outcome is Outcome.BUSY, f"the scenario busy came out as {outcome}")
        require(not placement.answered, "Answered was reported of a busy line")
