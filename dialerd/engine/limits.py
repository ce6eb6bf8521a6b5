"""Limits and permits: one unit of every limiter that a call needs, held from before the claim to the call's end."""

import math
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

import trio

from dialerd.rules.pacing import Pace

if TYPE_CHECKING:
    from dialerd.engine.campaign import LiveCampaign

AHEAD_S = 0.1
"""Seconds ahead for which paced starts are claimed together: calls wait for their start with their gate still before
them, and a trunk of 200 calls a second takes ten commits a second instead of 200."""


class Queue:
    """Something of which there may be too little: campaigns that found none are parked on it, and cost nothing."""

    __slots__ = ("_heap", "_parked", "_parkings")

    def __init__(self) -> None:
        self._parked: dict[LiveCampaign, int] = {}  # by campaign, its last parking
        self._heap: list[tuple[float, int, LiveCampaign]] = []  # an entry is good while it is its campaign's last
        self._parkings = 0

    @property
    def free(self) -> float:
        """Units that can be had now; `math.inf` where there is no limit."""
        raise NotImplementedError

    @property
    def free_at(self) -> float | None:
        """Monotonic seconds at which a unit frees by itself; None = a call must end."""
        return None

    @property
    def awaited(self) -> bool:
        """Whether any campaign waits."""
        return bool(self._parked)

    def park(self, campaign: "LiveCampaign", tag: float) -> None:
        """Let `campaign` wait for a free unit.

        Args:
            campaign: who waits.
            tag: its place in virtual time; the lowest comes first.
        """
        self._parkings += 1
        self._parked[campaign] = self._parkings
        heappush(self._heap, (tag, self._parkings, campaign))
        if len(self._heap) > 2 * len(self._parked) + 64:  # most were parked again since
            self._heap = [entry for entry in self._heap if self._parked.get(entry[2]) == entry[1]]
            heapify(self._heap)

    def unpark(self) -> "LiveCampaign | None":
        """Return the campaign whose turn it is, which waits no longer, or None where nobody does."""
        while self._heap:
            _, parking, campaign = heappop(self._heap)
            if self._parked.get(campaign) == parking:
                del self._parked[campaign]
                return campaign
        return None


class Limit(Queue):
    """Something of which only so many calls may be in progress: the daemon, a trunk, a number, an agent, a campaign.

    A plain count: nobody ever waits for a unit (campaigns are parked instead), and everything that takes or gives one
    runs between two checkpoints of the one event loop.

    Args:
        total: calls at once; None = no limit.

    Attributes:
        used: units that calls hold; above `total` where that was lowered meanwhile.
    """

    __slots__ = ("total", "used")

    def __init__(self, total: int | None) -> None:
        super().__init__()
        self.used = 0
        self.set_total(total)

    @property
    def free(self) -> float:
        """Units that can be had now; `math.inf` where there is no limit."""
        # a limit that was lowered below what is in use has fewer than none
        return max(0, self.total - self.used)

    def set_total(self, total: int | None) -> None:
        """Follow changed settings; calls in progress beyond a lower limit go on."""
        self.total: float = math.inf if total is None else total


class Starts(Queue):
    """The starts that a pace has in the near future.

    Args:
        pace: whose.

    Attributes:
        last_taker: the campaign that took the last of them.
        trouble: why the pace was slowed last, in words; None = it never was.
    """

    __slots__ = ("last_taker", "pace", "trouble")

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self.pace = pace
        self.last_taker: LiveCampaign | None = None
        self.trouble: str | None = None

    @property
    def free(self) -> float:
        """Starts that can be had now."""
        now = trio.current_time()
        room = now + AHEAD_S - self.pace.next_at(now)
        if room < 0:
            return 0
        return math.inf if self.pace.rate is None else int(room * self.pace.rate) + 1

    @property
    def free_at(self) -> float | None:
        """Monotonic seconds at which the next start is."""
        return self.pace.next_at(trio.current_time())


class Permit:
    """One unit of each of several limits, for one call.

    Args:
        limits: what was taken.
    """

    __slots__ = ("limits",)

    def __init__(self, limits: tuple[Limit, ...]) -> None:
        self.limits = limits

    def release(self) -> None:
        """Give everything back; a second time does nothing."""
        for limit in self.limits:
            limit.used -= 1
        self.limits = ()


def take(limits: tuple[Limit, ...]) -> Permit | None:
    """Take one unit of each limit, all or none."""
    for limit in limits:
        if limit.used >= limit.total:
            return None
    for limit in limits:
        limit.used += 1
    return Permit(limits)


def hold(limits: tuple[Limit, ...]) -> Permit:
    """Take one unit of each limit, of those too that have none: for a call that is up already, and counts."""
    for limit in limits:
        limit.used += 1
    return Permit(limits)
