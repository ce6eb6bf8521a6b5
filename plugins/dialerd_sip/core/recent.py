"""A bounded memory of what was lately so. Knows nothing of what it remembers."""

from typing import Final

MOST: Final = 65_536
"""Entries of one generation; two are held. Without it a flood would grow the memory."""


class Recent:
    """Remembers keys with a value each for a span of time, at the least, and for twice that at the most.

    There are two generations: the younger one becomes the older one when the span has passed, or when it is full, and
    the older one is forgotten as a whole. So nothing is looked through, and nothing needs a timer.

    Args:
        span: seconds.
        most: entries of a generation; a flood of more makes the memory shorter, not larger.
    """

    __slots__ = ("_most", "_old", "_since", "_span", "_young")

    def __init__(self, span: float, most: int = MOST) -> None:
        self._span = span
        self._most = most
        self._young: dict[object, str] = {}
        self._old: dict[object, str] = {}
        self._since = float("-inf")

    def __len__(self) -> int:
        """How much is remembered."""
        return len(self._young) + len(self._old)

    def remember(self, key: object, value: str, now: float) -> None:
        """Remember a value."""
        self._turn(now)
        if len(self._young) >= self._most:
            self._old, self._young, self._since = self._young, {}, now
        self._young[key] = value

    def recall(self, key: object, now: float) -> str | None:
        """Return what is remembered of a key, or None."""
        self._turn(now)
        found = self._young.get(key)
        return self._old.get(key) if found is None else found

    def forget(self, key: object) -> None:
        """Remember nothing of a key."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def _turn(self, now: float) -> None:
        passed = now - self._since
        if passed >= self._span:
            lately = passed < 2 * self._span
            self._old, self._young = self._young if lately else {}, {}
            self._since = self._since + self._span if lately else now
