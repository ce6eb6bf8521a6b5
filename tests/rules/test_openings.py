"""Openings, case by case."""

from datetime import date, datetime, time

import pytest
from attrs import evolve

from dialerd.model.campaign import Window, ZoneGroup
from dialerd.model.instants import DAY, HOUR, MINUTE, NEVER, SECOND, Instant, to_instant, to_iso
from dialerd.model.settings import CountryHours, QuietHours
from dialerd.model.states import ALL_WEEKDAYS, Rule, Weekday
from dialerd.rules.localtime import local_date
from dialerd.rules.openings import HORIZON, LOOK_BACK, Hours, local_day, opening, opens_before_end

OFF = QuietHours(enabled=False)
GB = ZoneGroup(country="GB", zones=("Europe/London",))
US = ZoneGroup(country="US", zones=("America/Los_Angeles", "America/New_York"))
TOLL_FREE = ZoneGroup(country="US", zones=("America/Los_Angeles", "America/New_York"), placeless=True)
NOWHERE = ZoneGroup(country="GB", zones=())
WORKDAYS = ALL_WEEKDAYS[:5]


def at(text: str) -> Instant:
    """Return the instant written in `text`, an ISO moment with its offset."""
    return to_instant(datetime.fromisoformat(text))


def hours(*windows: Window, zone: str = "UTC", ring: int = 0, **others: object) -> Hours:
    """Return a campaign's hours, by default without a ring timeout."""
    return Hours(timezone=zone, windows=windows, ring_timeout=ring, **others)  # type: ignore[arg-type]  # fields of several types


def openings_of(
    campaign: Hours, lo: str, hi: str, group: ZoneGroup = GB, quiet: QuietHours = OFF
) -> list[tuple[str, str]]:
    """Return every stretch from `lo` to `hi` in which a call may start, as ISO moments in the offset of `lo`."""
    now, end, found = at(lo), at(hi), []
    while now < end:
        stretch = opening(campaign, group, quiet, now)
        assert stretch.covers(now)
        if stretch.rule is None:
            found.append((to_iso(now), to_iso(min(stretch.until, end))))
        now = stretch.until
    return found


LATE = ("2027-03-28T23:30:00Z", "2027-03-29T00:00:00Z")  # the next local day's


def window(start: str, end: str, *days: Weekday) -> Window:
    """Return a window from HH:MM to HH:MM."""
    return Window(days=days or ALL_WEEKDAYS, start=time.fromisoformat(start), end=time.fromisoformat(end))


def test_always_open() -> None:
    """Without windows and quiet hours it is open for good."""
    now = at("2027-06-15T12:00+00:00")
    stretch = opening(hours(), GB, OFF, now)
    assert (stretch.rule, stretch.until) == (None, NEVER)
    assert stretch.covers(now + 50 * 365 * DAY)
    assert not stretch.covers(now - LOOK_BACK - 1)


@pytest.mark.parametrize("start", ["00:00", "09:00"])
def test_equal_times_are_24_hours(start: str) -> None:
    """A window whose end is its start lasts a day; on every day, it never closes."""
    now = at("2027-06-15T12:00+00:00")
    assert opening(hours(window(start, start)), GB, OFF, now).until == NEVER
    found = openings_of(hours(window(start, start, Weekday.TUE)), "2027-06-14T00:00Z", "2027-06-18T00:00Z")
    assert found == [(f"2027-06-15T{start}:00Z", f"2027-06-16T{start}:00Z")]


def test_plain_window() -> None:
    """On workdays from nine to six, in the campaign's zone."""
    campaign = hours(window("09:00", "18:00", *WORKDAYS), zone="Europe/London")
    found = openings_of(campaign, "2027-06-17T00:00Z", "2027-06-22T00:00Z")
    assert found == [(f"2027-06-{day}T08:00:00Z", f"2027-06-{day}T17:00:00Z") for day in (17, 18, 21)]
    closed = opening(campaign, GB, OFF, at("2027-06-19T12:00+00:00"))
    assert (closed.rule, to_iso(closed.since)) == (Rule.CALLING_WINDOW, "2027-06-18T17:00:00Z")
    assert to_iso(closed.until) == "2027-06-21T08:00:00Z"
    assert closed.detail == "the campaign's windows in Europe/London"


