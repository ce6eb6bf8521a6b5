"""When a campaign is expected to end: as fast as so far, in its windows."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from dialerd.model.campaign import Window
from dialerd.model.instants import DAY, HOUR, MINUTE, WEEK, to_instant
from dialerd.model.states import CampaignState, Final
from dialerd.operations.expectation import expected_end
from dialerd.rules.openings import Hours
from dialerd.store.records import Totals

NOW = to_instant(datetime(2026, 6, 1, 12, 0, tzinfo=UTC))  # a Monday
ALWAYS = Hours(timezone="UTC")
MORNINGS = Hours(timezone="UTC", windows=(Window(start=time(10), end=time(13)),))


def totals(done, recipients=100):
    """Return the counters of a campaign with so many people done."""
    return Totals(recipients=recipients, finals={Final.SUCCEEDED: done})


@pytest.mark.parametrize(
    ("hours", "done", "started_at", "expected"),
    [
        (ALWAYS, 50, NOW - HOUR, NOW + HOUR),
        (ALWAYS, 100, NOW - HOUR, NOW),
        (ALWAYS, 0, NOW - HOUR, None),
        (ALWAYS, 50, None, None),
        (ALWAYS, 50, NOW, None),
        (MORNINGS, 50, NOW - 2 * HOUR, NOW + 22 * HOUR + HOUR),  # one hour today, the other tomorrow
        (MORNINGS, 25, NOW - DAY, NOW + 3 * DAY),  # three hours for 25: one is left today, 3 + 3 + 2 follow
        (Hours(timezone="UTC", end_at=NOW + MINUTE), 50, NOW - HOUR, NOW + MINUTE),
    ],
)
def test_it_goes_on_as_it_has(hours, done, started_at, expected):
    """Time that is closed does not count, neither before nor after."""
    assert expected_end(CampaignState.RUNNING, hours, totals(done), started_at=started_at, now=NOW) == expected


def test_only_what_runs_ends_by_itself():
    """Nothing is said of a campaign that waits for somebody."""
    for state in set(CampaignState) - {CampaignState.RUNNING}:
        assert expected_end(state, ALWAYS, totals(50), started_at=NOW - HOUR, now=NOW) is None


def test_one_that_takes_for_ever_ends_with_its_end_or_never():
    """Where it cannot be seen to end within the horizon of the hours."""
    slow = totals(1, 1_000_000)
    assert expected_end(CampaignState.RUNNING, ALWAYS, slow, started_at=NOW - DAY, now=NOW) is None
    ends = Hours(timezone="UTC", end_at=NOW + 500 * DAY)
    assert expected_end(CampaignState.RUNNING, ends, slow, started_at=NOW - DAY, now=NOW) == ends.end_at


@pytest.mark.parametrize("weeks", [1, 10, 40])
def test_whole_weeks_before_and_after_count_by_their_open_time(weeks):
    """Half is done after some weeks: as many follow, and the day and the hour are the same."""
    half = totals(50)
    for hours in (ALWAYS, MORNINGS):
        started_at = NOW - weeks * WEEK
        expected = NOW + weeks * WEEK
        assert expected_end(CampaignState.RUNNING, hours, half, started_at=started_at, now=NOW) == expected


def test_it_ends_in_a_window_where_clocks_change():
    """Over the end of summer time, which makes the weeks after it begin an hour later."""
    london = Hours(timezone="Europe/London", windows=(Window(start=time(10), end=time(13)),))
    for day in range(0, 200, 7):
        ends = expected_end(CampaignState.RUNNING, london, totals(50), started_at=NOW - day * DAY - HOUR, now=NOW)
        assert 10 <= datetime.fromtimestamp(ends / 1000, ZoneInfo("Europe/London")).hour <= 13


def test_the_week_in_which_clocks_are_put_forward_is_shorter():
    """What a usual week would do then ends in the week after it: from 0:00 to 4:00 are three hours that Sunday."""
    now = to_instant(datetime(2026, 3, 20, 12, 0, tzinfo=UTC))
    nights = Hours(timezone="Europe/London", windows=(Window(days=("sun",), start=time(0), end=time(4)),))
    # two nights of four hours did half; of the next two the second is an hour short, which comes a week later
    ends = expected_end(CampaignState.RUNNING, nights, totals(50), started_at=now - 2 * WEEK, now=now)
    assert ends == to_instant(datetime(2026, 4, 5, 0, 0, tzinfo=UTC))
