"""What the end of a SIP call means: whether it may have rung a phone, how it ended, whose doing it is.

Reads `dialerd_sip.verdict_table`. Knows nothing of messages, sockets and agents.
"""

from typing import Any, Final

from dialerd.model.call import CallEnd, Cause
from dialerd.model.instants import SECOND, Duration
from dialerd.model.states import AtFault, Outcome
from dialerd.plugin.provider import MaybePlaced, NotPlaced, Throttled
from dialerd_sip.core.events import Ender, Ending
from dialerd_sip.core.reasons import Reason
from dialerd_sip.verdict_table import (
    ANSWERED,
    BLOCKED,
    BLOCKED_WORDS,
    CAUSES,
    CROWDED,
    CROWDED_WORDS,
    EXACT,
    LOCAL,
    STATUSES,
    SUSPECT,
    UNKNOWN,
    Follows,
    Row,
)

_SUSPECT_BELOW: Final[Duration] = SECOND
"""A called person who answers and hangs up takes longer; carriers that answer for nobody, and bill it, do not."""

_LONGEST: Final = 200  # characters of a peer's words that are kept
_ON_OUR_SIDE: Final = frozenset({"no_media", "media_failed", "session_expired", "max_duration"})


def end_of(
    ending: Ending,
    *,
    digits: str = "",
    opted_out: bool = False,
    retry_after_most: Duration | None = None,
    talked: Duration | None = None,
) -> CallEnd:
    """Return how a call ended, or raise what says that it did not come about.

    Args:
        ending: the facts.
        digits: what was keyed in.
        opted_out: whether the called person asked not to be called again, and no entry was made yet.
        retry_after_most: the longest rest that Retry-After brings about; None = no bound.
        talked: how long the answered call lasted, or None where nobody measured it.

    Raises:
        NotPlaced, Throttled: nothing rang.
        MaybePlaced: nobody knows what became of an INVITE.
    """
    if not ending.certain and not ending.answered:
        words = "an INVITE may have rung a phone, and nobody told what became of it"
        raise MaybePlaced(_cause(ending, UNKNOWN, AtFault.PROVIDER, words))
    row = judge(ending, talked=talked)
    if not ending.rang and not ending.answered:
        _refuse(ending, row, retry_after_most)
    return CallEnd(
        outcome=row.outcome,
        cause=None if row.fault is None else _cause(ending, row, row.fault, row.means),
        digits=digits,
        opted_out=opted_out,
        detail=_detail(ending, row),
    )


def former_end(ending: Ending) -> CallEnd:
    """Return how a call of a former life ended, of which it is proven that it was placed; raises nothing.

    Args:
        ending: the facts.
    """
    row = judge(ending)
    return CallEnd(
        outcome=row.outcome,
        cause=None if row.fault is None else _cause(ending, row, row.fault, row.means),
        detail=_detail(ending, row),
    )