def test_overnight_belongs_to_the_day_it_starts_on() -> None:
    """Friday's overnight window reaches into Saturday, and none into Friday."""
    campaign = hours(window("22:00", "06:00", Weekday.FRI))
    found = openings_of(campaign, "2027-06-17T00:00Z", "2027-06-21T00:00Z")
    assert found == [("2027-06-18T22:00:00Z", "2027-06-19T06:00:00Z")]


def test_windows_that_touch_are_one() -> None:
    """Where one window closes as another opens, a call may ring across."""
    campaign = hours(window("09:00", "12:00"), window("12:00", "15:00"), window("14:00", "16:00"), ring=45 * SECOND)
    found = openings_of(campaign, "2027-06-15T00:00Z", "2027-06-16T00:00Z")
    assert found == [("2027-06-15T09:00:00Z", "2027-06-15T15:59:15.001Z")]


def test_leap_day() -> None:
    """29 February is a day like any other."""
    campaign = hours(window("23:00", "01:00", Weekday.TUE))  # 29 February 2028 is a Tuesday
    found = openings_of(campaign, "2028-02-28T00:00Z", "2028-03-03T00:00Z")
    assert found == [("2028-02-29T23:00:00Z", "2028-03-01T01:00:00Z")]


@pytest.mark.parametrize(
    ("zone", "times", "lo", "expected"),
    [
        # gap: 01:00-02:00 does not occur
        ("Europe/London", ("01:00", "02:00"), "2027-03-28", []),
        ("Europe/London", ("00:30", "01:31"), "2027-03-27", [("2027-03-27T00:30:00Z", "2027-03-27T01:31:00Z")]),
        ("Europe/London", ("00:30", "01:30"), "2027-03-28", [("2027-03-28T00:30:00Z", "2027-03-28T01:00:00Z"), LATE]),
        ("Europe/London", ("01:30", "02:30"), "2027-03-28", [("2027-03-28T01:00:00Z", "2027-03-28T01:30:00Z")]),
        # overlap: 01:00-02:00 occurs twice
        ("Europe/London", ("01:00", "02:00"), "2027-10-31", [("2027-10-31T00:00:00Z", "2027-10-31T02:00:00Z")]),
        (
            "Europe/London",
            ("01:15", "01:45"),
            "2027-10-31",
            [("2027-10-31T00:15:00Z", "2027-10-31T00:45:00Z"), ("2027-10-31T01:15:00Z", "2027-10-31T01:45:00Z")],
        ),
        (
            "America/New_York",
            ("01:15", "01:45"),
            "2027-11-07",
            [("2027-11-07T05:15:00Z", "2027-11-07T05:45:00Z"), ("2027-11-07T06:15:00Z", "2027-11-07T06:45:00Z")],
        ),
        ("America/New_York", ("02:00", "03:00"), "2027-03-14", []),
        # Lord Howe moves by half an hour: 02:00-02:30 is skipped, 01:30-02:00 repeated
        ("Australia/Lord_Howe", ("02:00", "02:40"), "2027-10-02", [("2027-10-02T15:30:00Z", "2027-10-02T15:40:00Z")]),
        (
            "Australia/Lord_Howe",
            ("01:30", "01:40"),
            "2027-04-03",
            [("2027-04-03T14:30:00Z", "2027-04-03T14:40:00Z"), ("2027-04-03T15:00:00Z", "2027-04-03T15:10:00Z")],
        ),
        # Samoa skipped 30 December 2011
        ("Pacific/Apia", ("22:00", "02:00"), "2011-12-30", [("2011-12-30T08:00:00Z", "2011-12-30T12:00:00Z")]),
        ("Pacific/Kiritimati", ("09:00", "10:00"), "2027-06-15", [("2027-06-15T19:00:00Z", "2027-06-15T20:00:00Z")]),
        ("Etc/GMT+12", ("09:00", "10:00"), "2027-06-15", [("2027-06-15T21:00:00Z", "2027-06-15T22:00:00Z")]),
        ("Asia/Kathmandu", ("09:00", "10:00"), "2027-06-15", [("2027-06-15T03:15:00Z", "2027-06-15T04:15:00Z")]),
    ],
)  # fmt: skip
def test_clocks(zone: str, times: tuple[str, str], lo: str, expected: list[tuple[str, str]]) -> None:
    """Readings that a change of summer time skips do not occur; those that it repeats occur twice."""
    found = openings_of(hours(window(*times), zone=zone), f"{lo}T00:00Z", to_iso(at(f"{lo}T00:00+00:00") + DAY))
    assert found == expected


