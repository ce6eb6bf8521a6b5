"""Checks of a provider among others: many calls at once, many lives, and an event loop that is not its own."""

import time
from typing import Any

import trio

from dialerd.plugin.conformance.rehearsal import Placement, Rehearsal
from dialerd.plugin.conformance.scenario import Violation, needs, require
from dialerd.plugin.provider import Answered, CallEvent


@needs("talks_on")
async def calls_go_on_at_once(rehearsal: Rehearsal) -> None:
    """All lines of the trunk are in a call at the same time, and each call has its own reports and its own end."""
    placements: list[Placement] = []
    answered = 0
    all_answered = trio.Event()
    orders = [rehearsal.order("talks_on") for _ in range(rehearsal.lines)]

    def act(event: CallEvent) -> None:
        nonlocal answered
        answered += isinstance(event, Answered)
        if answered == rehearsal.lines:
            all_answered.set()

    async with rehearsal.open("talks_on") as provider:

        async def call(order: Any) -> None:
            placements.append(await rehearsal.place(provider, order, on_event=act))

        async with trio.open_nursery() as nursery:
            for order in orders:
                nursery.start_soon(call, order)
            with trio.move_on_after(rehearsal.tempo.patience / 1000):
                await all_answered.wait()
            for order in orders:
                order.hangup.set()
        require(
            all_answered.is_set(),
            f"only {answered} of {rehearsal.lines} calls were answered at once; set `lines` to what the trunk bears",
        )
        for placement in placements:
            placement.must_end()


@needs("answered")
async def trunk_can_be_entered_again(rehearsal: Rehearsal) -> None:
    """A trunk can be left and entered again: ports, registrations and tasks of the former life are gone."""
    for _ in range(3):
        async with rehearsal.open("answered") as provider:
            (await rehearsal.place(provider, rehearsal.order("answered"))).must_end()


@needs("answered")
async def event_loop_is_not_blocked(rehearsal: Rehearsal) -> None:
    """No task holds the event loop for long: blocking calls and long computations belong into threads."""
    limit_s = rehearsal.tempo.longest_step_s
    longest_s = 0.0
    for _ in range(3):  # a busy machine holds it now and then, a provider that blocks does every time
        watch = _StepWatch()
        trio.lowlevel.add_instrument(watch)
        try:
            async with rehearsal.open("answered") as provider:
                placement = await rehearsal.place(provider, rehearsal.order("answered"))
                await rehearsal.reconcile(provider, placement.ref())
        finally:
            trio.lowlevel.remove_instrument(watch)
        longest_s = watch.longest_s
        if longest_s <= limit_s:
            return
    raise Violation(f"the event loop was held for {longest_s:.2f} s at one stretch; {limit_s} s is the most")


class _StepWatch(trio.abc.Instrument):
    """Measures the longest step of any task in real time, on whatever clock trio runs."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._started_s: float | None = None

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Start the watch."""
        self._started_s = time.perf_counter()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Stop the watch."""
        if self._started_s is not None:
            self.longest_s = max(self.longest_s, time.perf_counter() - self._started_s)
