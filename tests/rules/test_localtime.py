"""Local time: offsets, readings and calendar days."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest

from dialerd.model.instants import DAY, HOUR, MINUTE, Instant, to_instant
from dialerd.model.states import ALL_WEEKDAYS
from dialerd.rules.localtime import covers_all, instant_of, local_date, since_midnight, stretches, week_of
from dialerd.rules.openings import local_day
from dialerd.rules.zones import BadZone


def at(text: str) -> Instant:
    """Return the instant written in `text`, an ISO moment with its offset."""
    return to_instant(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    "name",
    [
        "Europe/London",
        "America/New_York",
        "America/Noronha",  # two changes within seven days in October 2000
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Asia/Gaza",
        "Pacific/Apia",
        "Pacific/Kiritimati",
        "Etc/GMT+12",
        "Asia/Kathmandu",
        "America/St_Johns",
    ],
)
@pytest.mark.parametrize("year", [2000, 2011, 2027, 2045])
def test_offsets_are_zoneinfos(name: str, year: int) -> None:
    """Every offset over a year is what zoneinfo says at that instant, and the stretches leave no gap."""
    lo, hi = at(f"{year}-01-01T00:00+00:00"), at(f"{year + 1}-01-05T00:00+00:00")
    found = stretches(name, lo, hi)
    assert (found[0][0], found[-1][1]) == (lo, hi)
    assert all(left[1] == right[0] for left, right in pairwise(found))
    zone = ZoneInfo(name)
    for start, end, offset in found:
        for instant in {start, *range(start, end, 6 * HOUR), end - 1}:
            moment = datetime.fromtimestamp(instant // 1000, zone)
            assert moment.utcoffset() == timedelta(milliseconds=offset), moment


def test_no_change_is_missed() -> None:
    """Over some years, in all zones, a daily look finds no change that the stretches do not have."""
    lo, hi = at("2026-01-01T00:00+00:00"), at("2028-01-01T00:00+00:00")
    for name in sorted(available_timezones() - {"localtime", "Factory"})[::7]:
        zone = ZoneInfo(name)
        for start, end, offset in stretches(name, lo, hi):
            for instant in {*range(start, end, DAY), end - 1}:
                moment = datetime.fromtimestamp(instant // 1000, zone)
                assert moment.utcoffset() == timedelta(milliseconds=offset), (name, moment)


@pytest.mark.parametrize(
    ("zone", "now", "start", "end", "iso"),
    [  # zone, any moment of the day, its start, its end, its date
        ("UTC", "2028-02-29T12:00+00:00", "2028-02-29T00:00+00:00", "2028-03-01T00:00+00:00", "2028-02-29"),
        ("Europe/London", "2027-03-28T12:00+01:00", "2027-03-28T00:00+00:00", "2027-03-29T00:00+01:00", "2027-03-28"),
        ("Europe/London", "2027-10-31T12:00+00:00", "2027-10-31T00:00+01:00", "2027-11-01T00:00+00:00", "2027-10-31"),
        ("Pacific/Kiritimati", "2027-06-15T10:00+00", "2027-06-16T00:00+14", "2027-06-17T00:00+14", "2027-06-16"),
        ("Etc/GMT+12", "2027-06-15T10:00+00:00", "2027-06-14T00:00-12:00", "2027-06-15T00:00-12:00", "2027-06-14"),
        ("Asia/Kathmandu", "2027-06-15T18:20+00:00", "2027-06-16T00:00+05:45", "2027-06-17T00:00+05:45", "2027-06-16"),
        # 30 December 2011 did not happen in Samoa
        ("Pacific/Apia", "2011-12-29T23:59-10:00", "2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00", "2011-12-29"),
        ("Pacific/Apia", "2011-12-31T00:00+14:00", "2011-12-31T00:00+14:00", "2012-01-01T00:00+14:00", "2011-12-31"),
        # midnight did not happen in Beirut: the day began at 01:00
        ("Asia/Beirut", "2027-03-28T12:00+03:00", "2027-03-28T01:00+03:00", "2027-03-29T00:00+03:00", "2027-03-28"),
        # at 00:01 of the 7th the clock went back to 23:01 of the 6th: the 7th had begun, and goes on
        ("America/St_Johns", "2010-11-06T23:30-0330", "2010-11-07T00:00-0230", "2010-11-08T00:00-0330", "2010-11-07"),
        ("America/St_Johns", "2010-11-06T23:30-0230", "2010-11-06T00:00-0230", "2010-11-07T00:00-0230", "2010-11-06"),
    ],
)  # fmt: skip
def test_local_day(zone: str, now: str, start: str, end: str, iso: str) -> None:
    """A calendar day is as long as its zone makes it."""
    assert local_day(zone, at(now)) == (at(start), at(end), iso)


@pytest.mark.parametrize("zone", ["Europe/London", "Pacific/Apia", "America/St_Johns", "Asia/Beirut", "America/Havana"])
@pytest.mark.parametrize("around", ["2010-11-07", "2011-12-30", "2027-03-28", "2027-10-31"])
def test_days_are_a_partition(zone: str, around: str) -> None:
    """Day after day without gaps: each holds its edges, and ends where the next one starts, under another date."""
    now = at(f"{around}T00:00+00:00") - 5 * DAY
    dates = []
    while now < at(f"{around}T00:00+00:00") + 5 * DAY:
        start, end, iso = local_day(zone, now)
        assert start <= now < end
        assert local_day(zone, start) == local_day(zone, end - 1) == (start, end, iso)
        assert end - start <= 25 * HOUR
        dates.append(iso)
        now = end
    assert dates == sorted(set(dates))


def test_local_day_of_no_zone() -> None:
    """A zone that does not exist has no days."""
    with pytest.raises(BadZone):
        local_day("Europe/london", 0)


def test_local_date() -> None:
    """The date line is between Kiritimati and the zone twelve hours behind UTC."""
    now = at("2027-06-15T11:00+00:00")
    assert local_date("Pacific/Kiritimati", now) == date(2027, 6, 16)
    assert local_date("Etc/GMT+12", now) == date(2027, 6, 14)


@pytest.mark.parametrize(
    ("windows", "whole"),
    [
        ([], False),
        ([(ALL_WEEKDAYS, time(0), time(0))], True),
        ([(ALL_WEEKDAYS, time(8), time(8))], True),
        ([(ALL_WEEKDAYS, time(0), time(12)), (ALL_WEEKDAYS, time(12), time(0))], True),
        ([(ALL_WEEKDAYS, time(0), time(12)), (ALL_WEEKDAYS, time(12, 1), time(0))], False),
        ([(ALL_WEEKDAYS[:6], time(0), time(0))], False),
        ([(ALL_WEEKDAYS[:6], time(8), time(8))], False),
        ([(ALL_WEEKDAYS, time(8), time(7, 59, 59))], False),
    ],
)
def test_covers_all(windows: list, whole: bool) -> None:
    """Windows leave nothing out only when they close up over the whole week."""
    assert covers_all(week_of(windows)) is whole


def test_parts_of_a_millisecond_round_up() -> None:
    """The first whole millisecond at or after a time is the first one inside."""
    week = week_of([(ALL_WEEKDAYS[:1], time(0, 0, 1, 1), time(0, 1, 0, 2000))])
    assert week[0] == ((1_001, MINUTE + 2),)
    assert week[1:] == ((),) * 6
    assert datetime.fromtimestamp(0, UTC).weekday() == 3  # why day 0 is a Thursday


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (date(2027, 6, 15), "2027-06-15T00:00+01:00"),
        (datetime.fromisoformat("2027-06-15T09:00"), "2027-06-15T09:00+01:00"),
        (datetime(2027, 6, 15, 9, tzinfo=UTC), "2027-06-15T09:00+00:00"),
        (datetime.fromisoformat("2027-03-28T01:30"), "2027-03-28T01:30+00:00"),  # skipped
        (datetime.fromisoformat("2027-10-31T01:30"), "2027-10-31T01:30+01:00"),  # occurs twice
    ],
)
def test_the_instant_of_a_moment(moment: date, expected: str) -> None:
    """A day is its beginning, what has no offset is local, and a change of clocks is settled one way."""
    assert instant_of(moment, "Europe/London") == at(expected)


def test_the_instant_in_no_zone() -> None:
    """A zone that is not there is an error."""
    with pytest.raises(BadZone):
        instant_of(date(2027, 6, 15), "Europe/Nowhere")


def test_what_a_clock_has_gone_on() -> None:
    """Readings are counted from midnight, parts of a millisecond upwards."""
    assert since_midnight(time()) == 0
    assert since_midnight(time(9, 30)) == 9 * HOUR + 30 * MINUTE
    assert since_midnight(time(0, 0, 1, 1)) == 1001
