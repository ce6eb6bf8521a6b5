"""Withheld numbers: those under a do-not-call entry that the next claim may not see yet.

They are held before the entry is stored, so that the very next call to leave is stopped, and let go once every claim
sees the entry and no call claimed before it has still to leave. Knows nothing of the store.
"""

from collections.abc import Iterable, KeysView

from dialerd.engine.live import LiveCall


class Withheld:
    """Keeps them.

    Attributes:
        numbers: those that are held now; always up to date, and asked at the last instant of every call.
    """

    def __init__(self) -> None:
        self._storing: dict[str, int] = {}  # by number, how many entries of it are still being stored
        self.numbers: KeysView[str] = self._storing.keys()

    def hold(self, numbers: Iterable[str]) -> None:
        """Hold numbers whose entry is about to be stored; each `hold` needs a `stored`."""
        for number in numbers:
            self._storing[number] = self._storing.get(number, 0) + 1

    def stored(self, numbers: Iterable[str]) -> None:
        """Note that the entry of numbers is stored, or could not be."""
        for number in numbers:
            self._storing[number] -= 1

    def release(self, calls: Iterable[LiveCall]) -> None:
        """Let go of numbers whose entry the next claim sees, unless a call claimed before it has still to leave.

        Args:
            calls: all that are on.
        """
        if not self._storing:
            return
        waiting = {call.claimed.number for call in calls if not call.left}
        for number in [number for number, storing in self._storing.items() if not storing and number not in waiting]:
            del self._storing[number]
