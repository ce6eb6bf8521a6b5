"""What the carrier's words mean: whether a refused request may have rung a phone, how a call ended, whose doing it is.

Reads `dialerd_twilio.verdict_table`. Knows nothing of requests and events.
"""

from typing import Final

from attrs import frozen

from dialerd.model.call import Cause
from dialerd.model.instants import Duration
from dialerd.model.states import AnsweredBy, AtFault, Outcome
from dialerd.plugin.provider import MaybePlaced, NotPlaced, Throttled
from dialerd_twilio.answers import CallStatus, CarrierError, Lost, Refused, answerer
from dialerd_twilio.verdict_table import CODES, ENDS, FAX, MACHINE, NETWORK, OVERRIDES, STATUSES, Code, End, Matter

_FAULTS: Final = {
    Matter.NUMBER: AtFault.CALLEE,
    Matter.REACH: AtFault.CALLEE,
    Matter.DESTINATION: AtFault.TRUNK,
    Matter.ACCOUNT: AtFault.TRUNK,
    Matter.CROWD: AtFault.TRUNK,
    Matter.REQUEST: AtFault.US,
}

_OUTCOMES: Final = {
    Matter.NUMBER: Outcome.INVALID_NUMBER,
    Matter.REACH: Outcome.UNREACHABLE,
    Matter.DESTINATION: Outcome.FAILED,
    Matter.ACCOUNT: Outcome.FAILED,
    Matter.CROWD: Outcome.CONGESTION,
    Matter.REQUEST: Outcome.FAILED,
}


@frozen(kw_only=True)
class Verdict:
    """How a call ended.

    Args:
        outcome: what is said of it, never `uncertain`.
        cause: what lies behind it; None for an ordinary answered call.
        answered_by: what the detection found; None where it did not listen.
    """

    outcome: Outcome
    cause: Cause | None
    answered_by: AnsweredBy | None


def refusal(error: CarrierError) -> NotPlaced | Throttled | MaybePlaced:
    """Return what is to be raised of a call whose creation did not succeed.

    Args:
        error: what became of the request. What nobody knows may have been placed.
    """
    if isinstance(error, Lost) and not error.sent:
        return NotPlaced(Cause(fault=AtFault.PROVIDER, code="connection", detail=error.reason))
    if not isinstance(error, Refused):
        return MaybePlaced(Cause(fault=AtFault.PROVIDER, code="lost", detail=str(error)))
    code = f"HTTP {error.status}" if error.code is None else str(error.code)
    row = next((row for row in STATUSES if row.first <= error.status <= row.last), None)
    if row is None or row.matter is None:  # what a server that failed says of the request is not to be relied on
        detail = f"{error} (unknown status)" if row is None else _words(row.means, error)
        return MaybePlaced(Cause(fault=AtFault.PROVIDER, code=code, detail=detail))
    known = CODES.get(error.code or 0)
    if known is not None and row.matter is not Matter.CROWD:
        cause = Cause(fault=_FAULTS[known.matter], q850=known.q850, code=code, detail=_words(known.means, error))
        return _raised(known.matter, cause, error.retry_after)
    return _raised(row.matter, Cause(fault=row.fault, code=code, detail=_words(row.means, error)), error.retry_after)


def verdict(
    *,
    status: CallStatus,
    sip_code: int | None = None,
    error_code: int | None = None,
    answered_by: str | None = None,
    message_left: bool = False,
) -> Verdict:
    """Return how a call ended, from what the carrier told.

    Args:
        status: the last that was told.
        sip_code: final answer of the network, or None.
        error_code: code of an error that the carrier notes for the call, or None.
        answered_by: what the detection found, in the carrier's words, or None where it did not listen.
        message_left: whether the message for a machine was left.
    """
    found = answerer(answered_by)
    if ENDS[status].outcome is Outcome.ANSWERED:
        return _answered(found, error_code, message_left=message_left)
    known = CODES.get(error_code or 0) if status is CallStatus.FAILED else None
    if known is not None:
        cause = Cause(fault=_FAULTS[known.matter], q850=known.q850, code=str(error_code), detail=known.means)
        return Verdict(outcome=_OUTCOMES[known.matter], cause=cause, answered_by=found)
    row = _row(status, sip_code)
    return Verdict(outcome=row.outcome, cause=_cause(row, sip_code, error_code), answered_by=found)


def _raised(matter: Matter, cause: Cause, retry_after: Duration | None) -> NotPlaced | Throttled:
    if matter is Matter.CROWD:
        return Throttled(retry_after, cause)
    return NotPlaced(cause, trunk_down=matter is Matter.ACCOUNT)


def _words(means: str, error: Refused) -> str:
    """Return what a refusal means, with the carrier's own words behind it."""
    return f"{means} (HTTP {error.status}{f': {error.message}' if error.message else ''})"


