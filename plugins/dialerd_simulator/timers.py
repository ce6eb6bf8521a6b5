"""The timers of all calls in progress: one task for all of them, because one each costs more than the rest of a call.

Time is trio's clock, in ticks of a millisecond: no call ends before its time, and all that are due in a tick are woken
together.
"""

from heapq import heappop, heappush
from math import ceil
from typing import Final

import trio

from dialerd.plugin.hangup import HangUp

_TICKS_A_SECOND: Final = 1_000


class Timers:
    """Wakes calls when their time has come, or when they are hung up."""

    def __init__(self) -> None:
        self._waiting: dict[int, dict[trio.lowlevel.Task, None]] = {}  # by the tick at which they are due
        self._ticks: list[int] = []
        self._sooner = trio.Event()

    async def run(self) -> None:
        """Wake whose time has come, until cancelled."""
        while True:
            self._sooner = trio.Event()
            tick = self._ticks[0] / _TICKS_A_SECOND if self._ticks else float("inf")
            with trio.move_on_at(tick):
                await self._sooner.wait()
            now = trio.current_time() * _TICKS_A_SECOND + 1e-6  # not rounded up: no call ends before its time
            while self._ticks and self._ticks[0] <= now:
                due = self._waiting.pop(heappop(self._ticks))
                while due:
                    trio.lowlevel.reschedule(due.popitem()[0])

    async def wait(self, seconds: float, hangup: HangUp) -> bool:
        """Wait for some time or for the hang-up; tell whether it was hung up.

        Args:
            seconds: how long at most.
            hangup: of the call.
        """
        if hangup.is_set():
            await trio.lowlevel.checkpoint()
            return True
        tick = _tick(trio.current_time() + seconds)
        waiting = self._waiting.get(tick)
        if waiting is None:
            waiting = self._waiting[tick] = {}
            heappush(self._ticks, tick)
            if self._ticks[0] == tick:
                self._sooner.set()
        task = trio.lowlevel.current_task()
        waiting[task] = None

        def told() -> None:
            if task in waiting:
                del waiting[task]
                trio.lowlevel.reschedule(task)

        def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
            waiting.pop(task, None)
            return trio.lowlevel.Abort.SUCCEEDED

        hangup.notify(told)
        try:
            await trio.lowlevel.wait_task_rescheduled(abort)
        finally:
            hangup.notify(None)
        return hangup.is_set()


def _tick(seconds: float) -> int:
    """Return the tick of an instant, the next one where it lies between two."""
    return ceil(seconds * _TICKS_A_SECOND - 1e-6)
