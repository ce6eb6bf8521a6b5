"""Campaigns over a Twilio double in a process of its own: by its own record nobody is called twice, nobody missed."""

import signal
import urllib.error
import urllib.request
from collections import Counter
from random import Random
from time import sleep
from typing import Any
from urllib.parse import urlencode

import pytest
from place import Place, number, people, until
from ports import free_port
from twilio_audit import audit_twilio
from twilio_carrier import PUBLIC, Carrier, carrier, configure

pytestmark = pytest.mark.system

LIVELY = {"ring_s": 0.2, "talk_s": 0.4}
BUSY = {"outcome": "busy", "ring_s": 0.1}
CPS = 120  # so many that a life of half a second is cut off amid dozens, so few that ten lives do not call everybody


def quick(**changes: object) -> dict[str, object]:
    """Return options for a carrier that answers at once, and creates no call later than that."""
    wanted = {"account_cps": CPS, "poll_first": "100ms", "poll_most": "500ms", "price_wait": "0s"}
    return {**wanted, "late_creation": "300ms", **changes}


def end_life(place: Place, random: Random, kill: int) -> None:
    """Let a life go on for a random time and kill it; now and then amid its start, or amid questions about the last."""
    if kill:
        place.start(wait=False)
    if kill % 3 == 1:
        place.until_logged("recovery.started", every_s=0.001)
        sleep(random.uniform(0, 0.25))
    else:
        until(lambda: place.logged("daemon.started") or not place.alive(), "it is up")
        sleep(random.uniform(0.05, 0.8))
    place.kill()