def test_casablanca_in_ramadan() -> None:
    """Morocco leaves its summer time for Ramadan (8 February to 14 March 2027, by the IANA forecast)."""
    campaign = hours(window("09:00", "10:00"), zone="Africa/Casablanca")
    assert openings_of(campaign, "2027-01-20T00:00Z", "2027-01-21T00:00Z")[0][0] == "2027-01-20T08:00:00Z"
    assert openings_of(campaign, "2027-02-20T00:00Z", "2027-02-21T00:00Z")[0][0] == "2027-02-20T09:00:00Z"


def test_ring_timeout() -> None:
    """A call that could ring when the window closes does not start; the last that may ends with the close."""
    campaign = hours(window("09:00", "18:00"), ring=45 * SECOND)
    last = at("2027-06-15T17:59:15+00:00")
    stretch = opening(campaign, GB, OFF, last)
    assert (stretch.rule, stretch.until) == (None, last + 1)
    closing = opening(campaign, GB, OFF, last + 1)
    assert (closing.rule, closing.since) == (Rule.CLOSING, last + 1)
    assert to_iso(closing.until) == "2027-06-16T09:00:00Z"
    assert closing.detail == "it closes at 2027-06-15T18:00:00Z, and a phone may ring for 45000 ms"
    assert opening(campaign, GB, OFF, at("2027-06-15T18:00+00:00")).rule is Rule.CALLING_WINDOW


@pytest.mark.parametrize(("ring", "opens"), [(MINUTE, True), (MINUTE + 1, False), (MINUTE - 1, True)])
def test_window_as_short_as_the_ring_timeout(ring: int, opens: bool) -> None:
    """A window that is shorter than the ring timeout never opens; one as long has one instant."""
    campaign = hours(window("09:00", "09:01"), ring=ring)
    now = at("2027-06-15T09:00+00:00")
    stretch = opening(campaign, GB, OFF, now)
    assert stretch.rule is (None if opens else Rule.CLOSING)
    assert stretch.since == now
    assert stretch.until == (now + MINUTE - ring + 1 if opens else NEVER)
    assert opens_before_end(campaign, GB, OFF, now) is opens


def test_campaign_bounds() -> None:
    """Before its start and from its end on nobody is rung, nor so late that it would ring beyond the end."""
    start, end = at("2027-06-15T10:30+00:00"), at("2027-06-16T10:00+00:00")
    campaign = hours(window("09:00", "18:00"), ring=MINUTE, start_at=start, end_at=end)
    early = opening(campaign, GB, OFF, start - 90 * DAY)
    assert (early.rule, early.until) == (Rule.NOT_STARTED, start)
    assert not early.covers(start - 90 * DAY - 1)
    assert opening(campaign, GB, OFF, start).since == start
    assert opening(campaign, GB, OFF, end - MINUTE).until == end - MINUTE + 1
    closing = opening(campaign, GB, OFF, end - MINUTE + 1)
    assert (closing.rule, closing.until) == (Rule.CLOSING, NEVER)
    over = opening(campaign, GB, OFF, end + DAY)
    assert (over.rule, over.since, over.until) == (Rule.CAMPAIGN_END, end, NEVER)


def test_start_far_ahead() -> None:
    """The horizon counts from the start of a campaign that starts later."""
    start = at("2037-06-13T12:00+00:00")  # a Saturday
    campaign = hours(window("09:00", "18:00", *WORKDAYS), start_at=start)
    now = at("2027-06-15T12:00+00:00")
    assert to_iso(opening(campaign, GB, OFF, now).until) == "2037-06-15T09:00:00Z"


