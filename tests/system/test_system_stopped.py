"""The daemon is stopped with SIGSTOP amid calls and goes on later, as on a host that hung or was moved."""

import signal
import time
from datetime import datetime, timedelta
from datetime import time as Time  # it is a class
from zoneinfo import ZoneInfo

import pytest
from audit import audit, instant
from place import Place, people, until
from wall import Wall, library

pytestmark = pytest.mark.system

LONDON = ZoneInfo("Europe/London")
PER_SECOND = 20


def paused(place: Place, stop_s: float) -> tuple[int, int]:
    """Stop the daemon for some seconds; return the instants of the stop and of its end, milliseconds."""
    place.signal(signal.SIGSTOP)
    stopped_at = time.time_ns() // 1_000_000
    time.sleep(stop_s)
    went_on_at = time.time_ns() // 1_000_000
    place.signal(signal.SIGCONT)
    return stopped_at, went_on_at


def busy_then_paused(place: Place, stop_s: float) -> None:
    """Have people dialled over a paced trunk, stop the daemon amid calls and retries, and check how it goes on."""
    count = 160
    options = {"talk_time": "700ms", "outcomes": {"answered": 60, "busy": 40}}
    place.configure(trunks={"sim": {"calls_per_second": PER_SECOND, "options": options}})
    place.start()
    retry = {"max_attempts": 2, "delay": "1s"}
    place.drop("c.json", {"name": "c", "agent": "reminder", "retry": retry, "recipients": people(0, count)})
    until(lambda: len(place.ledger()) > 50, "calls are up")
    stopped_at, went_on_at = paused(place, stop_s)
    up = place.rows("SELECT count(*) FROM attempts WHERE ended_at IS NULL")[0][0]
    due = place.count("SELECT count(*) FROM recipients WHERE state = 'pending' AND next_at < ?", went_on_at)
    assert up >= 3, "no call was up"
    assert due > 20, "nobody fell due"
    place.until_reported("c")
    assert place.stop() == 0
    audit(place, max_attempts=2)
    times = sorted(instant(line["at"]) for line in place.ledger())
    assert not [at for at in times if stopped_at + 50 < at < went_on_at], "it was not stopped"
    assert times[-1] > went_on_at
    for index, at in enumerate(times):
        within = [other for other in times[index:] if other < at + 1_000]
        # what left a moment before the stop, and what was on its way then
        assert len(within) <= PER_SECOND * 1.25 + 2, f"{len(within)} calls within a second: a burst after the stop"
    assert not place.logged("trunk.rested")
    told = place.logged("process.was_stopped")
    assert told, "nobody is told that the process did not run"
    assert abs(told[0]["seconds"] - stop_s) < 3


def test_stopped_amid_calls(place):
    """For some seconds: ends and retries are made up for without a burst, and everybody is dialled as the rules say."""
    busy_then_paused(place, 5)


@pytest.mark.soak
def test_stopped_for_minutes(place):
    """The same for two minutes."""
    busy_then_paused(place, 120)


def window_closes_while_stopped(place: Place, begin: datetime, stop_s: float, step: timedelta) -> None:
    """Stop the daemon before a window closes and let it go on afterwards; nobody may be rung then."""
    library()
    wall = Wall(place.root / "wall", begin)
    place.environment = wall.environment
    # a paced trunk, so that claimed calls wait for their start when the stop comes
    place.configure(trunks={"sim": {"calls_per_second": 30, "options": {"talk_time": "200ms"}}})
    place.start()
    place.drop(
        "c.json",
        {
            "name": "c",
            "agent": "reminder",
            "ring_timeout": "10s",
            "windows": [{"start": "09:00", "end": "13:00"}],
            "recipients": people(0, 3_000),
        },
    )
    until(lambda: len(place.ledger()) > 10, "calls are up")
    place.signal(signal.SIGSTOP)
    wall.step(step)
    time.sleep(stop_s)
    assert wall.now().time() > Time(13)
    place.signal(signal.SIGCONT)
    until(lambda: place.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL") == 0, "calls end")
    time.sleep(2)
    rung = place.ledger()
    assert 10 < len(rung) < 3_000
    for line in rung:
        at = datetime.fromtimestamp(instant(line["at"]) / 1000, LONDON).time()
        assert at <= Time(12, 59, 50), "rung after the close, or so late that it would have rung past it"
    assert place.stop() == 0


def test_a_window_closes_while_stopped(place):
    """Nobody is rung by what was decided before the stop."""
    begin = datetime(2027, 6, 7, 12, 30, tzinfo=LONDON)
    window_closes_while_stopped(place, begin, 1, timedelta(minutes=45))


@pytest.mark.soak
def test_a_window_closes_in_minutes_of_stop(place):
    """The same without a step of the clock: it closes while the process stands still."""
    window_closes_while_stopped(place, datetime(2027, 6, 7, 12, 58, 30, tzinfo=LONDON), 100, timedelta(0))
