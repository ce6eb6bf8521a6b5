"""The daemon is killed mid-run, again and again: nobody is rung twice by accident and nobody is forgotten."""

import signal
from collections import Counter
from random import Random
from time import sleep

import pytest
from audit import audit
from place import Place, gone, people, until

pytestmark = pytest.mark.system

ATTEMPTS = 3
COOLDOWN_MS = 100
HOWS = ("calls", "calls", "calls", "start", "recovery", "recovery", "reload", "drain")
"""When a life is ended: amid calls, while it starts, while carriers are asked about the life before, amid a reload,
while calls drain."""


def configure(place: Place, seed: int, *, lines: int, doubtful: bool) -> None:
    """Write settings with every kind of end; `doubtful` adds lost calls, refusals and a carrier that throttles."""
    options = {
        "seed": seed,
        "ring_time": ["50ms", "500ms"],
        "talk_time": ["50ms", "900ms"],
        "no_answer_time": ["100ms", "400ms"],
        "outcomes": {"answered": 50, "busy": 20, "no_answer": 20, "rejected": 4, "invalid_number": 2, "voicemail": 4},
    }
    if doubtful:
        options |= {"maybe_placed": 0.04, "not_placed": 0.02, "capacity": 90.0}
    place.configure(
        daemon={"max_concurrent": lines},
        trunks={"sim": {"max_concurrent": lines, "options": options}},
        person={"cooldown": f"{COOLDOWN_MS}ms"},
    )


def drop(place: Place, count: int) -> dict[str, int]:
    """Drop three campaigns that share a fifth of their people and try the busy and unanswered again soon."""
    retry = {"max_attempts": ATTEMPTS, "delay": "300ms", "busy": {"delay": "100ms"}}
    tenth = count // 10
    shares = {"a": people(0, 5 * tenth), "b": people(4 * tenth, 3 * tenth), "c": people(6 * tenth, 2 * tenth)}
    for name, recipients in shares.items():
        place.drop(f"{name}.json", {"name": name, "agent": "reminder", "retry": retry, "recipients": recipients})
    return {name: len(recipients) for name, recipients in shares.items()}


def end_life(place: Place, random: Random, how: str, longest_s: float) -> None:
    """Begin a life and kill it at a random instant of the given kind."""
    place.start(wait=how not in ("start", "recovery"))
    if how == "start":
        sleep(random.uniform(0.3, 0.7))
    elif how == "recovery":
        place.until_logged("recovery.started", every_s=0.001)
        sleep(random.uniform(0, 0.03))
    else:
        sleep(random.uniform(0.02, longest_s))
    if how == "reload":
        place.signal(signal.SIGHUP)
        sleep(random.uniform(0, 0.05))
    elif how == "drain":
        place.signal(signal.SIGTERM)
        sleep(random.uniform(0, 0.4))
    place.kill()


def kill_again_and_again(place: Place, random: Random, kills: int, longest_s: float) -> tuple[list[int], Counter[str]]:
    """Kill and restart the daemon; return how many calls each kill cut off, and what the kills hit."""
    cut: list[int] = []
    hit: Counter[str] = Counter()
    for kill in range(kills):
        if not kill:
            place.kill()
        else:
            # what a life finds to ask carriers about is what the one before left
            how = random.choice(HOWS) if cut[-1] else "calls"
            end_life(place, random, how, longest_s)
        events = {entry["event"] for entry in place.log()}
        hit["starting"] += "daemon.started" not in events
        hit["recovering"] += "recovery.started" in events and "recovery.ended" not in events
        hit["draining"] += "daemon.stopping" in events and "daemon.stopped" not in events
        cut.append(place.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL"))
    return cut, hit


def run(place: Place, seed: int, *, count: int, lines: int, kills: int, longest_s: float, doubtful: bool) -> None:
    """Have campaigns dialled under kills, to their end, and audit them."""
    configure(place, seed, lines=lines, doubtful=doubtful)
    place.start()
    sizes = drop(place, count)
    until(lambda: len(place.ledger()) > lines // 2, "calls are up")
    cut, hit = kill_again_and_again(place, Random(seed), kills, longest_s)
    shown = f"calls cut off by each kill: {cut}; what the kills hit: {dict(hit)}"
    assert sum(calls >= 5 for calls in cut) > 0.7 * kills, f"too few calls were up for this to show much; {shown}"
    assert min(hit[what] for what in ("starting", "recovering", "draining")) > 0 or kills < 20, shown
    assert not sizes.keys() <= place.reports().keys(), "all was over before the last kill, so that this shows nothing"
    assert until(lambda: gone(place.children), "workers end with their daemon", 10)
    place.start()
    place.until_reported(*sizes, patience_s=180)
    assert place.stop() == 0
    finals = audit(place, max_attempts=ATTEMPTS, cooldown_ms=COOLDOWN_MS)
    assert finals.total() == sum(sizes.values()) == count
    assert finals.keys() == {"succeeded", "failed", "exhausted"}
    if doubtful:
        assert place.count("SELECT count(*) FROM attempts WHERE outcome = 'congestion'"), "nothing was throttled"


def test_killed_twenty_times(place):
    """Twenty kills, 1,500 recipients in three campaigns, with lost calls and a carrier that throttles."""
    run(place, 10, count=1_500, lines=60, kills=20, longest_s=0.6, doubtful=True)


@pytest.mark.soak
@pytest.mark.parametrize("doubtful", [False, True])
@pytest.mark.parametrize("seed", [2, 11, 12, 13])
def test_killed_thirty_times(place, seed, doubtful):
    """The same with ten kills and 500 recipients more, for some seeds, with and without doubt."""
    run(place, seed, count=2_000, lines=60, kills=30, longest_s=0.6, doubtful=doubtful)


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