@pytest.mark.parametrize("start", ["9999-12-31T23:59+00:00", "9998-12-30T12:00+00:00"])
def test_the_end_of_the_calendar(start: str) -> None:
    """A start where the calendar ends is an answer, not a crash."""
    campaign = hours(window("09:00", "09:01"), start_at=at(start))
    assert opening(campaign, GB, QuietHours(), at("2027-06-15T12:00+00:00")).rule is Rule.NOT_STARTED


def test_a_clock_that_was_never_set() -> None:
    """At the epoch, where a host without a clock starts, hours are hours."""
    assert opening(hours(window("09:00", "18:00")), GB, QuietHours(), 0).rule is Rule.CALLING_WINDOW
    assert opening(hours(window("09:00", "18:00")), GB, QuietHours(), 10 * HOUR).rule is None


def test_clock_stepped_back() -> None:
    """An answer covers no instant before it began, so that a stepped clock is judged anew."""
    campaign = hours(window("09:00", "18:00"))
    now = at("2027-06-15T12:00+00:00")
    stretch = opening(campaign, GB, OFF, now)
    assert stretch.covers(now - HOUR)
    assert not stretch.covers(now - 4 * HOUR)
    assert not stretch.covers(now + 6 * HOUR)


def test_no_opening_before_the_end() -> None:
    """Intake is told when nobody can be rung before the campaign's end."""
    now = at("2027-06-19T12:00+00:00")  # a Saturday
    campaign = hours(window("09:00", "18:00", *WORKDAYS), end_at=at("2027-06-21T09:00+00:00"))
    assert not opens_before_end(campaign, GB, OFF, now)
    assert opens_before_end(evolve(campaign, end_at=at("2027-06-21T09:00+00:00") + 1), GB, OFF, now)


def test_campaign_holidays() -> None:
    """A holiday of the number's country closes that date of the campaign's zone."""
    campaign = hours(zone="Pacific/Auckland", skip_holidays=True)
    found = openings_of(campaign, "2027-12-23T00:00Z", "2027-12-30T00:00Z")
    assert found == [
        ("2027-12-23T00:00:00Z", "2027-12-24T11:00:00Z"),  # 25 December begins in Auckland
        ("2027-12-28T11:00:00Z", "2027-12-30T00:00:00Z"),  # after Boxing Day and two days for the weekend
    ]
    closed = opening(campaign, GB, OFF, at("2027-12-25T00:00+00:00"))
    assert (closed.rule, closed.detail) == (
        Rule.HOLIDAY,
        "2027-12-25 is Christmas Day (GB) in Pacific/Auckland",
    )
    assert opening(campaign, evolve(GB, country="ZZ"), OFF, at("2027-12-25T00:00+00:00")).rule is None
    assert opening(campaign, evolve(GB, country=None), OFF, at("2027-12-25T00:00+00:00")).rule is None


def test_quiet_hours_hold_in_every_zone() -> None:
    """A number that may be in New York or Los Angeles is rung when it is day in both."""
    found = openings_of(hours(), "2027-06-15T07:00Z", "2027-06-16T07:00Z", US, QuietHours())
    assert found == [("2027-06-15T15:00:00Z", "2027-06-16T01:00:00Z")]
    night = opening(hours(), US, QuietHours(), at("2027-06-15T12:30+00:00"))
    assert night.detail == "calls are allowed 08:00 to 21:00 in America/Los_Angeles"
    assert (night.rule, to_iso(night.since)) == (Rule.QUIET_HOURS, "2027-06-15T01:00:00Z")


