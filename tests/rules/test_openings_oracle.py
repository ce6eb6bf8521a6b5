"""Openings against an oracle that knows nothing of spans: it reads the clock of every zone, minute by minute."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import holidays
from attrs import define, field
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialerd.model.campaign import Window, ZoneGroup
from dialerd.model.instants import DAY, MINUTE, NEVER, SECOND, Instant, to_instant
from dialerd.model.settings import CountryHours, QuietHours
from dialerd.model.states import ALL_WEEKDAYS, Rule
from dialerd.rules.openings import LOOK_BACK, Hours, opening

# zones with the instant of a change, all of them odd in their own way
CHANGES = [
    ("Europe/London", "2027-03-28T01:00"),
    ("Europe/London", "2027-10-31T01:00"),
    ("America/New_York", "2027-03-14T07:00"),
    ("America/New_York", "2027-11-07T06:00"),
    ("Australia/Lord_Howe", "2027-04-03T15:00"),
    ("Australia/Lord_Howe", "2027-10-02T15:30"),
    ("Africa/Casablanca", "2027-02-07T02:00"),
    ("America/St_Johns", "2010-11-07T02:31"),
    ("America/Havana", "2027-03-14T05:00"),
    ("Asia/Beirut", "2027-03-27T22:00"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("Pacific/Kiritimati", "2027-12-31T10:00"),
    ("Etc/GMT+12", "2028-02-29T12:00"),
    ("Asia/Kathmandu", "2028-02-28T18:15"),
    ("Antarctica/Troll", "2027-03-28T01:00"),  # moves by two hours
]
ZONES = sorted({zone for zone, _ in CHANGES})
DAYS_SEEN = 4


@cache
def holidays_of(country: str, year: int) -> frozenset[date]:
    """Return the public holidays of a country."""
    return frozenset(holidays.country_holidays(country, years=year))


def reads(moment: datetime, days: tuple[str, ...], start: time, end: time) -> bool:
    """Tell whether a local reading lies in a window, today's or the one that began yesterday."""
    reading = moment.time()
    today, yesterday = (ALL_WEEKDAYS[(moment.weekday() - back) % 7] in days for back in (0, 1))
    if start < end:
        return today and start <= reading < end
    return (today and reading >= start) or (yesterday and reading < end)


