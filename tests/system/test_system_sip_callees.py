"""The daemon over SIP trunks to sipp and to scripted callees: what each kind of far end makes of a call.

By the far end's own count each number is called once, and every call there has ended.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import pytest
from attrs import field, frozen
from needs import program
from place import until
from ports import free_port
from sip_town import Behaviour, Callee, Town, alike, chirp, ulaw
from sipp_peer import Sipp

pytestmark = pytest.mark.system

EACH: Final = 3  # numbers called over each trunk
RING_S: Final = 5


@frozen(kw_only=True)
class Far:
    """A sipp at the other end of a trunk, and what its calls are to become.

    Args:
        scenario: what it does.
        values: what the scenario is told.
        options: of the trunk.
        agent: what is to be heard.
        outcome, status, by, why: what is reported.
        also: a further line that sipp counts for each call, or empty.
    """

    scenario: str
    values: dict[str, Any] = field(factory=dict)
    options: dict[str, Any] = field(factory=dict)
    agent: str = "brief"
    outcome: str = "answered"
    status: int = 200
    by: str = "us"
    why: str | None = "agent"
    also: str = ""


FAR: Final = {
    "answer": Far(scenario="answer", also="up"),
    "talk": Far(scenario="talk", values={"talk_ms": 1_500}, agent="long", by="callee", why=None, also="up"),
    "busy": Far(scenario="refuse", outcome="busy", status=486, by="callee", why=None),
    "busy_at_once": Far(scenario="reject", outcome="busy", status=486, by="callee", why=None),
    "declined": Far(
        scenario="refuse", values={"status": "603 Decline"}, outcome="rejected", status=603, by="callee", why=None
    ),
    "unassigned": Far(
        scenario="reject",
        values={"status": "404 Not Found"},
        outcome="invalid_number",
        status=404,
        by="network",
        why=None,
    ),
    "by_reason": Far(
        scenario="refuse",
        values={"status": "480 Temporarily Unavailable", "headers": 'Reason: Q.850;cause=1;text="Unallocated"'},
        outcome="invalid_number",
        status=480,
        by="callee",
        why=None,
    ),
    "unanswered": Far(scenario="ring_on", outcome="no_answer", status=487, why="ring_timeout"),
    "challenge": Far(scenario="challenge", options={"username": "dialer"}, also="up"),
    "early": Far(scenario="early", values={"ring_ms": 500}, agent="long", also="early"),
    "early_unheard": Far(
        scenario="early", values={"ring_ms": 500}, options={"early_media": "ignore"}, agent="long", also="early"
    ),
    "cancel_race": Far(scenario="cancel_race", outcome="no_answer", why="ring_timeout", also="up"),
    "late_bye": Far(scenario="late_bye", also="late"),
    "held": Far(
        scenario="reinvite",
        values={"direction": "sendonly", "talk_ms": 1_200},
        agent="long",
        by="callee",
        why=None,
        also="changed",
    ),
    "changed": Far(
        scenario="reinvite",
        values={"direction": "sendrecv", "talk_ms": 1_200},
        agent="long",
        by="callee",
        why=None,
        also="changed",
    ),
    "timed": Far(scenario="refresh", also="up"),
    "lost": Far(scenario="lost", also="again"),
}

FORKED, MOVED, LOST_200 = "forked", "moved", "lost_200"
NEW: Final = "+447111900001"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """All of them at once, with their campaigns under way."""
    program("sipp", "sip-tester")
    with Town(tmp_path_factory.mktemp("town")) as town:
        secret = town.secret("only-for-the-lab")
        spoken = ulaw(chirp(town.place.root / "spoken.wav", 0.5))
        sound = f'<exec rtp_stream="{spoken},-1,0"/>'
        records = town.place.root / "records"
        for name, far in FAR.items():
            more = {"sound": sound} if far.scenario == "early" else {}
            town.peers[name] = town.enter(Sipp(far.scenario, town.folder(name), **far.values, **more))
            options = {"record": str(records / name)} | far.options
            if "username" in options:
                options["password_file"] = secret
            town.trunk(name, town.peers[name].place, **options)
        silent = town.peers["silence"] = town.enter(Sipp("silence", town.folder("silence")))
        town.trunk("silence", silent.place, answer_timeout="50ms", bind=f"127.0.0.1:{free_port()}")
        there = f"sip:{NEW}@127.0.0.9"
        town.peers["elsewhere"] = town.enter(Sipp("redirect", town.folder("elsewhere"), contact=there))
        town.trunk("elsewhere", town.peers["elsewhere"].place)
        full = {"status": "503 Service Unavailable", "headers": "Retry-After: 2"}
        town.peers["full"] = town.enter(Sipp("reject", town.folder("full"), **full))
        town.trunk("full", town.peers["full"].place)
        scripted(town)
        town.start()
        for name, far in FAR.items():
            town.drop(name, count=EACH, agent=far.agent, ring_timeout=f"{RING_S}s")
        for name in ("silence", "elsewhere", "full", FORKED, MOVED, LOST_200):
            town.drop(name, count=EACH)
        yield town


def scripted(town: Town) -> None:
    """Have the callee that does what sipp cannot."""
    place = f"127.0.0.1:{free_port()}"
    behaviours = {number: Behaviour(ring_s=0.2, forks=3) for number in town.numbers(FORKED, EACH)}
    town.trunk(FORKED, place)
    behaviours[NEW] = Behaviour(ring_s=0.2)
    town.peers[MOVED] = town.enter(Sipp("redirect", town.folder(MOVED), contact=f"sip:{NEW}@{place}"))
    town.trunk(MOVED, town.peers[MOVED].place, redirects="follow")
    behaviours |= {number: Behaviour(drop_answers=2) for number in town.numbers(LOST_200, EACH)}
    town.trunk(LOST_200, place)
    town.far = Callee(behaviours)
    town.callee(town.far, int(place.rpartition(":")[2]))


@pytest.mark.parametrize("name", FAR)
def test_a_far_end_of_its_kind(town: Town, name: str) -> None:
    """What is reported is what the far end did, each number was called once, and nothing is left open there."""
    far, peer = FAR[name], town.peers[name]
    calls = town.calls(name)
    assert [call["outcome"] for call in calls] == [far.outcome] * EACH
    for call in calls:
        told = call["detail"]
        assert (told["sip_status"], told["ended_by"], told.get("ended_why")) == (far.status, far.by, far.why)
        assert call["refunded"] == "false"
        assert "suspect" not in told
        assert (f"SIP {far.status}" in call["cause"]) == (far.outcome != "answered")
    until(lambda: not peer.open(), "the end of all calls at the far end")
    assert peer.placed() == dict.fromkeys(town.numbers(name, EACH), 1)
    if far.also:
        assert len({call for _, call in peer.lines(far.also)}) == EACH
    assert not peer.trouble()


def test_the_times_of_calls(town: Town) -> None:
    """Ringing, answer and end stand in the report as they were: a 183 counts as ringing, a prompt is played whole."""
    (first, *_) = town.calls("early")
    assert 0.2 < seconds(first, "ringing_at", "answered_at") < 2
    assert 3.5 < float(first["talk_s"]) < 6
    (first, *_) = town.calls("unanswered")
    assert RING_S - 1 < seconds(first, "ringing_at", "ended_at") < RING_S + 2
    (first, *_) = town.calls("talk")
    assert 1 < float(first["talk_s"]) < 3


@pytest.mark.parametrize("name", ["early", "early_unheard"])
def test_sound_that_began_before_the_answer_goes_on(town: Town, name: str) -> None:
    """What sipp has been sending since its 183 is in the recording that begins with the answer."""
    town.calls(name)
    recordings = sorted((town.place.root / "records" / name).glob("*.wav"))
    assert len(recordings) == EACH
    for recording in recordings:
        until(lambda it=recording: alike(town.place.root / "spoken.wav", it) > 0.9, "what was said, in it", every_s=0.2)


def test_nobody_answers_anything(town: Town) -> None:
    """A trunk that is silent leaves nobody dialled twice: all of them are uncertain."""
    calls = town.calls("silence")
    assert [call["outcome"] for call in calls] == ["uncertain"] * EACH
    assert town.peers["silence"].placed() == dict.fromkeys(town.numbers("silence", EACH), 1)


def test_a_redirection_that_is_refused(town: Town) -> None:
    """It counts for nobody, says what would follow it, and rings nobody."""
    tries = until(lambda: [one for one in town.attempts("elsewhere") if one["ended_at"]], "an attempt")
    for one in tries:
        assert one["refunded"]
        assert one["ringing_at"] is None
        assert "SIP 302" in one["cause"]
        assert "redirects = follow" in one["cause"]


def test_a_redirection_that_is_followed(town: Town) -> None:
    """The number that is named instead is called, once for each."""
    assert [call["outcome"] for call in town.calls(MOVED)] == ["answered"] * EACH
    assert town.peers[MOVED].placed() == dict.fromkeys(town.numbers(MOVED, EACH), 1)
    assert [call["detail"]["sip_status"] for call in town.calls(MOVED)] == [200] * EACH
    reached = [call for call in town.far.calls.values() if call.number.lstrip("+") == NEW.lstrip("+")]
    assert len(reached) == EACH
    until(lambda: all(call.byes == 1 for call in reached), "the end of all calls at the new place")


def test_an_answer_that_forks(town: Town) -> None:
    """One of three is kept; the others are acknowledged and hung up."""
    assert [call["outcome"] for call in town.calls(FORKED)] == ["answered"] * EACH
    calls = check_callee(town, FORKED)
    assert [call.byes for call in calls] == [3] * EACH
    assert all(leg.acked.is_set() for call in calls for leg in call.legs.values())


def test_an_answer_that_is_lost(town: Town) -> None:
    """The third one arrives, is acknowledged, and the prompt is heard."""
    assert [call["outcome"] for call in town.calls(LOST_200)] == ["answered"] * EACH
    assert all(call.invites == 1 for call in check_callee(town, LOST_200))


def check_callee(town: Town, name: str) -> list[Any]:
    """Check that a campaign left nothing at the scripted callee, and return its calls there."""
    numbers = town.numbers(name, EACH)
    calls = [call for call in town.far.calls.values() if f"+{call.number.lstrip('+')}" in numbers]
    assert Counter(f"+{call.number.lstrip('+')}" for call in calls) == dict.fromkeys(numbers, 1)
    until(lambda: not any(call in calls for call in town.far.alive()), "the end of all calls at the far end")
    assert not town.far.faults
    return calls


def test_a_trunk_that_is_full(town: Town) -> None:
    """A 503 before anybody rang slows the trunk down and uses nobody up; when it is free, everybody is called."""
    full = town.peers["full"]
    until(lambda: len(town.attempts("full")) > EACH, "a further attempt, after the rest")
    tries = town.attempts("full")
    first = min(one["ended_at"] for one in tries if one["ended_at"])
    assert all(one["claimed_at"] <= first or one["claimed_at"] >= first + 1_900 for one in tries)
    full.end()
    free = Sipp("answer", town.folder("free"))
    free.place = full.place
    town.enter(free)
    calls = town.calls("full")
    assert town.finals("full") == {"succeeded": EACH}
    assert free.placed() == dict.fromkeys(town.numbers("full", EACH), 1)
    refused = [call for call in calls if call["refunded"] == "true"]
    assert refused
    assert all("SIP 503" in call["cause"] for call in refused)
    until(lambda: not free.open(), "the end of all calls at the far end")


def test_every_line_is_free_afterwards(town: Town) -> None:
    """No attempt is open but those of campaigns that cannot end, and the daemon stops at once with success."""
    for name in (*FAR, "silence", "full", FORKED, MOVED, LOST_200):
        town.calls(name)
    town.until_free()
    assert town.place.stop() == 0
    assert not town.far.alive()
    assert not [entry for entry in town.place.log() if entry["level"] in ("error", "critical")]


def seconds(call: dict[str, Any], first: str, last: str) -> float:
    """Return the time between two instants of a report."""
    return (datetime.fromisoformat(call[last]) - datetime.fromisoformat(call[first])).total_seconds()
