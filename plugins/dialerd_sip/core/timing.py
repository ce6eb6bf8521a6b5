"""RFC 3261's timers as one value, and one heap for all that waits. Knows nothing of messages and of the clock."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Final

from attrs import frozen

_FEW: Final = 512  # a heap as small as this is not worth sweeping


@frozen(kw_only=True)
class Timing:
    """The timers of RFC 3261, table 4, in seconds.

    Args:
        t1: estimate of the round trip; first retransmission over UDP (timers A, E and G start with it).
        t2: longest interval between retransmissions of what is no INVITE, and of answers to INVITEs.
        t4: how long a message may stay in the network (timers I and K).
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def patience(self) -> float:
        """64*T1: timers B, F, H, J, L and M, which is how long a transaction waits for the other side."""
        return 64 * self.t1

    @property
    def timer_d(self) -> float:
        """How long retransmitted refusals of an INVITE are acknowledged over UDP: timer D, at least 32 s."""
        return max(self.patience, 32.0)


class Timer:
    """One thing to be done at an instant; `cancel` keeps it from being done."""

    __slots__ = ("_timers", "at", "due")

    def __init__(self, at: float, due: Callable[[float], None], timers: "Timers") -> None:
        self.at = at
        self.due: Callable[[float], None] | None = due
        self._timers = timers

    def cancel(self) -> None:
        """Have it not done; a second time does nothing."""
        if self.due is not None:
            self.due = None
            self._timers.forget_one()


class Timers:
    """All timers of a user agent in one heap.

    A cancelled timer stays in the heap until its instant, or until cancelled ones are more than half of it: so
    cancelling costs nothing, and the heap is never more than twice as long as what waits.
    """

    __slots__ = ("_cancelled", "_heap", "_ids")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._ids = count()
        self._cancelled = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._heap) - self._cancelled

    def at(self, at: float, due: Callable[[float], None]) -> Timer:
        """Have `due(now)` called at an instant or soon after, and return the timer.

        Args:
            at: the instant, in seconds on the user agent's clock.
            due: what is to be done.
        """
        timer = Timer(at, due, self)
        heapq.heappush(self._heap, (at, next(self._ids), timer))
        return timer

    def forget_one(self) -> None:
        """Take note that one of them was cancelled; only a timer itself calls this."""
        self._cancelled += 1
        if self._cancelled * 2 > len(self._heap) > _FEW:
            self._heap = [entry for entry in self._heap if entry[2].due is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def next_deadline(self) -> float | None:
        """Return the instant of the first timer that was not cancelled, or None."""
        heap = self._heap
        while heap and heap[0][2].due is None:
            heapq.heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def handle(self, now: float) -> None:
        """Do all that is due at `now`, in the order of the instants.

        What is set for `now` or earlier while this runs is done too.
        """
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            due, timer.due = timer.due, None
            if due is None:
                self._cancelled -= 1
            else:
                due(now)
