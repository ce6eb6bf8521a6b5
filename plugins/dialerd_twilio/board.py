"""The calls that callbacks may be about: those in progress, those in doubt, and those nobody has asked about yet.

After a restart callbacks come before anybody has found out about their calls, and after a lost answer they are the
first to tell the call's id. What they say is kept until somebody asks for it.
"""

from typing import Final

import trio

from dialerd_twilio.leg import Leg
from dialerd_twilio.script import Script

_CLOSED_S: Final = 60.0  # how long requests about a call may come after its end
_STRANGERS: Final = 10_000  # calls that nobody has asked about; the latest ones are kept
_KEPT_S: Final = 600.0
_REMEMBERED: Final = 100_000  # ids of calls that are over


class Board:
    """Calls by the attempt that they are of."""

    def __init__(self) -> None:
        self._legs: dict[str, Leg] = {}
        self._strangers: dict[str, Leg] = {}
        self._closed: dict[str, tuple[float, Leg]] = {}  # and when they were closed, the latest last
        self._over: dict[str, str] = {}  # attempts' ids by their calls' ids, which may not be stored yet

    def open(self, attempt_id: str, script: Script | None) -> Leg:
        """Return the call of an attempt, with all that callbacks have told of it already.

        Args:
            attempt_id: whose call it is.
            script: what it does; None = as far as is known already.
        """
        leg = self._legs.get(attempt_id) or self._strangers.pop(attempt_id, None) or Leg(attempt_id, Script())
        if script is not None:
            leg.script = script
        self._legs[attempt_id] = leg
        return leg

    def close(self, leg: Leg) -> None:
        """Let go of a call that is over."""
        if self._legs.get(leg.attempt_id) is leg:
            del self._legs[leg.attempt_id]
        now_s = trio.current_time()
        self._closed[leg.attempt_id] = now_s, leg
        while self._closed and next(iter(self._closed.values()))[0] < now_s - _CLOSED_S:
            del self._closed[next(iter(self._closed))]
        if leg.known.sid is not None:
            self._over[leg.known.sid] = leg.attempt_id
            if len(self._over) > _REMEMBERED:
                del self._over[next(iter(self._over))]

    def find(self, attempt_id: str) -> Leg | None:
        """Return the call of an attempt that somebody has asked about."""
        return self._legs.get(attempt_id)

    def closed(self, attempt_id: str) -> Leg | None:
        """Return the call of an attempt that was over a moment ago."""
        return self._closed[attempt_id][1] if attempt_id in self._closed else None

    def stranger(self, attempt_id: str) -> Leg:
        """Return the call of an attempt that nobody has asked about yet, to keep there what a callback tells."""
        now_s = trio.current_time()
        leg = self._strangers.pop(attempt_id, None) or Leg(attempt_id, Script())
        leg.heard_s = now_s
        self._strangers[attempt_id] = leg  # the latest last
        while self._strangers:
            oldest = next(iter(self._strangers.values()))
            if len(self._strangers) <= _STRANGERS and now_s - oldest.heard_s <= _KEPT_S:
                break
            del self._strangers[oldest.attempt_id]
        return leg

    def taken(self, attempt_id: str) -> set[str]:
        """Return the ids of calls that are those of other attempts."""
        live = {
            leg.known.sid for leg in self._legs.values() if leg.known.sid is not None and leg.attempt_id != attempt_id
        }
        return live | {sid for sid, owner in self._over.items() if owner != attempt_id}