def run(
    place: Place, far: Carrier, *, seed: int, count: int, kills: int, **wanted: Any
) -> tuple[Counter[str], list[int]]:
    """Have everybody dialled under kills; return calls by number, and how many calls each kill cut off."""
    random = Random(seed)
    place.start()
    document = {"name": "c", "agent": "reminder", "max_duration": "10s", "recipients": people(0, count), **wanted}
    place.drop("c.json", document)
    until(lambda: len(far.record()) > 10, "calls are up")
    cut: list[int] = []
    for kill in range(kills):
        end_life(place, random, kill)
        cut.append(place.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL"))
    assert not place.reports(), "all was over before the last kill, so that this shows nothing"
    place.start()
    place.until_reported("c", patience_s=120)
    assert place.stop() == 0
    return Counter(line["to"] for line in far.record()), cut


def forged_end(line: dict[str, Any], port: int) -> int:
    """Say of a call of the record that it is over, as its carrier would but for the signature; return the answer."""
    form = {"CallSid": line["sid"], "CallStatus": "busy", "SequenceNumber": "9"}
    url = line["callback"].replace(PUBLIC, f"http://127.0.0.1:{port}")
    request = urllib.request.Request(url, urlencode(form).encode(), {"X-Twilio-Signature": "forged"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def check(place: Place, far: Carrier, calls: Counter[str], count: int) -> None:
    """Check that the carrier's record and the daemon's tables tell of one call to each."""
    twice = {to: times for to, times in calls.items() if times > 1}
    missed = [number(index) for index in range(count) if number(index) not in calls]
    assert not twice, f"called twice: {twice}"
    assert not missed, f"never called: {missed}"
    finals = Counter(row["final"] for row in place.rows("SELECT final FROM recipients"))
    assert finals == {"succeeded": count}
    sids = {line["sid"] for line in far.record()}
    known = [row["reference"] for row in place.rows("SELECT reference FROM attempts WHERE refunded = 0")]
    assert set(known) == sids
    assert len(known) == count


@pytest.mark.parametrize(
    ("kills", "count"), [(6, 300), pytest.param(10, 500, marks=pytest.mark.soak)], ids=["six kills", "ten kills"]
)
@pytest.mark.parametrize("callbacks", [False, True], ids=["by asking", "by callbacks"])
def test_killed_again_and_again_with_lost_answers(place, callbacks, kills, count):
    """Kills at random instants, one answer in twenty lost after the call came to be.

    One in ten is slow besides, so that each kill finds some under way whose call is there and whose answer is not.
    """
    port = free_port()
    routes = {PUBLIC: f"http://127.0.0.1:{port}"}
    faults = {"lost_response": 0.05, "slow": 0.1, "slow_s": 0.3}
    with carrier(place, faults=faults, behaviour=LIVELY, routes=routes) as far:
        configure(place, far.url, lines=80, callbacks=f"127.0.0.1:{port}" if callbacks else None, **quick())
        calls, cut = run(place, far, seed=7, count=count, kills=kills)
        assert sum(calls_cut >= 3 for calls_cut in cut) >= 0.7 * kills, f"too few calls were up: {cut}"
        check(place, far, calls, count)


@pytest.mark.soak
def test_every_fault_at_once(place):
    """Answers and requests are lost, calls come to be late, the carrier throttles and fails: still one call a try.

    Who is busy is tried again at once, so that a kill finds people with a call that is over, and one in doubt.
    """
    faults = {
        "lost_response": 0.05,
        "lost_request": 0.05,
        "late_creation": 0.03,
        "late_creation_s": 0.8,
        "next_creates": [*[None] * 12, "throttle"],  # once is enough: a trunk that is throttled slows down for long
        "server_error": 0.03,
        "error_after_creation": 0.03,
        "reads_lost": 0.03,
        "reads_failed": 0.03,
    }
    busy_first = {number(index): [BUSY, LIVELY] for index in range(0, 60, 2)}
    with carrier(place, faults=faults, behaviour=LIVELY, behaviours=busy_first) as far:
        # a lost answer about the numbers would only keep the trunk down for a while, at each start
        configure(place, far.url, lines=40, **quick(late_creation="1s", check_caller_ids=False))
        run(place, far, seed=3, count=60, kills=2, retry={"max_attempts": 2, "delay": "100ms"})
        assert audit_twilio(place, far, max_attempts=2) == {"succeeded": 60}


def test_a_suspended_account_burns_nobody(place):
    """The trunk rests with a clear reason, everybody waits, and all are called when the account works again."""
    with carrier(place, behaviour=LIVELY) as far:
        configure(place, far.url, lines=10, **quick())
        place.start()
        far.change(suspended=True)
        place.drop("c.json", {"name": "c", "agent": "reminder", "recipients": people(0, 20)})
        rested = place.until_logged("trunk.rested")
        assert "suspended" in rested["reason"] or "20005" in rested["reason"]
        assert not far.record()
        assert place.count("SELECT sum(attempts) FROM recipients") == 0
        far.change(suspended=False)
        place.until_reported("c", patience_s=120)
        assert place.stop() == 0
        check(place, far, Counter(line["to"] for line in far.record()), 20)


def test_a_stop_lets_calls_end_by_callbacks(place):
    """SIGTERM: nobody new is called, and those that are up are followed to their end, which nobody can forge."""
    port = free_port()
    routes = {PUBLIC: f"http://127.0.0.1:{port}"}
    with carrier(place, behaviour={"ring_s": 0.2, "talk_s": 2}, routes=routes) as far:
        talker = {"stream": "wss://agent.example.com/call"}
        configure(place, far.url, lines=10, callbacks=f"127.0.0.1:{port}", agent=talker, **quick())
        place.start()
        place.drop("c.json", {"name": "c", "agent": "reminder", "recipients": people(0, 30)})
        until(lambda: place.count("SELECT count(*) FROM attempts WHERE state = 'answered'") >= 5, "calls are up")
        for line in far.record():
            assert forged_end(line, port) == 403
        place.signal(signal.SIGTERM)
        assert place.process is not None
        assert place.process.wait(30) == 0
        created = len(far.record())
        ended = place.rows("SELECT outcome, detail FROM attempts WHERE ended_at IS NOT NULL")
        assert len(ended) == created < 30
        assert {row["outcome"] for row in ended} == {"answered"}
        assert place.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL") == 0
