"""Pace: calls started per second, evenly spaced, slower while the carrier throttles.

Starts are spaced and not merely counted, because carriers count in windows of their own and a burst at the edge of
two of ours is a burst to them. Time that passes unused is lost for the same reason: burst 1. A pace starts empty, its
first start one interval away: after a crash and a restart the calls of the former life still stand in the carrier's
count, and a daemon that restarts in a loop must not be faster than one that runs.

When the carrier throttles, the rate is halved, and while calls get through it climbs back evenly: the additive
increase and multiplicative decrease by which TCP finds a capacity that it cannot see (Chiu and Jain, 1989).

Times are monotonic seconds and arguments. Knows nothing of clocks, calls and trunks.
"""

from typing import Final

LOWEST_RATE: Final = 0.1
"""Calls per second under which no pace is pushed: every ten seconds one call must find out whether the carrier takes
calls again."""

STEEPEST: Final = 64
"""A configured rate is not pushed under this part of it; a carrier that takes less than that is not throttling, it is
configured wrongly or down, and then the breaker acts."""

RECOVERY_S: Final = 60.0
"""Seconds of calls that get through after which a rate is back from nothing."""

CUT_EVERY_S: Final = 1.0
"""Seconds in which the rate is halved only once: one overload answers all the calls that were on their way."""

MAX_HOLD_S: Final = 3600.0
"""Seconds that a carrier may ask to be left alone. Retry-After has no bound of its own (RFC 3261, section 20.33);
after an hour a call may ask again."""

_SPAN_S: Final = 2.0
"""Seconds over which the rate of an unlimited pace is measured, twice at most."""


class Pace:
    """Hands out instants at which calls may start.

    Args:
        rate: starts per second, greater than 0; None = unlimited.
        now: monotonic seconds.
    """

    __slots__ = (
        "_before",
        "_configured",
        "_count",
        "_counted_at",
        "_cut_at",
        "_given",
        "_held_until",
        "_last",
        "_raised_at",
        "_rate",
        "_span",
        "_step",
        "_target",
    )

    def __init__(self, rate: float | None, now: float) -> None:
        self._configured = rate
        self._rate = rate
        self._target = rate or 0.0  # what the rate climbs back to
        self._last = now  # the last start handed out
        self._step = 0.0  # between the starts handed out last
        self._given = 0  # how many those were
        self._held_until = self._cut_at = self._raised_at = float("-inf")
        self._counted_at, self._count = now, 0  # starts of an unlimited pace since then
        self._span, self._before = 0.0, 0  # and in the span before, of that many seconds

    @property
    def rate(self) -> float | None:
        """Starts per second at present; None = unlimited."""
        return self._rate

    @property
    def configured(self) -> float | None:
        """Starts per second while nobody throttles it; None = unlimited."""
        return self._configured

    @property
    def slowed(self) -> bool:
        """Whether the carrier throttles it."""
        return self._rate != self._configured

    def next_at(self, now: float) -> float:
        """Return the earliest instant, `now` or later, at which a call may start.

        Args:
            now: monotonic seconds.
        """
        at = now if self._rate is None else max(now, self._last + 1.0 / self._rate)
        return max(at, self._held_until)

    def slots(self, k: int, now: float, ahead: float = 0.0) -> list[float]:
        """Take up to `k` instants at which calls may start, each at least one interval after the last.

        Args:
            k: starts wanted.
            now: monotonic seconds; no instant is before it.
            ahead: seconds after `now` up to which instants are handed out.
        """
        at = self.next_at(now)
        room = now + ahead - at
        if k <= 0 or room < 0:
            return []
        if self._rate is None:
            self._step, self._given, self._last = 0.0, k, at
            self._measure(k, now)
            return [at] * k
        step = 1.0 / self._rate
        n = min(k, int(room / step) + 1)
        self._step, self._given, self._last = step, n, at + (n - 1) * step
        if n == 1:
            return [at]
        return [at + i * step for i in range(n)]

    def refund(self, n: int) -> None:
        """Give back the last `n` instants of the last `slots`, because no call starts at them.

        Args:
            n: how many; more than the last `slots` handed out are not taken back.
        """
        n = min(n, self._given)
        self._given -= n
        self._last -= n * self._step
        if self._rate is None:
            self._count -= min(n, self._count)

    def set_rate(self, rate: float | None, now: float) -> None:
        """Follow a changed configuration; a pace that is throttled stays so and climbs to the new rate.

        Args:
            rate: starts per second, greater than 0; None = unlimited.
            now: monotonic seconds.
        """
        if rate == self._configured:
            return
        slowed = self.slowed
        self._configured = rate
        if rate is not None:
            self._target = rate
        if not slowed or self._rate is None or (rate is not None and rate < self._rate):
            self._rate = rate
        self._counted_at, self._count, self._span, self._before = now, 0, 0.0, 0

    def follow(self, other: "Pace") -> None:
        """Be no faster than another pace would be now: calls that started by it start by this one from now on.

        Args:
            other: the other one; it stays as it is.
        """
        self._last = max(self._last, other._last)
        self._held_until = max(self._held_until, other._held_until)
        if other._count + other._before > self._count + self._before:  # by which an unlimited one is throttled
            self._counted_at, self._count = other._counted_at, other._count
            self._span, self._before = other._span, other._before
        if other.slowed and other._rate is not None and (self._rate is None or other._rate < self._rate):
            self._rate, self._cut_at, self._raised_at = other._rate, other._cut_at, other._raised_at
            if self._configured is None:
                self._target = other._target

    def throttled(self, now: float, retry_after_s: float | None = None) -> None:
        """Slow down: the carrier refused a call because too much is asked of it.

        The rate is halved at most once in `CUT_EVERY_S`. An unlimited pace gets a rate: half of what it really started
        per second of late.

        Args:
            now: monotonic seconds.
            retry_after_s: seconds that the carrier asked to be left alone: nothing starts until then. None = it did
                not say.
        """
        if retry_after_s is not None:
            self._held_until = max(self._held_until, now + min(retry_after_s, MAX_HOLD_S))
        if now - self._cut_at < CUT_EVERY_S:
            return
        self._cut_at = self._raised_at = now
        if self._rate is None:
            self._rate = self._target = max(self._measured(now), LOWEST_RATE)
        lowest = min(self._target, max(LOWEST_RATE, self._target / STEEPEST))
        self._rate = max(self._rate / 2, min(lowest, self._rate))

    def settled(self, now: float) -> None:
        """Speed up again, if throttled: a call got through.

        Each second of success gives back an equal part of the configured rate, all of it in `RECOVERY_S`. Silence
        gives nothing back: at most a second, or the one interval that a slow pace waits between two calls, is counted
        at once.

        Args:
            now: monotonic seconds.
        """
        rate = self._rate
        if rate == self._configured or rate is None:
            return
        credit = min(now - self._raised_at, max(1.0, 1.0 / rate))
        self._raised_at = now
        rate += self._target * credit / RECOVERY_S
        self._rate = rate if rate < self._target else self._configured

    def _measure(self, k: int, now: float) -> None:
        """Count starts in two spans, so that a measure never falls to nothing where one begins."""
        age = now - self._counted_at
        if age >= _SPAN_S:
            fresh = age < 2 * _SPAN_S
            self._before, self._span = (self._count, age) if fresh else (0, 0.0)
            self._counted_at, self._count = now, 0
        self._count += k

    def _measured(self, now: float) -> float:
        """Return the starts per second of the last seconds; a burst counts as if it had taken one."""
        return (self._before + self._count) / max(1.0, self._span + now - self._counted_at)
