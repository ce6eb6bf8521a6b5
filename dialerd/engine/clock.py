"""The wall clock, as the engine reads it. Sleeping is trio's, on its monotonic clock.

A wall clock can be stepped, so nothing sleeps until an instant in one go: whoever waits for one looks again at least
every `recheck_s` seconds. A virtual clock is never stepped, and a forecast of ten days must not wake up 864,000 times.
"""

import math
import time
from typing import Protocol

import structlog
import trio

from dialerd.model.instants import SECOND, Instant

_log = structlog.get_logger()

STEP_MS = 2_000
"""How far a wall clock departs from the monotonic one where it was stepped; less is its being slewed."""

_SET_FORWARD = (
    "find out what set this host's clock (timedatectl); opening hours are judged by the new time, and retries that "
    "were due in the time jumped over are due now; where the new time is wrong, stop dialerd until it is right"
)

_SET_BACK = (
    "find out what set this host's clock (timedatectl); opening hours are judged by the new time, and retries and "
    "cooldowns noted by the old one are kept, so they may come later by as much, and never earlier"
)


class Clock(Protocol):
    """Tells the present instant."""

    recheck_s: float
    """Seconds after which whoever waits for an instant looks at the clock again."""

    def now(self) -> Instant:
        """Return the present instant."""


class SystemClock:
    """The host's wall clock."""

    recheck_s = 1.0

    def now(self) -> Instant:
        """See `Clock.now`."""
        return time.time_ns() // 1_000_000


class VirtualClock:
    """A wall clock that goes with trio's, for runs under `trio.testing.MockClock`.

    Args:
        start: the instant at which trio's clock reads what it reads now.
    """

    recheck_s = math.inf

    def __init__(self, start: Instant) -> None:
        self._start = start
        self._zero = trio.current_time()

    def now(self) -> Instant:
        """See `Clock.now`."""
        # rounded up, so that who slept until an instant finds it reached
        return self._start + math.ceil((trio.current_time() - self._zero) * 1_000 - 1e-3)


class Steps:
    """Notices when the wall clock is stepped.

    Args:
        now: the present instant.
    """

    def __init__(self, now: Instant) -> None:
        self._offset = now - trio.current_time() * SECOND

    def stepped(self, now: Instant) -> bool:
        """Tell, in the log too, whether it was stepped since the last look.

        Args:
            now: the present instant.
        """
        offset = now - trio.current_time() * SECOND
        by, self._offset = offset - self._offset, offset
        if abs(by) <= STEP_MS:
            return False
        _log.warning("clock.stepped", by_s=round(by / SECOND), remedy=_SET_BACK if by < 0 else _SET_FORWARD)
        return True
