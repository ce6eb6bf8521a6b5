"""The daemon is killed mid-run, again and again: nobody is rung twice by accident and nobody is forgotten."""

from random import Random
from time import sleep

import pytest
from audit import audit
from place import Place, gone, people, until

pytestmark = pytest.mark.system

ATTEMPTS = 3


def configure(place: Place, seed: int, *, lines: int, doubtful: bool) -> None:
    """Write settings with every kind of end; `doubtful` adds lost calls, refusals and a carrier that throttles."""
    options = {
        "seed": seed,
        "ring_time": ["20ms", "300ms"],
        "talk_time": ["20ms", "500ms"],
        "no_answer_time": ["100ms", "400ms"],
        "outcomes": {"answered": 50, "busy": 20, "no_answer": 20, "rejected": 4, "invalid_number": 2, "voicemail": 4},
    }
    if doubtful:
        options |= {"maybe_placed": 0.04, "not_placed": 0.02, "capacity": 80.0}
    place.configure(daemon={"max_concurrent": lines}, trunks={"sim": {"max_concurrent": lines, "options": options}})


def drop(place: Place, count: int) -> None:
    """Drop a campaign that tries busy and unanswered people again soon."""
    retry = {"max_attempts": ATTEMPTS, "delay": "300ms", "busy": {"delay": "100ms"}}
    place.drop("k.json", {"name": "k", "agent": "reminder", "retry": retry, "recipients": people(0, count)})


def kill_again_and_again(place: Place, random: Random, kills: int, longest_s: float) -> int:
    """Kill and restart the daemon and return how many calls the kills cut off.

    Every third life is killed while it starts, and so while it reconciles what the one before left.
    """
    cut = 0
    for kill in range(kills):
        if kill % 3 == 2:
            place.start(wait=False)
            sleep(random.uniform(0.3, 1.2))
        else:
            if kill:
                place.start()
            sleep(random.uniform(0.02, longest_s))
        place.kill()
        cut += place.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL")
    return cut


def run(place: Place, seed: int, *, count: int, lines: int, kills: int, longest_s: float, doubtful: bool) -> None:
    """Have a campaign dialled under kills, to its end, and audit it."""
    configure(place, seed, lines=lines, doubtful=doubtful)
    place.start()
    drop(place, count)
    until(lambda: len(place.ledger()) > lines // 2, "calls are up")
    cut = kill_again_and_again(place, Random(seed), kills, longest_s)
    assert cut > kills, f"only {cut} calls were cut off by {kills} kills, so that this shows nothing"
    assert not place.reports(), "the campaign was over before the last kill, so that this shows nothing"
    assert until(lambda: gone(place.children), "workers end with their daemon", 10)
    place.start()
    place.until_reported("k", patience_s=180)
    assert place.stop() == 0
    finals = audit(place, max_attempts=ATTEMPTS)
    assert finals.total() == count
    assert finals.keys() == {"succeeded", "failed", "exhausted"}


@pytest.mark.parametrize(("seed", "doubtful"), [(1, False), (2, True)])
def test_killed_in_the_middle_of_calls(place, seed, doubtful):
    """Four kills: the ledger, the tables, the counters and the report agree, and nobody is rung too often."""
    run(place, seed, count=400, lines=30, kills=4, longest_s=0.6, doubtful=doubtful)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_killed_thirty_times(place, seed):
    """Ten kills with each of three seeds, 2,000 recipients."""
    run(place, seed, count=2_000, lines=60, kills=10, longest_s=1.5, doubtful=seed != 11)


def test_a_carrier_that_cannot_tell(place):
    """Without a ledger nobody knows what became of calls that a kill cut off: they count, and are not rung again."""
    options = {"ledger": "none.jsonl", "ring_time": "0ms", "talk_time": "30s"}
    place.configure(trunks={"sim": {"options": options}})
    text = place.config.read_text().replace('ledger = "none.jsonl"\n', "")
    place.config.write_text(text)
    place.start()
    retry = {"max_attempts": ATTEMPTS, "delay": "100ms"}
    place.drop("u.json", {"name": "u", "agent": "reminder", "retry": retry, "recipients": people(0, 20)})
    until(lambda: place.count("SELECT count(*) FROM attempts WHERE state = 'answered'") == 20, "20 calls are up")
    place.kill()
    place.start()
    place.until_reported("u")
    summary, calls = place.report("u")
    assert summary["recipients"]["uncertain"] == 20
    assert summary["attempts"]["uncertain"] == summary["attempts"]["total"] == len(calls) == 20
