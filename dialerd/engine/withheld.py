"""Withheld numbers: those under a do-not-call entry that the next claim may not see yet.

They are held before the entry is stored, so that the very next call to leave is stopped, and let go once every claim
sees the entry and no call claimed before it has still to leave. An entry of an agent or a campaign holds their calls
only. Knows nothing of the store.
"""

from collections.abc import Iterable, KeysView, Mapping
from typing import Final

from dialerd.engine.live import LiveCall

_ALL: Final = "all"


class Withheld:
    """Keeps them.

    Attributes:
        numbers: those that are held now; always up to date, and asked at the last instant of every call.
    """

    def __init__(self) -> None:
        self._storing: dict[str, dict[str, int]] = {}  # by number and scope, how many entries are still being stored
        self.numbers: KeysView[str] = self._storing.keys()

    def hold(self, numbers: Iterable[str], scope: str = _ALL) -> None:
        """Hold numbers whose entry is about to be stored; each `hold` needs a `stored`."""
        for number in numbers:
            scopes = self._storing.setdefault(number, {})
            scopes[scope] = scopes.get(scope, 0) + 1

    def stored(self, numbers: Iterable[str], scope: str = _ALL) -> None:
        """Note that the entry of numbers is stored, or could not be."""
        for number in numbers:
            self._storing[number][scope] -= 1

    def binds(self, number: str, agent: str, campaign: str) -> bool:
        """Tell whether a number is held for calls of an agent's campaign.

        Args:
            number: E.164.
            agent: the agent's name.
            campaign: the campaign's id.
        """
        scopes: Mapping[str, int] = self._storing.get(number, {})
        return any(scope in scopes for scope in (_ALL, f"agent:{agent}", f"campaign:{campaign}"))

    def release(self, calls: Iterable[LiveCall]) -> None:
        """Let go of numbers whose entry the next claim sees, unless a call claimed before it has still to leave.

        Args:
            calls: all that are on.
        """
        if not self._storing:
            return
        waiting = {call.claimed.number for call in calls if not call.left}
        for number in [number for number in self._storing if number not in waiting]:
            scopes = {scope: storing for scope, storing in self._storing[number].items() if storing}
            if scopes:
                self._storing[number] = scopes
            else:
                del self._storing[number]