@define
class Oracle:
    """Says by brute force what holds at an instant."""

    hours: Hours
    group: ZoneGroup
    quiet: QuietHours
    minutes: dict[int, tuple[Rule, ...]] = field(factory=dict)

    def objections(self, instant: Instant) -> tuple[Rule, ...]:
        """Return the rules that object to the minute of `instant`, in order; no rule changes within a minute."""
        minute = instant // MINUTE
        if minute not in self.minutes:
            self.minutes[minute] = tuple(self._judge(datetime.fromtimestamp(minute * 60, UTC)))
        return self.minutes[minute]

    def _judge(self, utc: datetime) -> Iterator[Rule]:
        hours, group = self.hours, self.group
        if hours.end_at is not None and to_instant(utc) >= hours.end_at:
            yield Rule.CAMPAIGN_END
        here = utc.astimezone(ZoneInfo(hours.timezone))
        if hours.windows and not any(reads(here, w.days, w.start, w.end) for w in hours.windows):
            yield Rule.CALLING_WINDOW
        if hours.skip_holidays and group.country and here.date() in holidays_of(group.country, here.year):
            yield Rule.HOLIDAY
        if not self.quiet.enabled:
            return
        own = self.quiet.countries.get(group.country or "", CountryHours())
        start, end, days = own.start or self.quiet.start, own.end or self.quiet.end, own.days or self.quiet.days
        there = [utc.astimezone(ZoneInfo(zone)) for zone in group.zones]
        if not all(reads(moment, days, start, end) for moment in there):
            yield Rule.QUIET_HOURS
        country = group.country if own.holidays else None
        if any(
            moment.date() in own.dates or (country and moment.date() in holidays_of(country, moment.year))
            for moment in there
        ):
            yield Rule.QUIET_HOLIDAY

    def rule(self, instant: Instant) -> Rule | None:
        """Return what answers at `instant`, or None where a call may start that ends its ringing in time."""
        if self.hours.start_at is not None and instant < self.hours.start_at:
            return Rule.NOT_STARTED
        if objections := self.objections(instant):
            return objections[0]
        last = max(instant, instant + self.hours.ring_timeout - 1)  # the last instant at which it rings
        rings = range(instant // MINUTE, last // MINUTE + 1)
        return Rule.CLOSING if any(self.objections(minute * MINUTE) for minute in rings) else None


TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 0, 0, 1, 15, 30, 31, 45, 59]))
DAYS = st.one_of(
    st.just(ALL_WEEKDAYS), st.lists(st.sampled_from(ALL_WEEKDAYS), min_size=1, max_size=6, unique=True).map(tuple)
)
WINDOWS = st.builds(Window, days=DAYS, start=TIMES, end=TIMES)
RINGS = st.one_of(st.sampled_from([0, 5 * SECOND, 45 * SECOND, MINUTE, 10 * MINUTE]), st.integers(5_000, 600_000))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Oracle, Instant]:
    """Draw a campaign's hours, a zone group and quiet hours, with the beginning of the days to be judged."""
    zone, change = draw(st.sampled_from(CHANGES))
    begin = to_instant(datetime.fromisoformat(change + "+00:00")) - draw(st.integers(0, DAYS_SEEN * 24)) * 60 * MINUTE
    others = draw(st.lists(st.sampled_from(ZONES), max_size=2))
    day = datetime.fromtimestamp(begin // 1000, UTC).date()
    country = CountryHours(
        start=draw(st.none() | TIMES),
        end=draw(st.none() | TIMES),
        days=draw(st.none() | DAYS),
        holidays=draw(st.booleans()),
        dates=tuple(day + timedelta(days=n) for n in draw(st.lists(st.integers(-1, 5), max_size=2))),
    )
    bounds = st.none() | st.integers(-60, DAYS_SEEN * 1440).map(lambda minutes: begin + minutes * MINUTE)
    hours = Hours(
        timezone=draw(st.sampled_from([zone, *others])),
        windows=tuple(draw(st.lists(WINDOWS, max_size=3))),
        skip_holidays=draw(st.booleans()),
        start_at=draw(bounds),
        end_at=draw(bounds),
        ring_timeout=draw(RINGS),
    )
    group = ZoneGroup(country=draw(st.sampled_from(["GB", "US", None])), zones=tuple(sorted({zone, *others})))
    quiet = QuietHours(
        enabled=draw(st.sampled_from([True, True, False])),
        start=draw(TIMES),
        end=draw(TIMES),
        days=draw(DAYS),
        countries={"GB": country},
    )
    return Oracle(hours, group, quiet), begin


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases(), st.lists(st.integers(0, DAYS_SEEN * DAY), min_size=4, max_size=4))
def test_one_answer(case: tuple[Oracle, Instant], offsets: list[int]) -> None:
    """At any millisecond: the rule is the oracle's, `since` and `until` are where its answer changes."""
    oracle, begin = case
    for now in (begin + offset for offset in offsets):
        stretch = opening(oracle.hours, oracle.group, oracle.quiet, now)
        is_open = stretch.rule is None
        assert stretch.rule is oracle.rule(now)
        assert stretch.since <= now < stretch.until
        # everything it covers is open or closed as it says; openings start with a minute
        seen_until = min(stretch.until, now + 2 * DAY)
        seen_since = max(stretch.since, now - DAY)
        first = -(-seen_since // MINUTE) * MINUTE
        for instant in (seen_since, *range(first, seen_until, MINUTE), seen_until - 1):
            assert (oracle.rule(instant) is None) is is_open
        if stretch.until < NEVER:
            assert (oracle.rule(stretch.until - 1) is None) is is_open
            assert (oracle.rule(stretch.until) is None) is not is_open
        if stretch.rule is Rule.CLOSING:
            assert oracle.rule(stretch.since) is Rule.CLOSING
        elif stretch.rule not in (None, Rule.NOT_STARTED):
            # an earlier rule may have objected too, then; this one had not yet a moment before
            assert stretch.rule in oracle.objections(stretch.since)
            assert stretch.since == now - LOOK_BACK or stretch.rule not in oracle.objections(stretch.since - 1)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_walk_misses_nothing(case: tuple[Oracle, Instant]) -> None:
    """Whoever goes from `until` to `until` finds every open minute, and no other."""
    oracle, begin = case
    begin -= begin % MINUTE
    stretch = opening(oracle.hours, oracle.group, oracle.quiet, begin)
    for instant in range(begin, begin + 2 * DAY, MINUTE):
        while stretch.until <= instant:
            stretch = opening(oracle.hours, oracle.group, oracle.quiet, stretch.until)
        assert (stretch.rule is None) is (oracle.rule(instant) is None)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases(), st.lists(st.integers(0, DAYS_SEEN * 1440), min_size=30, max_size=30))
def test_a_kept_answer_stays_right(case: tuple[Oracle, Instant], minutes: list[int]) -> None:
    """With a clock that jumps both ways, an answer kept while it covers the present is never wrong."""
    oracle, begin = case
    stretch = opening(oracle.hours, oracle.group, oracle.quiet, begin)
    for minute in minutes:
        now = begin + minute * MINUTE
        if not stretch.covers(now):
            stretch = opening(oracle.hours, oracle.group, oracle.quiet, now)
        assert (stretch.rule is None) is (oracle.rule(now) is None)