def _answered(found: AnsweredBy | None, error_code: int | None, *, message_left: bool) -> Verdict:
    if found is AnsweredBy.FAX:
        return Verdict(outcome=FAX.outcome, cause=_cause(FAX, None, None), answered_by=found)
    if found is AnsweredBy.MACHINE or message_left:
        return Verdict(outcome=MACHINE.outcome, cause=None, answered_by=AnsweredBy.MACHINE)
    cause: Cause | None = None
    if error_code is not None:  # the call was up: what failed was said or asked in it
        means = CODES[error_code].means if error_code in CODES else "the carrier notes an error for this call"
        cause = Cause(fault=AtFault.US, code=str(error_code), detail=means)
    return Verdict(outcome=Outcome.ANSWERED, cause=cause, answered_by=found)


def _row(status: CallStatus, sip_code: int | None) -> End:
    """Return the row of a call that was not answered."""
    heeded = sip_code is not None and 300 <= sip_code <= 699
    if sip_code is None or not heeded:
        return ENDS[status]
    if status is CallStatus.FAILED:
        return NETWORK.get(sip_code) or NETWORK[sip_code // 100 * 100]
    return NETWORK[sip_code] if sip_code in OVERRIDES.get(status, ()) else ENDS[status]


def _cause(row: End, sip_code: int | None, error_code: int | None) -> Cause | None:
    if row.fault is None:
        return None
    code = sip_code if sip_code is not None else error_code
    return Cause(fault=row.fault, q850=row.q850, code=None if code is None else str(code), detail=row.means)


def document() -> str:
    """Return the table as Markdown, for `docs/twilio-verdicts.md`."""
    lines = [_HEAD]
    for matter in Matter:
        lines += [f"\n### Of the {matter}\n\n| code | what it says | Q.850 | source |", "|---|---|---|---|"]
        lines += [_code_line(code, row) for code, row in CODES.items() if row.matter is matter]
    lines += [
        "\n## HTTP statuses without a known code\n\n| status | what it says | what follows | source |",
        "|---|---|---|---|",
    ]
    for row in STATUSES:
        span = f"{row.first}" if row.first == row.last else f"{row.first} to {row.last}"
        lines.append(f"| {span} | {row.means} | {_FOLLOWS[row.matter]} | {row.source} |")
    lines += [_END_HEAD.format(title="Call statuses"), *(_end_line(status.value, row) for status, row in ENDS.items())]
    lines += [_end_line("completed, by a machine", MACHINE), _end_line("completed, by a fax", FAX)]
    lines += [
        _END_HEAD.format(title="SIP answers of the network"),
        *(_end_line(str(sip), row) for sip, row in NETWORK.items()),
    ]
    return "\n".join(lines) + "\n"


def _code_line(code: int, row: Code) -> str:
    return f"| {code} | {row.means} | {row.q850} | {row.source or f'Twilio error {code}'} |"


def _end_line(first: str, row: End) -> str:
    fault = row.fault or "–"
    return f"| {first} | {row.means} | `{row.outcome}` | {fault} | {row.q850} | {row.source} |"


_FOLLOWS: Final = {
    Matter.ACCOUNT: "not placed; the trunk rests",
    Matter.CROWD: "throttled",
    Matter.DESTINATION: "not placed",
    Matter.REQUEST: "not placed",
    Matter.NUMBER: "not placed; it counts",
    Matter.REACH: "not placed; it counts",
    None: "may have been placed: the carrier is asked",
}

_END_HEAD: Final = (
    "\n## {title}\n\n| told | what it says | outcome | fault | Q.850 | source |\n|---|---|---|---|---|---|"
)

_HEAD: Final = """# What Twilio's words mean

Drawn from `plugins/dialerd_twilio/verdict_table.py`, the one place where this is decided; a test holds both together.

A call that failed is judged by the error code that the carrier notes for it, then by the network's SIP answer, then by
the call's status. A call that is told as busy or unanswered is `rejected` where SIP says that it was declined (603,
607, 608), and `busy` where it says 486 or 600. A SIP answer that is not listed counts as the first of its hundred.

## Error codes

| matter | a request so refused | a call so failed |
|---|---|---|
| number | not placed, the callee's: it counts, as `invalid_number` | `invalid_number`, the callee's |
| reach | the same | `unreachable`, the callee's |
| destination | not placed, the trunk's: refunded | `failed`, the trunk's |
| account | not placed; the trunk rests until somebody has acted, and its campaigns wait | `failed`, the trunk's |
| crowd | throttled: refunded, and the trunk slows down | `congestion`, the trunk's |
| request | not placed, ours: refunded | `failed`, ours |"""
