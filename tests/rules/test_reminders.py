"""Reminders: a trouble is told when it begins and once a minute while it lasts."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dialerd.rules.reminders import Reminder


def test_a_trouble_that_lasts():
    """At once, then every minute; after it is over, at once again."""
    reminder = Reminder()
    assert reminder.since_s is None
    assert [second for second in range(100, 250) if reminder.due(second)] == [100, 160, 220]
    assert reminder.since_s == 100
    reminder.over()
    assert reminder.since_s is None
    assert reminder.due(251)


def test_what_was_not_told_is_counted():
    """Each telling knows how many there were since the one before."""
    reminder = Reminder()
    assert [reminder.more for second in range(0, 130, 10) if reminder.due(second)] == [0, 5, 5]
    reminder.over()
    assert reminder.due(131)
    assert reminder.more == 0


@given(st.lists(st.floats(0, 10_000), min_size=1, max_size=200))
def test_never_more_than_once_a_minute(seconds):
    """However often it is met, and the first time it is always told."""
    reminder = Reminder()
    told = [second for second in sorted(seconds) if reminder.due(second)]
    assert told[0] == min(seconds)
    assert all(later - earlier >= 60 for earlier, later in pairwise(told))
