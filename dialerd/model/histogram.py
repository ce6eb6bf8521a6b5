"""A histogram: how many values there were, by bounds. Plain numbers, so that counting one costs next to nothing."""

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """Counts values.

    It may be counted in by one thread and read by another: what is read may lack the value under way.

    Args:
        bounds: upper bounds, ascending; a value equal to one is counted under it.

    Attributes:
        counts: values a bound, each in the first that holds it; the last is of those above every bound.
        total: sum of all values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def count(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