def test_quiet_hours_of_a_country() -> None:
    """A country's hours and days depart from the general ones where they are given."""
    quiet = QuietHours(
        days=WORKDAYS,
        countries={
            "US": CountryHours(start=time(9)),
            "GB": CountryHours(end=time(20), days=(Weekday.SAT,), dates=(date(2027, 6, 19),)),
        },
    )
    friday, saturday, next_saturday = "2027-06-18T12:00+00:00", "2027-06-19T12:00+00:00", "2027-06-26T12:00+00:00"
    assert opening(hours(), US, quiet, at("2027-06-18T15:30+00:00")).rule is Rule.QUIET_HOURS
    assert opening(hours(), US, quiet, at("2027-06-18T16:00+00:00")).rule is None
    assert opening(hours(), US, quiet, at("2027-06-19T16:00+00:00")).rule is Rule.QUIET_HOURS  # the general days
    assert opening(hours(), GB, quiet, at(friday)).detail.endswith("08:00 to 20:00 (sat) in Europe/London")
    named = opening(hours(), GB, quiet, at(saturday))
    assert (named.rule, to_iso(named.until)) == (Rule.QUIET_HOLIDAY, "2027-06-26T07:00:00Z")
    assert named.detail == "2027-06-19 in Europe/London is a day without calls"
    assert to_iso(opening(hours(), GB, quiet, at(next_saturday)).until) == "2027-06-26T19:00:00Z"


def test_quiet_holidays_hold_in_every_zone() -> None:
    """It is Independence Day from its first minute in New York to its last in Los Angeles."""
    quiet = QuietHours(start=time(0), end=time(0), countries={"US": CountryHours(holidays=True)})
    found = openings_of(hours(), "2027-07-02T00:00Z", "2027-07-08T00:00Z", US, quiet)
    assert found == [
        ("2027-07-02T00:00:00Z", "2027-07-04T04:00:00Z"),
        ("2027-07-06T07:00:00Z", "2027-07-08T00:00:00Z"),  # the 5th is observed
    ]
    assert opening(hours(), US, quiet, at("2027-07-06T05:00+00:00")).rule is Rule.QUIET_HOLIDAY


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize("ahead", [0, 1, 3, 4, 5, 27, 28, 29, 75, 76, 77, 171, 300])
def test_days_without_calls_however_far_ahead(zone: str, ahead: int) -> None:
    """A day without calls is closed from midnight to midnight, and what is open before it closes there."""
    now = at("2027-06-15T12:00+00:00")
    day = local_date(zone, now + ahead * DAY)
    quiet = QuietHours(start=time(0), end=time(0), countries={"GB": CountryHours(dates=(day,))})
    group = evolve(GB, zones=(zone,))
    start, end, _ = local_day(zone, now + ahead * DAY)
    stretch = opening(hours(), group, quiet, now)
    if start <= now:
        assert (stretch.rule, stretch.since, stretch.until) == (Rule.QUIET_HOLIDAY, start, end)
    else:
        assert (stretch.rule, stretch.until) == (None, start)


def test_quiet_hours_over_midnight() -> None:
    """Allowed hours that run over midnight belong to the day on which they start."""
    quiet = QuietHours(start=time(22), end=time(2), days=(Weekday.MON,))
    found = openings_of(
        hours(), "2027-06-13T00:00Z", "2027-06-17T00:00Z", ZoneGroup(country=None, zones=("UTC",)), quiet
    )
    assert found == [("2027-06-14T22:00:00Z", "2027-06-15T02:00:00Z")]


@pytest.mark.parametrize(
    ("group", "quiet", "rule"),
    [
        (NOWHERE, QuietHours(), Rule.UNKNOWN_ZONE),
        (NOWHERE, QuietHours(unknown_zone="Europe/London"), None),
        (NOWHERE, QuietHours(unknown_zone="Asia/Tokyo"), Rule.QUIET_HOURS),
        (NOWHERE, OFF, None),
        (TOLL_FREE, QuietHours(), Rule.PLACELESS_NUMBER),
        (TOLL_FREE, QuietHours(placeless="Europe/London"), None),
        (TOLL_FREE, QuietHours(placeless="every_zone"), Rule.QUIET_HOURS),  # 05:00 in Los Angeles
        (
            TOLL_FREE,
            QuietHours(placeless="UTC", countries={"US": CountryHours(placeless="refuse")}),
            Rule.PLACELESS_NUMBER,
        ),
        (TOLL_FREE, QuietHours(countries={"US": CountryHours(placeless="UTC")}), None),
        (TOLL_FREE, QuietHours(countries={"GB": CountryHours(placeless="UTC")}), Rule.PLACELESS_NUMBER),
        (TOLL_FREE, OFF, None),
        (evolve(NOWHERE, placeless=True), QuietHours(placeless="every_zone"), Rule.UNKNOWN_ZONE),
        (evolve(NOWHERE, placeless=True), QuietHours(), Rule.PLACELESS_NUMBER),
        (evolve(NOWHERE, placeless=True, country=None), QuietHours(placeless="UTC"), None),
        (evolve(GB, zones=("Europe/Nowhere",)), QuietHours(), Rule.UNKNOWN_ZONE),
    ],
)  # fmt: skip
def test_policies(group: ZoneGroup, quiet: QuietHours, rule: Rule | None) -> None:
    """Numbers of unknown place and without a place follow their policy, and fail closed."""
    now = at("2027-06-15T12:00+00:00")
    stretch = opening(hours(), group, quiet, now)
    assert stretch.rule is rule
    assert stretch.covers(now)
    assert opens_before_end(hours(), group, quiet, now) is (rule in (None, Rule.QUIET_HOURS))
    if rule in (Rule.UNKNOWN_ZONE, Rule.PLACELESS_NUMBER):
        assert "timezone" in stretch.detail or "tzdata" in stretch.detail


