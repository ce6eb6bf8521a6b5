"""A trunk refuses everybody of a large campaign: it is left alone, nobody's attempts are used up, other trunks go on,
and when it works again everybody is rung once.
"""

import json
import signal
import time
from collections import Counter
from typing import Any

import pytest
from audit import audit
from place import CALLER_ID, Place, until

pytestmark = pytest.mark.system

OTHER_ID = "+447111999002"
GOOD = {"seed": 1, "ledger": "ledger.jsonl", "ring_time": "0ms", "talk_time": "0ms", "outcomes": {"answered": 1}}
TROUBLES: dict[str, dict[str, Any]] = {
    "refused": {"not_placed": 1.0},
    "outage": {"outages": [{"every": "1d", "lasts": "1d"}]},
    "throttled": {"capacity": 0.5},
    "congestion": {"outcomes": {"congestion": 1}},
    "lost": {"maybe_placed": 1.0},
}
ATTEMPTS = 3


def spread(index: int) -> str:
    """Return the made-up UK mobile of that index; twenty in a row lie in twenty places."""
    return f"+44{7111 + index % 20}{index // 20:06}"


def sorted_by_number(index: int) -> str:
    """Return the made-up UK mobile of that index; all lie in one place."""
    return f"+447111{index:06}"


def configure(place: Place, trouble: dict[str, Any]) -> None:
    """Write settings with two trunks, of which one has that trouble."""
    trunk = {"provider": "simulator", "max_concurrent": 100, "countries": ["GB"], "options": GOOD | trouble}
    place.configure(
        daemon={"max_concurrent": 200},
        trunks={"sim": {"options": GOOD | {"talk_time": "100ms"}, "max_concurrent": 10}, "bad": trunk},
        numbers={OTHER_ID: {"trunk": "bad"}},
    )


def drop(place: Place, name: str, caller_id: str, numbers: list[str]) -> None:
    """Drop a campaign over the trunk of one caller id."""
    place.drop(f"{name}.csv", "phone\n" + "\n".join(numbers) + "\n")
    spec = {"name": name, "agent": "reminder", "caller_ids": [caller_id], "recipients_file": f"{name}.csv"}
    place.drop(f"{name}.json", spec | {"retry": {"max_attempts": ATTEMPTS, "delay": "1s"}})


def attempts(place: Place, name: str) -> int:
    """Return how many attempts a campaign has used rows for."""
    return place.count("SELECT count(*) FROM attempts JOIN campaigns c ON c.id = campaign_id WHERE c.name = ?", name)


def run(place: Place, trouble: str, count: int, number: Any, *, refuse_s: float, rows: int) -> None:
    """Have a trunk refuse everybody for a time, and then work again; check both.

    Args:
        place: where.
        trouble: how it refuses.
        count: recipients.
        number: of a recipient, by its index.
        refuse_s: for how many seconds.
        rows: attempts that may be made in that time.
    """
    one_place = number is sorted_by_number
    configure(place, TROUBLES[trouble])
    place.start()
    drop(place, "bad", OTHER_ID, [number(index) for index in range(count)])
    until(lambda: attempts(place, "bad") > 0, "it is tried")
    began = time.monotonic()
    others = 200
    drop(place, "good", CALLER_ID, [sorted_by_number(500_000 + index) for index in range(others)])
    place.until_reported("good")
    time.sleep(max(0.0, refuse_s - (time.monotonic() - began)))
    tried = attempts(place, "bad")
    assert 1 < tried <= rows, f"{tried} attempts in {refuse_s:g} s on a trunk that takes none"
    (used,) = place.rows("SELECT sum(attempts) AS sum, max(refunds) AS refunds FROM recipients r"
                         " JOIN campaigns c ON c.id = r.campaign_id WHERE c.name = 'bad'")  # fmt: skip
    # the throttling carrier takes a call every two seconds; of calls that were lost on the way half rang, and count
    assert used["sum"] <= {"throttled": 2 + refuse_s, "lost": tried}.get(trouble, 0), "attempts were used up"
    assert used["refunds"] < 20
    told_of_trouble(place, tried, None if trouble == "throttled" else "trunk.slowed" if one_place else "trunk.rested")
    configure(place, {})
    place.signal(signal.SIGHUP)
    place.until_logged("settings.reloaded")
    place.until_reported("bad", patience_s=300)
    assert place.stop() == 0
    finals = audit(place, max_attempts=ATTEMPTS)
    assert finals == {"succeeded": count + others}
    answered = Counter(row["number"] for row in place.rows("SELECT number FROM attempts WHERE outcome = 'answered'"))
    assert set(answered.values()) == {1}


def told_of_trouble(place: Place, tried: int, event: str | None) -> None:
    """Check that the log names the trunk, the reason and the remedy, and does not bury that under single calls."""
    entries = [json.loads(line) for line in place.log_path().read_text().splitlines() if line.startswith("{")]
    if event is not None:  # a carrier that says how long it wants to be left alone is no fault
        told = [entry for entry in entries if entry["event"] == event]
        assert {entry["trunk"] for entry in told} == {"bad"}, Counter(entry["event"] for entry in entries)
        assert all(entry["reason"] and "carrier" in entry["remedy"] for entry in told)
        assert len(told) < 10
    assert len(entries) <= 3 * tried + 2 * 200 + 50


@pytest.mark.parametrize(
    "trouble",
    [
        "refused",
        "lost",
        pytest.param("throttled", marks=pytest.mark.soak),
        pytest.param("congestion", marks=pytest.mark.soak),
    ],
)
def test_a_trunk_refuses_everybody(place, trouble):
    """Two thousand people: a few calls find out, the trunk rests, probes follow, and all are rung once in the end."""
    count = 300 if trouble in ("throttled", "congestion") else 2_000  # their pace takes a minute to come back
    run(place, trouble, count, spread, refuse_s=6 if trouble == "refused" else 3, rows=400)


def test_a_trunk_refuses_everybody_of_one_place(place):
    """A list sorted by number looks like one route that is lost: the trunk stays open for others, and is spared."""
    run(place, "refused", 300, sorted_by_number, refuse_s=6, rows=450)


@pytest.mark.soak
def test_a_trunk_refuses_a_hundred_thousand(place):
    """A hundred thousand people and a whole minute of outage; the growing rests let ever fewer calls through."""
    run(place, "outage", 100_000, spread, refuse_s=60, rows=600)
