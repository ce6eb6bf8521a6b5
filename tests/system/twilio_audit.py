"""The audit over Twilio: whether the carrier's own record and the daemon's tables tell the same, lawful story."""

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any, Final

from place import Place
from twilio_carrier import Carrier

OUTCOMES: Final = {"completed": "answered", "busy": "busy", "no-answer": "no_answer"}
"""What the tables must say of a call, by what the record says of its end."""


def audit_twilio(place: Place, far: Carrier, *, max_attempts: int) -> Counter[str]:
    """Check everything that must hold once every campaign has ended.

    Args:
        place: whose daemon.
        far: its carrier.
        max_attempts: of every campaign there.

    Returns:
        Final states, by how many recipients ended in each.
    """
    created = far.record()
    ended = {line["sid"]: line for line in far.record("ended")}
    attempts = place.rows("SELECT * FROM attempts")
    _calls_and_attempts(created, ended, attempts)
    _callbacks(created, attempts)
    _people(created, ended)
    return _recipients(place, attempts, Counter(line["to"] for line in created), max_attempts)


def _calls_and_attempts(created: list[dict[str, Any]], ended: dict[str, dict[str, Any]], attempts: list[Any]) -> None:
    """Check that each call is one attempt's, and each attempt that counts has one call, which ended as it says."""
    by_sid = defaultdict(list)
    for attempt in attempts:
        assert attempt["ended_at"] is not None, f"open: {dict(attempt)}"
        noted = [attempt[name] for name in ("claimed_at", "ringing_at", "answered_at", "ended_at")]
        told = [at for at in noted if at is not None]
        assert told == sorted(told), f"out of order: {dict(attempt)}"
        assert attempt["refunded"] or attempt["reference"], f"counts and was never placed: {dict(attempt)}"
        if attempt["reference"]:
            by_sid[attempt["reference"]].append(attempt)
    twice = {sid: [dict(one) for one in many] for sid, many in by_sid.items() if len(many) > 1}
    assert not twice, f"one call is said to be several attempts': {twice}"
    strange = [line for line in created if line["sid"] not in by_sid]
    assert not strange, f"placed, and no attempt knows of it: {strange}"
    assert len(by_sid) == len(created), "an attempt names a call that never was"
    for line in created:
        (attempt,) = by_sid[line["sid"]]
        assert (attempt["number"], attempt["caller_id"]) == (line["to"], line["from"])
        assert not attempt["refunded"], f"rang, and is not held against anybody: {dict(attempt)}"
        end = ended[line["sid"]]
        assert attempt["outcome"] == OUTCOMES[end["status"]], f"ended otherwise: {end}, {dict(attempt)}"


def _callbacks(created: list[dict[str, Any]], attempts: list[Any]) -> None:
    """Check, where callbacks tell whose a call is, that each is said to be theirs."""
    owners = {attempt["reference"]: attempt["uid"] for attempt in attempts if attempt["reference"]}
    named = {line["sid"]: line["callback"].rpartition("/")[2] for line in created if line["callback"]}
    twice = [uid for uid, times in Counter(named.values()).items() if times > 1]
    assert not twice, f"attempts with two calls: {twice}"
    assert {sid: owners[sid] for sid in named} == named, "a call is said to be another attempt's"


def _people(created: list[dict[str, Any]], ended: dict[str, dict[str, Any]]) -> None:
    """Check that nobody had two calls at once."""
    calls = defaultdict(list)
    for line in created:
        assert line["sid"] in ended, f"a call never ended: {line}"
        calls[line["to"]].append((line["at"], ended[line["sid"]]["at"]))
    for number, spans in calls.items():
        spans.sort()
        for (_, ended_at), (began_at, _) in pairwise(spans):
            assert began_at >= ended_at, f"{number} was called again {ended_at - began_at} ms before a call's end"


def _recipients(place: Place, attempts: list[Any], calls: Counter[str], max_attempts: int) -> Counter[str]:
    counted = Counter(attempt["recipient_id"] for attempt in attempts if not attempt["refunded"])
    of_number: Counter[str] = Counter()
    finals: Counter[str] = Counter()
    for recipient in place.rows("SELECT * FROM recipients"):
        assert recipient["state"] == "done", f"not done: {dict(recipient)}"
        assert recipient["final"] is not None, f"done without a final state: {dict(recipient)}"
        assert counted[recipient["id"]] == recipient["attempts"] <= max_attempts, dict(recipient)
        assert recipient["attempts"], f"forgotten: {dict(recipient)}"
        of_number[recipient["number"]] += recipient["attempts"]
        finals[recipient["final"]] += 1
    assert calls == of_number, f"called more or less often than counted: {calls - of_number} {of_number - calls}"
    return finals
