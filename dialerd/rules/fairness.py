"""Fairness: sharing free lines among campaigns by priority.

Start-time fair queueing (Goyal, Vin and Cheng, 1996). Each campaign has a tag, a place in virtual time, and each line
it gets moves its tag on by 1/weight; the next line goes to the lowest tag. Virtual time is the tag of the line given
last. Over time the campaigns that want lines get them by weight, whatever their size; none is ever ahead of another
by more than one line of each. Whoever begins to want lines begins at the present virtual time (or at its own tag, if
it was served ahead of it), so that a campaign of ten is served at the very next line though one of a million has been
waiting for days, and a campaign that was idle has no claim on the past.

The set of campaigns that want lines is kept, and not handed over each time: with thousands of them a share must cost
no more than the lines it gives. Knows nothing of campaigns, calls and limits; a key is anything hashable.
"""

from collections.abc import Hashable
from heapq import heapify, heappop, heappush, heapreplace
from math import inf
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

CLAIM: Final = 1.0
"""How far behind virtual time a key may stay that waits for something other than a turn (a full trunk). It is one line
of a key of weight 1, ten of weight 10: enough to make shares come out by weight where a narrow place lets one line
through at a time, and too little to take all lines for long when a wide one opens."""


class _Flow(Generic[K]):
    """One key: its tag, its weight and what it wants."""

    __slots__ = ("entry", "given", "key", "tag", "upto", "waiting", "wanting", "weight")

    def __init__(self, key: K) -> None:
        self.key = key
        self.tag = 0.0
        self.weight = 1.0
        self.upto = inf  # lines it can use; a float because the unknown is infinite
        self.wanting = False
        self.waiting = False  # it rested last because there was nothing for it, not because it wanted nothing
        self.entry = -1  # number of its entry in the heap, -1 = it has none
        self.given = 0  # in the share under way


class FairShare(Generic[K]):
    """Shares lines among those who want some, by weight."""

    __slots__ = ("_entries", "_flows", "_heap", "_time")

    def __init__(self) -> None:
        self._flows: dict[K, _Flow[K]] = {}
        # (tag, number of the entry, flow); void where the number is not its flow's, and then dropped when it comes to
        # the top, which is cheaper than finding it. Virtual time never passes an entry, so that no tag is before it.
        self._heap: list[tuple[float, int, _Flow[K]]] = []
        self._entries = 0
        self._time = 0.0

    def wants(self, key: K, weight: float, upto: int | None = None) -> None:
        """Note that `key` wants lines from now on; asked again, it changes weight and bound.

        Args:
            key: who.
            weight: its priority, greater than 0.
            upto: how many lines it can use, counted down by each share, at 0 it rests; None = not known, as many as
                there are.
        """
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = _Flow(key)
        flow.weight = weight
        flow.upto = inf if upto is None else upto
        if flow.upto <= 0:
            flow.wanting = False
        elif not flow.wanting:
            flow.wanting = True
            if flow.entry < 0:
                flow.tag = max(flow.tag, self._floor(flow))
                self._enter(flow)

    def rests(self, key: K, *, waiting: bool = False) -> None:
        """Note that `key` wants no line for now; it keeps its tag, so that resting is no way to jump the queue.

        Args:
            key: who.
            waiting: it would want some if there were any that it can use; then it keeps its claim too, up to `CLAIM`.
        """
        if (flow := self._flows.get(key)) is not None:
            flow.wanting = False
            flow.waiting = waiting

    def tag(self, key: K) -> float:
        """Return the place of `key` in virtual time: of several that wait, the lowest comes first."""
        flow = self._flows.get(key)
        return 0.0 if flow is None else flow.tag

    def forget(self, key: K) -> None:
        """Drop all that is known of `key`, which has ended."""
        if (flow := self._flows.pop(key, None)) is not None:
            flow.entry = -1

    def share(self, lines: int) -> list[tuple[K, int]]:
        """Give out up to `lines` lines and charge for them; return who got how many, first come first.

        Costs one step in a heap a line, less where one key gets several in a row; with one key wanting, one in all.

        Args:
            lines: free lines.
        """
        heap = self._heap
        served: list[_Flow[K]] = []
        while lines > 0 and heap:
            tag, number, flow = heap[0]
            if number != flow.entry or not flow.wanting:
                heappop(heap)
                if number == flow.entry:
                    flow.entry = -1
                continue
            n = lines if flow.upto > lines else int(flow.upto)
            if len(heap) > 1:
                # until its tag passes the next one's; whoever has that, and whether it still wants lines, is seen then
                second = heap[1][0] if len(heap) == 2 or heap[1][0] < heap[2][0] else heap[2][0]
                n = min(n, int((second - tag) * flow.weight) + 1)
            self._time = max(self._time, tag + (n - 1) / flow.weight)
            flow.tag = tag + n / flow.weight
            flow.upto -= n
            if flow.upto:
                heapreplace(heap, (flow.tag, number, flow))
            else:
                flow.wanting = False
                flow.entry = -1
                heappop(heap)
            if not flow.given:
                served.append(flow)
            flow.given += n
            lines -= n
        shares = [(flow.key, flow.given) for flow in served]
        for flow in served:
            flow.given = 0
        return shares

    def give_back(self, key: K, n: int) -> None:
        """Take back lines of the last share that `key` could not use, so that it is not charged for them.

        It wants lines as before; one that can use none should rest, or the next share gives it the same again. One
        whose bound was reached goes on resting.

        Args:
            key: who.
            n: how many of the lines that the last share gave it.
        """
        if n <= 0 or (flow := self._flows.get(key)) is None:
            return
        flow.tag = max(self._floor(flow), flow.tag - n / flow.weight)
        if flow.wanting:
            flow.upto += n
        if flow.entry >= 0:
            self._enter(flow)  # the one it has bears the higher tag

    def _floor(self, flow: _Flow[K]) -> float:
        """Return the lowest tag that `flow` may have now."""
        return self._time - CLAIM if flow.waiting else self._time

    def _enter(self, flow: _Flow[K]) -> None:
        """Put an entry of `flow` into the heap; one that it has already is void from now on."""
        self._entries += 1
        flow.entry = self._entries
        heappush(self._heap, (flow.tag, flow.entry, flow))
        if len(self._heap) > 2 * len(self._flows) + 64:
            self._heap = [entry for entry in self._heap if entry[1] == entry[2].entry]
            heapify(self._heap)
