"""Breaker: a trunk that does not work rests, and one call finds out whether it works again.

So does an agent that cannot speak over a trunk; there each called number is a place of its own.

It opens after `FAULTS` faults of the trunk or the provider in a row (a call that reaches the callee's network ends
the row) over at least `PLACES` places. A place is the first `PLACE_DIGITS` digits of a number, country, area and what
follows: `+121255`, `+442079`. The reason is that a carrier may lose one route while the others work; a list that is
sorted by number then brings hundreds of faults in a row, which say nothing about the trunk.

The choice has limits. A carrier that loses a whole country looks like a dead trunk as soon as three areas of it were
tried, and the trunk's other countries rest with it, for at most five minutes at a time. And a trunk over which only
one or two places are rung never opens by faults: there the recipients' growing refund delays keep it from being
hammered, and the trunk's pace, which is to be slowed while it is `hammered`: thousands of people who are refused within
milliseconds would be asked for as fast as the daemon can. A trunk that drops a part of its calls does not open either;
that is the pace's affair too. What the carrier says in so many words (account suspended, credentials refused) needs no
counting: `trip`.

An open breaker rests, each time twice as long as before, and then is half open: it lets one call through, the probe. If
the probe reaches the callee's network, whatever the callee makes of it, busy or invalid, the trunk works and the
breaker closes. Whoever hears of the carrier again in another way has the probe leave at once: `hasten`. Calls that
started before the rest ended say nothing about now, and are not heard when they come back late.

Times are monotonic seconds and arguments. Knows nothing of calls and providers.
"""

from enum import StrEnum
from math import inf
from typing import Final

FAULTS: Final = 5
"""Faults in a row that open it: what a stutter of the network does not reach, and few enough calls to lose."""

PLACES: Final = 3
"""Distinct places among them: two can be one number's two carriers, three are a pattern."""

MANY_FAULTS: Final = 20
"""Faults in a row that are too many wherever they lie: a trunk that stays closed is to be asked more slowly."""

PLACE_DIGITS: Final = 6
"""Digits of a place: country, area and the beginning of the exchange, in the plans of all bigger countries (ITU-T E.164
gives a country code up to three of them)."""

FIRST_REST_S: Final = 5.0
"""Seconds of the first rest: as long as the restart of a SIP proxy."""

MAX_REST_S: Final = 300.0
"""Seconds of the longest rest: how late, at worst, the end of an outage is noticed."""

LOST_PROBE_S: Final = 900.0
"""Seconds after which a probe of which nothing was heard is given up: longer than a phone may ring (10 min)."""

UNLIMITED: Final = 1 << 62
"""What a closed breaker allows."""


class BreakerState(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Guards one trunk, or one agent on it.

    Args:
        place_digits: digits of a number that make a place.

    Attributes:
        state: closed, open or half open.
        reason: why it opened; empty while it is closed.
        since: monotonic seconds since when it has not been closed; None while it is.
        until: monotonic seconds until when nothing is let through, as far as is known; None while closed, and while
            half open with its probe not yet taken.
    """

    __slots__ = (
        "_faults",
        "_hastened",
        "_opened_at",
        "_place_digits",
        "_places",
        "_renewed_at",
        "_rest_s",
        "reason",
        "since",
        "state",
        "until",
    )

    def __init__(self, place_digits: int = PLACE_DIGITS) -> None:
        self.state = BreakerState.CLOSED
        self.reason = ""
        self.since: float | None = None
        self.until: float | None = None
        self._place_digits = place_digits
        self._faults = 0  # in a row
        self._places: set[str] = set()  # of them, up to PLACES
        self._rest_s = FIRST_REST_S  # how long the next rest will be
        self._hastened = False  # while the probe was out
        self._opened_at = -inf  # when the last rest began
        self._renewed_at = -inf  # when the last rest ended

    @property
    def hammered(self) -> bool:
        """Whether it lets calls through though nothing but faults has come of the last ones."""
        return self.state is BreakerState.CLOSED and self._faults >= MANY_FAULTS

    def allow(self, now: float) -> int:
        """Return how many calls may be started: `UNLIMITED`, none, or the one probe.

        The 1 is handed out once. Whoever gets it starts a call and reports `succeeded` or `failed` with it, as
        soon as the callee's network was heard and without waiting for the end, or calls `returned_probe`.

        Args:
            now: monotonic seconds.
        """
        if self.state is BreakerState.CLOSED:
            return UNLIMITED
        if self.until is not None and now < self.until:
            return 0
        if self.state is BreakerState.OPEN:
            self.state = BreakerState.HALF_OPEN
            self._renewed_at = now
        self.until = now + LOST_PROBE_S
        return 1

    def failed(self, number: str, now: float, reason: str, *, started_at: float = inf) -> None:
        """Count a fault of the trunk or the provider.

        Args:
            number: number called, E.164.
            now: monotonic seconds.
            reason: in words, for `why` and the log.
            started_at: monotonic seconds at which the call started; by default it is not older than the last rest.
        """
        if started_at < self._renewed_at or self.state is BreakerState.OPEN:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._open(now, reason)
            return
        self._faults += 1
        if len(self._places) < PLACES:
            self._places.add(number[: 1 + self._place_digits])
        if self._faults >= FAULTS and len(self._places) >= PLACES:
            self._open(now, reason)

    def trip(self, now: float, reason: str, *, started_at: float = inf) -> None:
        """Open at once: the trunk cannot place calls until somebody acts. An open breaker only takes the reason.

        Args:
            now: monotonic seconds.
            reason: in words, for `why` and the log.
            started_at: as for `failed`.
        """
        if started_at < self._renewed_at:
            return
        if self.state is BreakerState.OPEN:
            self.reason = reason
        else:
            self._open(now, reason)

    def succeeded(self, now: float, *, started_at: float = inf) -> None:
        """Note that a call reached the callee's network, whatever became of it there.

        Args:
            now: monotonic seconds.
            started_at: as for `failed`.
        """
        if self.state is BreakerState.CLOSED:
            if self._faults:
                self._faults = 0
                self._places.clear()
        elif self.state is BreakerState.HALF_OPEN and started_at >= self._renewed_at:
            self._close()

    def hasten(self, now: float) -> bool:
        """End a rest early; it lasts as long as the first one at least, however often this is asked.

        While the probe is out, it is the next rest that will be as short: the probe may have left too early.

        Args:
            now: monotonic seconds.

        Returns:
            Whether a rest ends earlier by this.
        """
        self._hastened = self.state is BreakerState.HALF_OPEN
        if self.state is not BreakerState.OPEN or self.until is None:
            return False
        until = max(now, self._opened_at + FIRST_REST_S)
        if until >= self.until:
            return False
        self.until = until
        return True

    def returned_probe(self) -> None:
        """Take the probe back: no call was started with it, or it was withdrawn before it left."""
        if self.state is BreakerState.HALF_OPEN:
            self.until = None

    def _open(self, now: float, reason: str) -> None:
        self.state = BreakerState.OPEN
        self.reason = reason
        self.since = now if self.since is None else self.since
        self._opened_at = now
        self.until = now + (FIRST_REST_S if self._hastened else self._rest_s)
        self._hastened = False
        self._rest_s = min(2 * self._rest_s, MAX_REST_S)

    def _close(self) -> None:
        self.state = BreakerState.CLOSED
        self.reason = ""
        self.since = self.until = None
        self._rest_s = FIRST_REST_S
        self._hastened = False
        self._faults = 0
        self._places.clear()
