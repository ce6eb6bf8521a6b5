"""When a campaign is expected to end: as fast as so far, in its windows."""

from datetime import UTC, datetime, time

import pytest

from dialerd.model.campaign import Window
from dialerd.model.instants import DAY, HOUR, MINUTE, to_instant
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
