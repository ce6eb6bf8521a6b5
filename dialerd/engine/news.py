"""News: what calls that go on have to store, gathered for a moment, because most calls have ended by then."""

import math
from typing import Final

import trio

from dialerd.engine.live import LiveCall

_GATHER_S: Final = 0.2


class News:
    """The calls with something to store while they go on.

    Attributes:
        due_s: monotonic seconds at which it is to be stored; `math.inf` where there is none.
    """

    def __init__(self) -> None:
        self.due_s = math.inf
        self._calls: dict[int, LiveCall] = {}  # by attempt

    def add(self, call: LiveCall) -> bool:
        """Take note that a call has something to store; return whether nobody had before."""
        first = not self._calls
        if first:
            self.due_s = trio.current_time() + _GATHER_S
        self._calls[call.claimed.attempt_id] = call
        return first

    def hurry(self) -> None:
        """Have what there is stored with the next turn."""
        if self._calls:
            self.due_s = -math.inf

    def has(self, call: LiveCall) -> bool:
        """Tell whether a call has something that no turn has taken yet."""
        return call.claimed.attempt_id in self._calls

    def drop(self, call: LiveCall) -> None:
        """Forget a call that has ended: its end says everything."""
        if self._calls.pop(call.claimed.attempt_id, None) is not None and not self._calls:
            self.due_s = math.inf

    def take(self, *, now_s: float) -> list[LiveCall]:
        """Return the calls with news once these have been gathered long enough, and begin anew.

        Args:
            now_s: monotonic seconds.
        """
        if now_s < self.due_s or not self._calls:
            return []
        calls = list(self._calls.values())
        self._calls.clear()
        self.due_s = math.inf
        return calls
