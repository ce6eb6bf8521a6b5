"""Local time as stretches of constant UTC offset, so that rules about clocks become rules about instants.

Within a stretch, a reading of the local clock and an instant differ by a constant, and a rule such as "from 09:00 to
18:00" is plain arithmetic. The hour that a change to summer time skips lies in no stretch, the hour that is repeated
in autumn lies in two: nothing else needs to know of either.

Readings are milliseconds since 1970-01-01 00:00 on the local clock; days are numbered from there.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from dialerd.model.instants import DAY, HOUR, MINUTE, SECOND, WEEK, Duration, Instant, to_datetime, to_instant
from dialerd.model.states import ALL_WEEKDAYS, Weekday
from dialerd.rules.spans import Span, merge
from dialerd.rules.zones import zone

LAST: Final[Instant] = 253_370_764_800_000
"""9999-01-01: no calendar goes on much beyond it, and nobody plans a call there."""

_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
# a zone's offset changes at most every 7 days (America/Noronha, October 2000), so this misses nothing
_STEP: Final = timedelta(days=3)
_INDEX: Final = {day: index for index, day in enumerate(ALL_WEEKDAYS)}
_MILLISECOND: Final = timedelta(milliseconds=1)

Stretch = tuple[Instant, Instant, Duration]
"""Start, end (excluded), and what the local clock is ahead of UTC in between."""

Week = tuple[tuple[Span, ...], ...]
"""Seven days from Monday on: the spans of readings that start on such a day, relative to its midnight."""


def stretches(name: str, lo: Instant, hi: Instant) -> list[Stretch]:
    """Return the stretches of constant offset of the zone `name` from `lo` to `hi`, in order and without gaps.

    Raises:
        BadZone: there is no such zone.
    """
    found = []
    for year in range(to_datetime(lo).year, to_datetime(hi - 1).year + 1):
        for start, end, offset in _year(name, year):
            if start < hi and end > lo:
                found.append((max(start, lo), min(end, hi), offset))
    return found


def day_number(day: date) -> int:
    """Return the number of a calendar day."""
    return day.toordinal() - _EPOCH_ORDINAL


def to_date(number: int) -> date:
    """Return the calendar day with this number."""
    return date.fromordinal(number + _EPOCH_ORDINAL)


def local_date(name: str, instant: Instant) -> date:
    """Return what the calendar shows in the zone `name` at `instant`."""
    ((_, _, offset),) = stretches(name, instant, instant + 1)
    return to_date((instant + offset) // DAY)


def instant_of(moment: datetime | date, name: str) -> Instant:
    """Return the instant of a moment: a day means its beginning, a moment without offset is local to the zone `name`.

    A local time that a change of clocks skips is read with the offset before the change, one that occurs twice is its
    first occurrence (PEP 495, fold=0).

    Raises:
        BadZone: there is no such zone.
    """
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return to_instant(moment if moment.tzinfo is not None else moment.replace(tzinfo=zone(name)))


def since_midnight(moment: time) -> Duration:
    """Return what the local clock has gone on since midnight when it reads `moment`."""
    # microseconds are rounded up: an instant is a whole millisecond, and the first one inside counts
    return moment.hour * HOUR + moment.minute * MINUTE + moment.second * SECOND - (-moment.microsecond // 1000)


def week_of(windows: Iterable[tuple[Iterable[Weekday], time, time]]) -> Week:
    """Return the readings of windows given as (days, start, end); `end` at or before `start` is on the next day."""
    week: list[list[Span]] = [[] for _ in ALL_WEEKDAYS]
    for days, start, end in windows:
        first, last = since_midnight(start), since_midnight(end)
        for day in days:
            week[_INDEX[day]].append((first, last if last > first else last + DAY))
    return tuple(map(tuple, week))


def covers_all(week: Week) -> bool:
    """Tell whether `week` leaves out no reading at all."""
    spans = merge(
        # Sunday's may last into Monday
        (day * DAY + start, day * DAY + end)
        for day in range(-1, 7)
        for start, end in week[day % 7]
    )
    return any(start <= 0 and end >= WEEK for start, end in spans)


def readings_of_week(week: Week, among: list[Stretch]) -> list[Span]:
    """Return the instants in `among` at which the local clock reads a time of `week`; unsorted, may touch."""
    found = []
    for start, end, offset in among:
        # a window of the day before may last into this stretch
        for day in range((start + offset) // DAY - 1, (end + offset - 1) // DAY + 1):
            midnight = day * DAY - offset
            for opens, closes in week[(day + 3) % 7]:  # day 0 was a Thursday
                if midnight + closes > start and midnight + opens < end:
                    found.append((max(midnight + opens, start), min(midnight + closes, end)))
    return found


def readings_of_days(days: list[int], among: list[Stretch]) -> list[Span]:
    """Return the instants in `among` at which the local calendar shows one of `days`; unsorted, may touch."""
    found = []
    for start, end, offset in among:
        for day in days:
            midnight = day * DAY - offset
            if midnight < end and midnight + DAY > start:
                found.append((max(midnight, start), min(midnight + DAY, end)))
    return found


@lru_cache(maxsize=4096)  # more than two years of every zone; a year holds some three stretches
def _year(name: str, year: int) -> tuple[Stretch, ...]:
    """Return the stretches of one UTC year."""
    start = datetime(year, 1, 1)  # noqa: DTZ001  # naive UTC, which is what `fromutc` takes
    end = datetime(year + 1, 1, 1)  # noqa: DTZ001  # the same
    found = []
    since, offset = start, _offset(name, start)
    at = start
    while at < end:
        following = min(at + _STEP, end)
        if (changed := _offset(name, following)) != offset:
            change = _change(name, at, following, offset)
            found.append(_stretch(since, change, offset))
            since, offset = change, changed
        at = following
    if since < end:
        found.append(_stretch(since, end, offset))
    return tuple(found)


def _change(name: str, before: datetime, after: datetime, offset: timedelta) -> datetime:
    """Return the first second after `before` at which the offset is no longer `offset`, by bisection."""
    while (gap := int((after - before).total_seconds())) > 1:
        middle = before + timedelta(seconds=gap // 2)
        if _offset(name, middle) == offset:
            before = middle
        else:
            after = middle
    return after


def _offset(name: str, utc: datetime) -> timedelta:
    where = zone(name)
    return where.fromutc(utc.replace(tzinfo=where)).replace(tzinfo=None) - utc


def _stretch(start: datetime, end: datetime, offset: timedelta) -> Stretch:
    return to_instant(start.replace(tzinfo=UTC)), to_instant(end.replace(tzinfo=UTC)), offset // _MILLISECOND