def judge(ending: Ending, *, talked: Duration | None = None) -> Row:
    """Return the row of the table that holds for an ending.

    The order: what was answered, unless nobody heard anything (`Ending.crossed`); what ended it on our side; what a
    flood protection or a filter says in words; answers that Q.850 has no number for; Q.850; the answer.

    Args:
        ending: the facts.
        talked: how long the answered call lasted, or None.
    """
    if ending.answered:
        if ending.why in _ON_OUR_SIDE or (ending.crossed and ending.why in LOCAL):
            return LOCAL[ending.why]
        brief = talked is not None and talked < _SUSPECT_BELOW and ending.ender is not Ender.US
        return SUSPECT if brief else ANSWERED
    status = ending.status
    # 487 is what our own CANCEL leads to (RFC 3261, section 9.1); what asks for another INVITE says nothing of a call
    # that was taken back before that one could leave, and of its trunk
    if ending.why in LOCAL and (status in (None, 487) or (ending.ender is Ender.US and _asks_again(status))):
        return LOCAL[ending.why]
    reasons = Reason.parse_all(ending.reasons)
    words = " ".join(text for text in (ending.phrase, ending.warning, *(reason.text for reason in reasons)) if text)
    if status is not None and 400 <= status < 600 and CROWDED_WORDS.search(words):
        return CROWDED
    if status == 603 and BLOCKED_WORDS.search(words):
        return BLOCKED
    row = None if status is None else STATUSES.get(status) or STATUSES.get(status // 100 * 100)
    if status in EXACT and row is not None:
        return row
    causes = (CAUSES[reason.cause] for reason in reasons if reason.protocol == "Q.850" and reason.cause in CAUSES)
    exact = next(causes, None)
    if exact is not None and (row is None or exact.q850 != row.q850):
        return exact
    return row or UNKNOWN


def _asks_again(status: int | None) -> bool:
    return status is not None and (status in (401, 407, 420, 422) or 300 <= status < 400)


def _refuse(ending: Ending, row: Row, retry_after_most: Duration | None) -> None:
    """Raise what a row means for a call that never rang; return where it ends like any other."""
    if row.follows is Follows.END or row.fault is None:
        return
    cause = _cause(ending, row, row.fault, row.means)
    retry_after = None if ending.retry_after is None else ending.retry_after * SECOND
    if retry_after is not None and retry_after_most is not None:
        retry_after = min(retry_after, retry_after_most)
    if row.follows is Follows.THROTTLE or (row.follows is Follows.CROWD and retry_after is not None):
        raise Throttled(retry_after, cause)
    if row.follows in (Follows.REFUND, Follows.REST):
        raise NotPlaced(cause, trunk_down=row.follows is Follows.REST)


def _cause(ending: Ending, row: Row, fault: AtFault, means: str) -> Cause:
    said = [f"SIP {ending.status} {_words(ending.phrase)}".strip()] if ending.status is not None else []
    said += [_words(text) for text in (*ending.reasons, ending.warning, ending.detail) if text]
    code = f"SIP {ending.status}" if ending.status is not None else ending.why
    return Cause(fault=fault, q850=row.q850, code=code, detail=means + (f" ({'; '.join(said)})" if said else ""))


def _detail(ending: Ending, row: Row) -> dict[str, Any]:
    told = {
        "sip_status": ending.status,
        "sip_phrase": _words(ending.phrase) or None,
        "sip_reasons": [_words(reason) for reason in ending.reasons] or None,
        "sip_warning": None if ending.warning is None else _words(ending.warning),
        "sip_retry_after": ending.retry_after,
        "ended_by": ending.ender.value,
        "ended_why": ending.why,
        "targets_tried": ending.tried if ending.tried > 1 else None,
        "suspect": True if row is SUSPECT else None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _words(text: str) -> str:
    """Return a peer's words as they may be kept: one line, of bounded length, what no text can hold left out."""
    kept = "".join(letter if letter.isprintable() else " " for letter in text[: _LONGEST * 2])
    return " ".join(kept.split())[:_LONGEST]


def document() -> str:
    """Return the table as Markdown, for `docs/sip-verdicts.md`."""
    lines = [_HEAD]
    for title, first, rows in (
        ("Answers", "status", {str(status): row for status, row in STATUSES.items()}),
        ("Reason: Q.850", "cause", {str(cause): row for cause, row in CAUSES.items()}),
        (
            "Words",
            "words",
            {
                f"below 600: `{_cell(CROWDED_WORDS.pattern)}`": CROWDED,
                f"of a 603: `{_cell(BLOCKED_WORDS.pattern)}`": BLOCKED,
            },
        ),
        ("Ends on our side", "why", LOCAL),
        (
            "Answered, and the rest",
            "what",
            {"answered": ANSWERED, "answered, and hung up within a second": SUSPECT, "no end was told": UNKNOWN},
        ),
    ):
        lines.append(f"\n## {title}\n\n| {first} | what it says | outcome | fault | Q.850 | follows | source |")
        lines.append("|---|---|---|---|---|---|---|")
        lines += [_line(told, row) for told, row in rows.items()]
    return "\n".join(lines) + "\n"


def _line(told: str, row: Row) -> str:
    q850 = "–" if row.q850 is None else row.q850
    return f"| {told} | {row.means} | `{row.outcome}` | {row.fault or '–'} | {q850} | {row.follows} | {row.source} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


_HEAD: Final = f"""# What the end of a SIP call means

Drawn from `plugins/dialerd_sip/verdict_table.py`, the one place where this is decided; a test holds both together.

A call whose INVITE may have reached somebody, and of which nobody told what became, may have been placed: nothing is
dialled again without proof. All else is judged in this order: whether it was answered; what ended it on our side; what
a flood protection or a filter says in words (Reason, Warning, the phrase); answers that Q.850 has no number for
({", ".join(str(status) for status in sorted(EXACT))}); the Q.850 cause of a Reason header; the answer. One that is not
listed counts as the first of its hundred.

| follows | nothing rang | it had rung |
|---|---|---|
| end | the call ends with the row's outcome, and counts | the same |
| refund | not placed: tried again, nobody's attempt is used up | the call ends with the row's outcome |
| throttle | throttled: refunded, and the trunk slows down | the call ends as `{Outcome.CONGESTION}` |
| crowd | throttled where Retry-After says how long, else `{Outcome.CONGESTION}`: refunded | `{Outcome.CONGESTION}` |
| rest | not placed; the trunk rests until somebody has acted | the call ends with the row's outcome |

`retry_after_most` bounds what a Retry-After brings about. The status, the phrase, Reason, Warning, Retry-After and who
ended the call are kept in the call's detail."""
