"""The audit: whether a daemon's tables, its carrier's ledger and its reports tell the same story, and a lawful one.

The ledger is what really rang; the tables are what the daemon believes; the report is what people read.
"""

import tomllib
from collections import Counter, defaultdict
from datetime import datetime
from itertools import pairwise
from typing import Any

from dialerd_simulator.fate import Fates, Loss
from dialerd_simulator.options import SimulatorOptions
from place import Place

from dialerd.model.states import Amd
from dialerd.model.structuring import structure

NEVER_DIALLED = {"suppressed", "expired", "cancelled"}
"""Final states in which nobody need have been rung."""


def audit(place: Place, *, max_attempts: int, cooldown_ms: int = 0) -> Counter[str]:
    """Check everything that must hold once every campaign has ended and has its report.

    Args:
        place: whose daemon.
        max_attempts: of every campaign there.
        cooldown_ms: rest between two calls to a number.

    Returns:
        Final states, by how many recipients ended in each.
    """
    ledger = place.ledger()
    attempts = {row["uid"]: row for row in place.rows("SELECT * FROM attempts")}
    recipients = {row["id"]: row for row in place.rows("SELECT * FROM recipients")}
    _attempts_and_ledger(ledger, attempts)
    _recipients(attempts, recipients, {line["attempt"] for line in ledger}, max_attempts)
    _people(ledger, attempts, cooldown_ms)
    truth = _truth(place, ledger, attempts)
    _rung(ledger, attempts, recipients, truth, max_attempts)
    for campaign in place.rows("SELECT * FROM campaigns"):
        of_campaign = [row for row in recipients.values() if row["campaign_id"] == campaign["id"]]
        calls = [row for row in attempts.values() if row["campaign_id"] == campaign["id"]]
        _counters(place, campaign, of_campaign, calls)
        _counters_and_ledger(place, campaign, {uid: truth[uid] for row in calls if (uid := row["uid"]) in truth})
        _report(place, campaign["name"], of_campaign, calls)
    return Counter(row["final"] for row in recipients.values())


def _attempts_and_ledger(ledger: list[dict[str, Any]], attempts: dict[str, Any]) -> None:
    twice = [uid for uid, times in Counter(line["attempt"] for line in ledger).items() if times > 1]
    assert not twice, f"placed twice: {twice}"
    for line in ledger:
        attempt = attempts.get(line["attempt"])
        assert attempt is not None, f"placed and not durable before: {line}"
        assert (attempt["number"], attempt["caller_id"]) == (line["number"], line["caller_id"])
        # the database is on the same clock; an attempt is durable before the network hears of it
        assert attempt["claimed_at"] <= instant(line["at"]) <= attempt["ended_at"] + 1
        # what rang counts: only a network that finds no line takes a call and is not held against anybody
        assert not attempt["refunded"] or (attempt["outcome"] == "congestion" and attempt["ringing_at"] is None), line
    taken = {line["attempt"] for line in ledger}
    for uid, attempt in attempts.items():
        assert attempt["ended_at"] is not None, f"open: {uid}"
        assert attempt["state"] == "ended", f"state {attempt['state']}: {uid}"
        assert attempt["outcome"] is not None, f"no outcome: {uid}"
        assert attempt["refunded"] or uid in taken, f"counts and was never placed: {dict(attempt)}"


def _recipients(attempts: dict[str, Any], recipients: dict[int, Any], taken: set[str], max_attempts: int) -> None:
    by_recipient = defaultdict(list)
    for attempt in attempts.values():
        by_recipient[attempt["recipient_id"]].append(attempt)
    for key, recipient in recipients.items():
        mine = sorted(by_recipient[key], key=lambda attempt: (attempt["claimed_at"], attempt["id"]))
        counted = [attempt for attempt in mine if not attempt["refunded"]]
        assert recipient["state"] == "done", f"not done: {dict(recipient)}"
        assert recipient["final"] is not None, f"done without a final state: {dict(recipient)}"
        most = recipient["max_attempts"] or max_attempts
        assert len(counted) == recipient["attempts"] <= most, dict(recipient)
        if recipient["final"] not in NEVER_DIALLED:
            assert any(attempt["uid"] in taken for attempt in mine), f"forgotten: {dict(recipient)}"
        answered = [index for index, attempt in enumerate(mine) if attempt["outcome"] == "answered"]
        assert answered in ([], [len(mine) - 1]), f"dialled again after an answer: {recipient['number']}"
        if recipient["final"] == "succeeded":
            assert mine[-1]["outcome"] in ("answered", "voicemail")
        if recipient["final"] == "exhausted":
            assert len(counted) == most, dict(recipient)


