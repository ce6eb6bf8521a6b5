"""Campaigns beside one another: the same file twice, the same people twice, a small one beside a large one."""

import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from audit import audit, instant
from place import Place, number, people, rows, until

pytestmark = pytest.mark.system

HELD = "SELECT count(*) FROM campaigns WHERE state IN ('scheduled', 'running')"


def closed_hours() -> dict[str, object]:
    """Return quiet hours that allow calls only about twelve hours from now."""
    opens = datetime.now(UTC).astimezone(ZoneInfo("Europe/London")) + timedelta(hours=12)
    closes = opens + timedelta(hours=1)
    return {"enabled": True, "start": opens.time().replace(microsecond=0), "end": closes.time().replace(microsecond=0)}


def release(place: Place, **tables: dict[str, object]) -> None:
    """Turn quiet hours off, so that everything that is stored becomes due at one instant."""
    place.configure(**tables)
    place.signal(signal.SIGHUP)


def test_the_same_file_again_is_reported_and_not_dialled(place):
    """The second copy is turned away with the campaign's id and the way to dial everybody again."""
    place.start()
    content = {"name": "t", "agent": "reminder", "recipients_file": "t.csv"}
    for _ in range(2):
        place.drop("t.csv", rows(0, 40))
        place.drop("t.json", content)
        until(lambda: place.listing("incoming") == set(), "it is taken or turned away")
    place.until_reported("t")
    (uid,) = (row["uid"] for row in place.rows("SELECT uid FROM campaigns"))
    text = (place.spool / "rejected" / "t.json.error.txt").read_text()
    assert uid in text
    assert "another name" in text
    # after the campaign has ended too, and after a restart
    assert place.stop() == 0
    place.start()
    place.drop("t.csv", rows(0, 40))
    place.drop("t.json", content)
    until(lambda: len([name for name in place.listing("rejected") if name.endswith(".error.txt")]) == 2, "refused")
    # another name is another campaign
    place.drop("u.csv", rows(0, 40))
    place.drop("u.json", content | {"name": "u", "recipients_file": "u.csv"})
    place.until_reported("u")
    assert place.stop() == 0
    assert Counter(line["number"] for line in place.ledger()) == {number(index): 2 for index in range(40)}
    audit(place, max_attempts=1)


def test_people_in_two_campaigns_are_called_once_at_a_time(place):
    """500 numbers stand in two campaigns: nobody has two live calls, or is called again within the cooldown."""
    options = {"talk_time": ["20ms", "200ms"], "ring_time": ["0ms", "50ms"]}
    tables = {"person": {"cooldown": "1500ms"}, "trunks": {"sim": {"options": options}}}
    place.configure(quiet_hours=closed_hours(), **tables)
    place.start()
    place.drop("a.json", {"name": "a", "agent": "reminder", "recipients": people(0, 600)})
    place.drop("b.json", {"name": "b", "agent": "reminder", "recipients": people(100, 600)})
    until(lambda: place.count(HELD) == 2, "both are stored")
    assert place.ledger() == []
    release(place, **tables)
    place.until_reported("a", "b")
    assert place.stop() == 0
    finals = audit(place, max_attempts=1, cooldown_ms=1_500)
    assert finals == {"succeeded": 1_200}
    calls = Counter(line["number"] for line in place.ledger())
    assert Counter(calls.values()) == {1: 200, 2: 500}


def test_a_large_campaign_does_not_delay_a_small_one(place):
    """Campaigns of 100,000 and of 10 become due at one instant: the small one's first call leaves within a second."""
    tables = {"trunks": {"sim": {"options": {"talk_time": "300ms"}}}}
    place.configure(quiet_hours=closed_hours(), **tables)
    place.start()
    place.drop("large.csv", rows(0, 100_000))
    place.drop("large.json", {"name": "large", "agent": "reminder", "recipients_file": "large.csv"})
    until(lambda: place.count(HELD) == 1, "the large one is stored")
    place.drop("small.json", {"name": "small", "agent": "reminder", "recipients": people(900_000, 10)})
    until(lambda: place.count(HELD) == 2, "the small one is stored")
    assert place.ledger() == []
    release(place, **tables)
    place.until_reported("small")
    place.signal(signal.SIGTERM)
    assert place.process is not None
    assert place.process.wait(30) == 0
    small = {number(index) for index in range(900_000, 900_010)}
    began = {True: [], False: []}
    for line in place.ledger():
        began[line["number"] in small].append(instant(line["at"]))
    assert len(began[True]) == 10
    assert min(began[True]) - min(began[False] + began[True]) <= 1_000
    assert len(began[False]) > 100


def test_a_small_campaign_that_comes_later_is_not_delayed(place):
    """While all lines are busy with a large campaign, a small one that is dropped gets its share within a second."""
    place.configure(trunks={"sim": {"options": {"talk_time": "300ms"}}})
    place.start()
    place.drop("large.csv", rows(0, 20_000))
    place.drop("large.json", {"name": "large", "agent": "reminder", "recipients_file": "large.csv"})
    until(lambda: len(place.ledger()) > 300, "the large one is dialled")
    place.drop("small.json", {"name": "small", "agent": "reminder", "recipients": people(900_000, 10)})
    place.until_reported("small")
    place.kill()
    (taken,) = (entry for entry in place.logged("spool.file_accepted") if entry["file"] == "small.json")
    small = {number(index) for index in range(900_000, 900_010)}
    first = min(instant(line["at"]) for line in place.ledger() if line["number"] in small)
    assert first - instant(taken["timestamp"]) <= 1_000


def test_a_paced_trunk_keeps_its_pace(place):
    """Calls leave evenly at the pace: a start that is only just not free does not lay a campaign to rest."""
    place.configure(trunks={"sim": {"calls_per_second": 150.0, "options": {"talk_time": ["0ms", "60ms"]}}})
    place.start()
    place.drop("p.json", {"name": "p", "agent": "reminder", "recipients": people(0, 1_000)})
    place.until_reported("p", patience_s=90)
    starts = [instant(line["at"]) for line in place.ledger()]
    assert len(starts) == 1_000
    assert max(later - start for start, later in pairwise(starts)) < 2_000
    assert 6_000 < starts[-1] - starts[0] < 12_000
