"""Daily caps: calls counted per local day. The durable count is the store's; this is its image in memory."""

from dialerd.model.instants import Instant
from dialerd.rules.openings import local_day


class DayCount:
    """Counts the calls of one thing (a caller id, a campaign) in the present day of its zone.

    Args:
        name: of the thing in the store, as `number:+44…` or `campaign:7`.
        zone: IANA zone whose days are counted.
        cap: calls a day.

    Attributes:
        calls: calls of the present day.
        asked: lines that are held for calls not chosen yet, so that nobody else is promised the same of the cap.
    """

    __slots__ = ("_day", "_earlier", "_ends_at", "_starts_at", "asked", "calls", "cap", "name", "zone")

    def __init__(self, name: str, zone: str, cap: int) -> None:
        self.name = name
        self.zone = zone
        self.cap = cap
        self.calls = 0
        self.asked = 0
        self._day = ""
        self._earlier = ("", 0)  # the day before in this life, to which a clock that is set back returns
        self._starts_at = self._ends_at = 0

    def key(self, now: Instant) -> tuple[str, str]:
        """Return the store's key of the present day, beginning a new count where the day has changed."""
        if not self._starts_at <= now < self._ends_at:
            self._starts_at, self._ends_at, day = local_day(self.zone, now)
            if day != self._day:
                calls = self._earlier[1] if day == self._earlier[0] else 0
                self._earlier = (self._day, self.calls)
                self._day, self.calls = day, calls
        return self.name, self._day

    def key_at(self, instant: Instant) -> tuple[str, str]:
        """Return the store's key of the day of another instant."""
        return self.name, local_day(self.zone, instant)[2]

    def left(self, now: Instant) -> int:
        """Return how many calls may still be started today."""
        self.key(now)
        return max(0, self.cap - self.calls - self.asked)

    def began_at(self, now: Instant) -> Instant:
        """Return when the present day began."""
        self.key(now)
        return self._starts_at

    def resets_at(self, now: Instant) -> Instant:
        """Return when the next day begins."""
        self.key(now)
        return self._ends_at