def _truth(place: Place, ledger: list[dict[str, Any]], attempts: dict[str, Any]) -> dict[str, str]:
    """Return how the network ended each call that it took: a pure function of the trunk's seed and the attempt's id.

    Calls that we ended are cancelled, whatever the network would have made of them.
    """
    fates = {}
    for name, trunk in tomllib.loads(place.config.read_text())["trunks"].items():
        fates[name] = Fates(structure(trunk["options"], SimulatorOptions))
    truth = {}
    for line in ledger:
        attempt = attempts[line["attempt"]]
        if attempt["refunded"]:  # a network without a line; whatever it would do by today's settings
            truth[line["attempt"]] = "congestion"
            continue
        fate = fates[attempt["trunk"]].of(line["attempt"], line["number"], Amd.OFF)
        assert fate.loss in (None, Loss.AFTER), f"rung, and the network never took it: {line}"
        truth[line["attempt"]] = attempt["outcome"] if attempt["outcome"] == "cancelled" else str(fate.outcome)
        assert truth[line["attempt"]] == attempt["outcome"], f"ended otherwise than the network says: {dict(attempt)}"
    return truth


def _rung(
    ledger: list[dict[str, Any]],
    attempts: dict[str, Any],
    recipients: dict[int, Any],
    truth: dict[str, str],
    max_attempts: int,
) -> None:
    """Check by the ledger alone, whatever the tables count, that nobody was rung more often than allowed."""
    rung: Counter[tuple[int, str]] = Counter()
    for line in ledger:
        if truth[line["attempt"]] != "congestion":  # nothing rings where the network has no line
            rung[attempts[line["attempt"]]["campaign_id"], line["number"]] += 1
    allowed = {(row["campaign_id"], row["number"]): row["max_attempts"] or max_attempts for row in recipients.values()}
    for of_whom, times in rung.items():
        assert times <= allowed[of_whom], f"rung {times} times: {of_whom}"


def _people(ledger: list[dict[str, Any]], attempts: dict[str, Any], cooldown_ms: int) -> None:
    """Nobody has two live calls, or is called again before the cooldown is over, whichever campaign asks."""
    calls = defaultdict(list)
    for line in ledger:
        calls[line["number"]].append((instant(line["at"]), attempts[line["attempt"]]["ended_at"]))
    for number, spans in calls.items():
        spans.sort()
        for (_, ended_at), (began_at, _) in pairwise(spans):
            assert began_at >= ended_at + cooldown_ms, (
                f"{number} was called again {began_at - ended_at} ms after a call"
            )


def _counters(place: Place, campaign: Any, recipients: list[Any], calls: list[Any]) -> None:
    (totals,) = place.rows("SELECT * FROM totals WHERE campaign_id = ?", campaign["id"])
    finals = Counter(row["final"] for row in recipients)
    outcomes = Counter(call["outcome"] for call in calls if not call["refunded"])
    for column in totals.keys():  # noqa: SIM118  # a row is no mapping: iterating it gives values
        kind, _, name = column.partition("_")
        if kind in ("final", "outcome"):
            assert totals[column] == (finals if kind == "final" else outcomes)[name], column
    assert totals["recipients"] == len(recipients)
    assert totals["refunded"] == sum(call["refunded"] for call in calls)
    assert totals["talk_ms"] == sum(talk_ms(call) for call in calls)


def _counters_and_ledger(place: Place, campaign: Any, truth: dict[str, str]) -> None:
    """Check that a campaign's counters are what the network saw of it."""
    (totals,) = place.rows("SELECT * FROM totals WHERE campaign_id = ?", campaign["id"])
    seen = Counter(truth.values())
    for column in totals.keys():  # noqa: SIM118  # as above
        kind, _, outcome = column.partition("_")
        if kind == "outcome" and outcome != "congestion":  # most of these are refunded; the tables were checked above
            assert totals[column] == seen[outcome], f"{column} of {campaign['name']}"


def _report(place: Place, name: str, recipients: list[Any], calls: list[Any]) -> None:
    summary, rows = place.report(name)
    counts, attempts = summary["recipients"], summary["attempts"]
    assert counts["total"] == len(recipients)
    assert sum(count for key, count in counts.items() if key not in ("total", "undialed")) == counts["total"]
    assert {row["number"] for row in rows} == {row["number"] for row in recipients}
    assert {row["number"]: row["final"] for row in rows} == {row["number"]: row["final"] for row in recipients}
    assert {row["attempt_id"] for row in rows} - {""} == {call["uid"] for call in calls}
    assert len(rows) == len(calls) + counts["undialed"]
    assert attempts["total"] + attempts["refunded"] == len(calls)
    outcomes = Counter(row["outcome"] for row in rows if row["refunded"] == "false")
    assert sum(count for key, count in attempts.items() if key not in ("total", "refunded")) == attempts["total"]
    assert {key: attempts[key] for key in outcomes} == outcomes


def talk_ms(call: Any) -> int:
    """Return how long an attempt was answered, in milliseconds."""
    return max(0, call["ended_at"] - call["answered_at"]) if call["answered_at"] is not None else 0


def instant(text: str) -> int:
    """Return the milliseconds since the epoch of an RFC 3339 text."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)
