"""Tempo: how many calls are let go a second, of late; over two spans of seconds, as calls come in bursts."""

from typing import Final

_SPAN_S: Final = 4.0  # over less than this a rate says nothing


class Tempo:
    """Counts what happens in the last seconds.

    Args:
        now_s: monotonic seconds.
    """

    __slots__ = ("_at_s", "_before", "_before_s", "_count")

    def __init__(self, now_s: float) -> None:
        self._at_s = now_s
        self._count = 0
        self._before = 0
        self._before_s = 0.0

    def count(self, number: int, now_s: float) -> None:
        """Count that many more.

        Args:
            number: how many.
            now_s: monotonic seconds.
        """
        age_s = now_s - self._at_s
        if age_s >= _SPAN_S:
            fresh = age_s < 2 * _SPAN_S
            self._before, self._before_s = (self._count, age_s) if fresh else (0, 0.0)
            self._at_s, self._count = now_s, 0
        self._count += number

    def per_second(self, now_s: float) -> float:
        """Return how many there were a second, as of the last four to sixteen seconds.

        Args:
            now_s: monotonic seconds.
        """
        age_s = now_s - self._at_s
        if age_s >= 2 * _SPAN_S:
            return 0.0
        return (self._before + self._count) / max(_SPAN_S, self._before_s + age_s)