def test_refusal_is_named_beside_an_earlier_rule() -> None:
    """The first rule answers, but that it never opens is said with the reason."""
    stretch = opening(hours(window("09:00", "10:00")), TOLL_FREE, QuietHours(), at("2027-06-15T12:00+00:00"))
    assert (stretch.rule, stretch.until) == (Rule.CALLING_WINDOW, NEVER)
    assert "besides, the number (US) has no place" in stretch.detail


def test_unknown_campaign_zone_fails_closed() -> None:
    """A campaign whose zone the host lost does not ring, and does not crash the daemon."""
    stretch = opening(hours(zone="Europe/Nowhere"), GB, OFF, 0)
    assert (stretch.rule, stretch.until) == (Rule.UNKNOWN_ZONE, NEVER)
    assert "Europe/Nowhere" in stretch.detail


def test_rules_answer_in_order() -> None:
    """Where several rules object, the first of `Rule` answers, with its own beginning."""
    campaign = hours(window("09:00", "18:00"), zone="Europe/London", skip_holidays=True)
    quiet = QuietHours(start=time(12), end=time(14), countries={"GB": CountryHours(holidays=True)})
    found = [
        opening(campaign, GB, quiet, at(f"2027-12-{now}:00+00:00")) for now in ("28T08", "28T10", "29T10", "29T13")
    ]
    assert [stretch.rule for stretch in found] == [Rule.CALLING_WINDOW, Rule.HOLIDAY, Rule.QUIET_HOURS, None]
    assert [to_iso(stretch.since) for stretch in found] == [
        "2027-12-27T18:00:00Z",
        "2027-12-25T00:00:00Z",
        "2027-12-28T14:00:00Z",
        "2027-12-29T12:00:00Z",
    ]
    assert {to_iso(stretch.until) for stretch in found[:3]} == {"2027-12-29T12:00:00Z"}


def test_an_opening_once_a_year_is_found() -> None:
    """Hours that overlap only while America has changed to summer time and Europe has not are found in time."""
    campaign = hours(window("18:00", "18:30"), zone="Europe/London")  # 14:00 in New York for two weeks in March
    quiet = QuietHours(start=time(14), end=time(14, 30))
    group = ZoneGroup(country="US", zones=("America/New_York",))
    stretch = opening(campaign, group, quiet, at("2027-04-15T12:00+00:00"))
    assert to_iso(stretch.until) == "2027-10-31T18:00:00Z"
    after = opening(campaign, group, quiet, at("2027-11-15T12:00+00:00"))
    assert to_iso(after.until) == "2028-03-12T18:00:00Z"


def test_never_is_bounded() -> None:
    """Hours that never overlap are looked for no further than the horizon."""
    campaign = hours(window("09:00", "12:00"), zone="Europe/London")
    stretch = opening(campaign, GB, QuietHours(start=time(13), end=time(14)), at("2027-06-15T10:00+00:00"))
    assert (stretch.rule, stretch.until) == (Rule.QUIET_HOURS, NEVER)
    assert HORIZON > 366 * DAY
