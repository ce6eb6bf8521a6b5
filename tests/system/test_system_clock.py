"""The wall clock of the host is stepped by hours, forwards and back: what that does to calls, and what it must not."""

import os
import re
import subprocess
import time as real
from collections import Counter
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from audit import instant
from place import CALLER_ID, Place, command, people, until
from wall import Wall, library

pytestmark = pytest.mark.system

LONDON = ZoneInfo("Europe/London")
NOON = datetime(2027, 6, 7, 12, tzinfo=LONDON)  # a Monday
HOUR = timedelta(hours=1)
LOOK_S = 1.5  # the daemon looks at the wall clock every second


@pytest.fixture
def wall(place: Place) -> Wall:
    """The daemon's wall clock: noon on a Monday in London."""
    return hang(place, NOON)


def hang(place: Place, start: datetime) -> Wall:
    """Give the daemon a wall clock."""
    library()
    wall = Wall(place.root / "wall", start)
    place.environment = wall.environment
    return wall


def begin(place: Place, count: int, *, talk: str = "200ms", outcome: str = "answered", **more: object) -> None:
    """Start a daemon with a campaign of `count` people whose calls all end alike."""
    tables = {key: more.pop(key) for key in ("person", "numbers") if key in more}
    options = {"talk_time": talk, "outcomes": {outcome: 1}}
    place.configure(daemon={"max_concurrent": 5}, trunks={"sim": {"max_concurrent": 5, "options": options}}, **tables)
    place.start()
    place.drop("c.json", {"name": "c", "agent": "reminder", "recipients": people(0, count), **more})


def rung(place: Place) -> int:
    """Return how many calls the network took."""
    return len(place.ledger())


def until_still(place: Place) -> int:
    """Wait until a step is noticed and nobody is rung any more; return how many were rung until then."""
    until(lambda: place.logged("clock.stepped"), "the step is noticed", 10)
    until(lambda: place.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL") == 0, "calls end")
    return rung(place)


def test_windows_follow_the_stepped_clock(place, wall):
    """Forwards over the close and back before the opening: nobody is rung then, whoever waits is rung when it is set
    right, each once, and the log says what happened and what to do."""
    begin(place, 80, windows=[{"start": "09:00", "end": "13:00"}])
    until(lambda: rung(place) > 15, "calls are up")
    for steps, by in enumerate((timedelta(hours=3), timedelta(hours=-7), timedelta(hours=28)), 1):
        wall.step(by)
        until(lambda steps=steps: len(place.logged("clock.stepped")) == steps, "the step is noticed", 10)
        told = place.logged("clock.stepped")[-1]
        assert abs(told["by_s"] - by.total_seconds()) <= 3
        assert "clock" in told["remedy"]
        if steps < 3:
            still = until_still(place)
            real.sleep(LOOK_S)
            assert rung(place) == still < 80
    place.until_reported("c")
    assert place.stop() == 0
    assert Counter(line["number"] for line in place.ledger()) == {row["phone"]: 1 for row in people(0, 80)}
    for line in place.ledger():
        at = datetime.fromtimestamp(instant(line["at"]) / 1000, LONDON).time()
        assert time(9) <= at <= time(12, 59, 15), "rung outside the window, or so late that it would have rung past it"
    assert place.count("SELECT count(*) FROM recipients WHERE final = 'succeeded'") == 80


@pytest.mark.parametrize("by", [3 * HOUR, -3 * HOUR])
def test_calls_that_are_up_last_as_long_as_they_lasted(place, wall, by):
    """A step in the middle of calls makes nobody's call hours long or shorter than nothing in the report."""
    begin(place, 5, talk="3s")
    until(lambda: place.count("SELECT count(*) FROM attempts WHERE state = 'answered'") == 5, "calls are up")
    wall.step(by)
    place.until_reported("c")
    assert place.stop() == 0
    _, calls = place.report("c")
    assert len(calls) == 5
    assert all(2.9 <= float(call["talk_s"]) <= 6 for call in calls), [call["talk_s"] for call in calls]
    assert 14_500 <= place.count("SELECT talk_ms FROM totals") <= 30_000
    shown = wall.now().timestamp() * 1000
    assert all(abs(instant(call["ended_at"]) - shown) < 60_000 for call in calls), "an end by the clock that was wrong"


def test_retries_are_due_when_the_clock_jumps_over_their_instant(place, wall):
    """A host that was asleep for three hours wakes up: whoever was to be tried again within them is tried now."""
    begin(place, 10, outcome="busy", person={"cooldown": "1h"}, retry={"max_attempts": 2, "delay": "2h"})
    until(lambda: place.count("SELECT count(*) FROM recipients WHERE attempts = 1") == 10, "all were tried once")
    real.sleep(LOOK_S)
    assert rung(place) == 10
    wall.step(3 * HOUR)
    place.until_reported("c")
    assert set(Counter(line["number"] for line in place.ledger()).values()) == {2}
    assert place.stop() == 0


def test_a_clock_set_back_rings_nobody_within_the_cooldown_and_forgets_nobody(place, wall):
    """Calls that seem to lie in the future keep their numbers at rest, whichever campaign asks, also after a restart;
    `why` says so; when the clock has caught up, everybody is tried again."""
    begin(place, 10, outcome="busy", person={"cooldown": "1m"}, retry={"max_attempts": 2, "delay": "1s"})
    until(lambda: place.count("SELECT count(*) FROM recipients WHERE attempts = 1") == 10, "all were tried once")
    wall.step(-3 * HOUR)
    until(lambda: place.logged("clock.stepped"), "the step is noticed", 10)
    place.drop("d.json", {"name": "d", "agent": "reminder", "retry": {"max_attempts": 1}, "recipients": people(0, 10)})
    place.until_in("accepted", "d.json")
    real.sleep(LOOK_S)
    assert place.stop() == 0
    place.start()
    real.sleep(LOOK_S)
    assert rung(place) == 10
    told = why(place, "d", people(0, 1)[0]["phone"])
    assert re.search(r"next +Mon 2027-06-07 12:0", told), told
    wall.step(3 * HOUR)
    for _ in range(20):  # who rests because of the other campaign's call is due a minute later
        wall.step(timedelta(seconds=70))
        real.sleep(LOOK_S)
        if {"c", "d"} <= place.reports().keys():
            break
    assert place.stop() == 0
    assert set(Counter(line["number"] for line in place.ledger()).values()) == {3}


def why(place: Place, campaign: str, number: str) -> str:
    """Return what `dialerd why` says of somebody, by the daemon's wall clock."""
    done = subprocess.run(
        command("why", campaign, number, "--config", place.config),
        cwd=place.root,
        env=os.environ | place.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_daily_caps_across_steps_over_midnight(place):
    """Ten a day: the next day has ten of its own, and a day that comes a second time has no second ten."""
    wall = hang(place, NOON + timedelta(hours=11, minutes=50))
    begin(place, 60, numbers={CALLER_ID: {"trunk": "sim", "calls_per_day": 10}})
    for step, (by, expected) in enumerate(
        [(0, 10), (20, 20), (-20, 20), (20, 20), (24 * 60, 30)],
    ):
        if by:
            wall.step(timedelta(minutes=by))
            until(lambda step=step: len(place.logged("clock.stepped")) == step, "the step is noticed", 10)
        until(lambda expected=expected: rung(place) >= expected, f"{expected} were rung")
        real.sleep(LOOK_S)
        assert rung(place) == expected
    assert place.stop() == 0
    days = Counter(datetime.fromtimestamp(instant(line["at"]) / 1000, LONDON).date() for line in place.ledger())
    assert sorted(days.values()) == [10, 10, 10]
