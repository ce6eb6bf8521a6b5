"""The daemon is killed at chosen instants of a call: whoever rings or is up is free soon after the next start."""

import json
import math
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

import pytest
from place import Place, number, people, until
from sip_trunk import configure

sys.path.append(str(Path(__file__).parents[1] / "sip"))
from callee import Auth, Behaviour, Callee
from callee_thread import serving

pytestmark = pytest.mark.system

OPEN = "SELECT count(*) FROM attempts WHERE ended_at IS NULL"
AUTH = Auth(username="dialer", password="only-for-the-lab")  # of the lab


@contextmanager
def campaign(place: Place, behaviour: Behaviour, count: int, *, auth: Auth | None = None) -> Iterator[Callee]:
    """Start a daemon that calls that many phones which all do the same, one attempt each."""
    callee = Callee({number(index): behaviour for index in range(count)}, auth=auth)
    with serving(callee) as at:
        configure(place, at, lines=count, credentials=auth is not None, options_interval="1s")
        place.start()
        retry = {"max_attempts": 1}
        document = {"name": "c", "agent": "reminder", "retry": retry, "recipients": people(0, count)}
        place.drop("c.json", document)
        yield callee


def outcomes(place: Place, callee: Callee, count: int) -> list[str]:
    """Check that all is over and everybody was called once at most; return the outcomes."""
    place.until_reported("c", patience_s=60)
    assert place.stop() == 0
    assert not callee.alive()
    assert all(callee.placed(number(index)) <= 1 for index in range(count))
    assert place.count(OPEN) == 0
    return [row["outcome"] for row in place.rows("SELECT outcome FROM attempts")]


@pytest.mark.parametrize("auth", [None, AUTH], ids=["open", "challenged"])
def test_killed_before_any_state_was_durable(place, auth):
    """The INVITE left, and all that is on the disk is the attempt."""
    with campaign(place, Behaviour(ring_s=math.inf), 10, auth=auth) as callee:
        until(callee.alive, "a phone rings", every_s=0.0005)
        place.kill()
        rings = len(callee.alive())
        assert place.count(f"{OPEN} AND provider_state IS NULL") >= rings > 0, "it was durable: this shows nothing"
        place.start()
        place.until_logged("recovery.ended", 15)
        assert set(outcomes(place, callee, 10)) <= {"cancelled", "uncertain"}
    assert not callee.faults


def unacknowledged(callee: Callee) -> bool:
    """Tell whether a phone was picked up whose 200 was not acknowledged yet."""
    return any(call.state == "up" and not call.acks for call in list(callee.calls.values()))


def reached(place: Place) -> dict[int, bool]:
    """Return whether it stands there of each attempt that it was answered."""
    rows = place.rows("SELECT id, outcome, provider_state AS state FROM attempts")
    return {
        row["id"]: row["outcome"] == "answered"
        or bool(row["state"] and json.loads(b64decode(row["state"]))["answered"])
        for row in rows
    }


@pytest.mark.parametrize(
    ("behaviour", "instant"),
    [
        (Behaviour(ring_s=0.2), unacknowledged),  # before the early dialog is durable, which the ACK waits for then
        (Behaviour(ring_s=0.5, drop_answers=2), unacknowledged),
        (Behaviour(ring_s=0.5), lambda callee: any(call.acks for call in list(callee.calls.values()))),
        (Behaviour(rings=0), unacknowledged),
    ],
    ids=["200 sent", "200 lost", "ACK came", "200 at once"],
)
def test_killed_around_the_answer(place, behaviour: Behaviour, instant: Callable[[Callee], bool]):
    """Somebody picked up, and the daemon that called is gone: they are hung up on by the next one.

    Only those of whom it was durable that they had answered were reached: to all others nothing was said.
    """
    with campaign(place, behaviour, 5) as callee:
        until(lambda: instant(callee), "the instant", every_s=0.0005)
        place.kill()
        assert callee.alive()
        known = reached(place)
        place.start()
        place.until_logged("recovery.ended", 15)
        until(lambda: not callee.alive() or place.reports(), "all phones are free", 10)
        assert set(outcomes(place, callee, 5)) <= {"answered", "cancelled", "uncertain"}
        told = place.rows("SELECT id, outcome FROM attempts")
        assert {row["id"]: row["outcome"] == "answered" for row in told if row["id"] in known} == known


@pytest.mark.soak  # half a minute of pauses; what is said about silence is in tests/sip/test_sip_former.py
def test_restarted_while_the_trunk_cannot_be_reached(place):
    """What rings cannot be taken back yet: it is tried again, nobody is called twice, and it settles."""
    with campaign(place, Behaviour(ring_s=math.inf), 5) as callee:
        until(lambda: len(callee.alive()) == 5, "all phones ring")
        place.kill()
        callee.wire.deaf = True
        place.start()
        sleep(2)
        assert place.count(OPEN) == 5
        callee.wire.deaf = False
        until(lambda: not callee.alive(), "all phones are free", 30)
        assert set(outcomes(place, callee, 5)) <= {"cancelled"}
