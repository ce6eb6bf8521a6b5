"""The one table from how a SIP call ended to what that means, and for whose account it goes, with its sources.

Data alone; `dialerd_sip.verdicts` reads it. `docs/sip-verdicts.md` is drawn from it.

What follows from a row depends on whether the phone had rung:

| follows | nothing rang | it had rung |
|---|---|---|
| end | the call ends with the row's outcome, and counts | the same |
| refund | not placed: tried again, nobody's attempt is used up | the call ends with the row's outcome |
| throttle | throttled: refunded, and the trunk slows down | the call ends as `congestion` |
| crowd | throttled where Retry-After says how long, otherwise `congestion`: refunded | the call ends as `congestion` |
| rest | not placed, and the trunk rests until somebody has acted | the call ends with the row's outcome |
"""

import re
from enum import StrEnum
from typing import Final

from attrs import frozen

from dialerd.model.states import AtFault, Outcome


class Follows(StrEnum):
    """What follows from a row."""

    END = "end"
    REFUND = "refund"
    THROTTLE = "throttle"
    CROWD = "crowd"
    REST = "rest"


@frozen(kw_only=True)
class Row:
    """A row.

    Args:
        outcome: what is said of the call.
        fault: whose doing it is; None = it has no cause, it was an ordinary call.
        q850: cause of ITU-T Q.850 that says the same, or None.
        follows: what follows.
        means: what it says, and what is to be done about it.
        source: where it stands.
    """

    outcome: Outcome
    fault: AtFault | None
    q850: int | None
    follows: Follows
    means: str
    source: str


_CALLEE, _TRUNK, _PROVIDER, _US = AtFault
_END, _REFUND, _THROTTLE, _CROWD, _REST = Follows
_FAILED, _CONGESTION = Outcome.FAILED, Outcome.CONGESTION

_RFC3261: Final = "RFC 3261, section 21"
_RFC3398: Final = "RFC 3398, section 8.2.6.1"
_RFC8224: Final = "RFC 8224, section 6.2.2"
_Q850: Final = "ITU-T Q.850, clause 2.2"
_FIELD: Final = "carriers' practice"
_OWN: Final = "dialerd"


def _row(  # noqa: PLR0917  # the columns of a table
    outcome: Outcome, fault: AtFault | None, q850: int | None, follows: Follows, means: str, source: str
) -> Row:
    return Row(outcome=outcome, fault=fault, q850=q850, follows=follows, means=means, source=source)


_INVALID = Outcome.INVALID_NUMBER
_NO_ANSWER = Outcome.NO_ANSWER
_UNREACHABLE = Outcome.UNREACHABLE
_CODEC: Final = "the far end takes no such sound; see codecs and ptime of this trunk"
_CREDENTIALS: Final = "the credentials are refused, or missing; correct username, password or realm of this trunk"

STATUSES: Final = {
    300: _row(_FAILED, _PROVIDER, 127, _REFUND, "the number is elsewhere; redirects = follow goes there", _RFC3261),
    305: _row(_FAILED, _TRUNK, 127, _REFUND, "the trunk wants a proxy; see server and outbound_proxy", _RFC3261),
    380: _row(_FAILED, _PROVIDER, 127, _REFUND, "the trunk offers another service, which is no call", _RFC3261),
    400: _row(_FAILED, _PROVIDER, 41, _REFUND, "the network does not understand the call", _RFC3398),
    401: _row(_FAILED, _TRUNK, 21, _REST, _CREDENTIALS, _RFC3398),
    402: _row(_FAILED, _TRUNK, 21, _REST, "the network wants to be paid; look at the account's balance", _RFC3398),
    403: _row(
        _FAILED,
        _TRUNK,
        21,
        _REFUND,
        "the network forbids the call; see whether the caller id is the account's, and the destination permitted",
        _RFC3398,
    ),
    404: _row(_INVALID, _CALLEE, 1, _END, "the number is not assigned", _RFC3398),
    405: _row(_FAILED, _PROVIDER, 63, _REFUND, "the network takes no calls; see server of this trunk", _RFC3398),
    406: _row(_FAILED, _PROVIDER, 79, _END, "the far end cannot do this", _RFC3398),
    407: _row(_FAILED, _TRUNK, 21, _REST, _CREDENTIALS, _RFC3398),
    408: _row(_NO_ANSWER, _CALLEE, 18, _END, "the far end did not respond in time", f"{_RFC3261}.4.9"),
    410: _row(_INVALID, _CALLEE, 22, _END, "the number is not in use any more", _RFC3398),
    413: _row(_FAILED, _US, 127, _REFUND, "the request is too large; send fewer headers", _RFC3398),
    414: _row(_FAILED, _US, 127, _REFUND, "the number's URI is too long; see uri_parameters", _RFC3398),
    415: _row(_FAILED, _TRUNK, 79, _END, _CODEC, _RFC3398),
    416: _row(_FAILED, _TRUNK, 127, _REFUND, "the network knows no sip: URIs here; see server", _RFC3398),
    420: _row(_FAILED, _PROVIDER, 127, _REFUND, "the network does not know an extension", _RFC3398),
    421: _row(_FAILED, _PROVIDER, 127, _REFUND, "the network wants an extension that dialerd does not have", _RFC3398),
    422: _row(
        _FAILED, _TRUNK, 127, _REFUND, "the session timer is refused; see session_expires", "RFC 4028, section 6"
    ),
    423: _row(_FAILED, _PROVIDER, 127, _REFUND, "an interval is too brief", _RFC3398),
    428: _row(_FAILED, _TRUNK, 21, _REFUND, "the network wants a signed caller id; a plugin has to sign it", _RFC8224),
    429: _row(_CONGESTION, _TRUNK, 42, _THROTTLE, "the trunk gets more calls than it takes", f"{_FIELD}, as in HTTP"),
    433: _row(Outcome.REJECTED, _CALLEE, 21, _END, "anonymous calls are refused", "RFC 5079, section 5"),
    436: _row(_FAILED, _TRUNK, 21, _REFUND, "the caller id's certificate cannot be fetched", _RFC8224),
    437: _row(_FAILED, _TRUNK, 21, _REFUND, "the caller id's certificate is not accepted", _RFC8224),
    438: _row(_FAILED, _TRUNK, 21, _REFUND, "the caller id's signature is wrong", _RFC8224),
    480: _row(_NO_ANSWER, _CALLEE, 18, _END, "the phone is not available now", _RFC3398),
    481: _row(_FAILED, _PROVIDER, 127, _REFUND, "the network lost the call", _RFC3398),
    482: _row(_FAILED, _PROVIDER, 25, _REFUND, "the call went round in a circle", _RFC3398),
    483: _row(_FAILED, _PROVIDER, 25, _REFUND, "the call went over too many hops", _RFC3398),
    484: _row(_INVALID, _CALLEE, 28, _END, "the number is not complete", _RFC3398),
    485: _row(_INVALID, _CALLEE, 1, _END, "the number is ambiguous", _RFC3398),
    486: _row(Outcome.BUSY, _CALLEE, 17, _END, "the line is busy", _RFC3398),
    487: _row(_NO_ANSWER, _CALLEE, 19, _END, "it was ended before anybody answered", f"{_RFC3261}.4.25"),
    488: _row(_FAILED, _TRUNK, 88, _END, _CODEC, f"{_RFC3261}.4.26"),
    491: _row(_FAILED, _PROVIDER, 127, _REFUND, "another request of the call was under way", f"{_RFC3261}.4.27"),
    493: _row(_FAILED, _PROVIDER, 127, _REFUND, "the far end wants encrypted bodies", f"{_RFC3261}.4.28"),
    500: _row(_CONGESTION, _PROVIDER, 41, _CROWD, "the network failed", _RFC3398),
    501: _row(_FAILED, _PROVIDER, 79, _REFUND, "the network cannot do this", _RFC3398),
    502: _row(_CONGESTION, _PROVIDER, 38, _CROWD, "the network is out of order", _RFC3398),
    503: _row(
        _CONGESTION, _TRUNK, 41, _THROTTLE, "the trunk has as many calls as it takes, or is down", f"{_RFC3261}.5.4"
    ),
    504: _row(_CONGESTION, _PROVIDER, 102, _CROWD, "the network did not respond in time", _RFC3398),
    505: _row(_FAILED, _PROVIDER, 127, _REFUND, "the network knows no SIP/2.0", _RFC3398),
    513: _row(_FAILED, _US, 127, _REFUND, "the message is too large; send fewer headers, or use tcp", _RFC3398),
    580: _row(_CONGESTION, _PROVIDER, 47, _CROWD, "the network has no resources for the call", "RFC 3312, section 8"),
    600: _row(Outcome.BUSY, _CALLEE, 17, _END, "every line is busy", _RFC3398),
    603: _row(Outcome.REJECTED, _CALLEE, 21, _END, "the call was declined", _RFC3398),
    604: _row(_INVALID, _CALLEE, 1, _END, "the number exists nowhere", _RFC3398),
    606: _row(_FAILED, _TRUNK, 88, _END, _CODEC, f"{_RFC3261}.6.4"),
    607: _row(Outcome.REJECTED, _CALLEE, 21, _END, "the called person does not want such calls", "RFC 8197, section 3"),
    608: _row(Outcome.REJECTED, _CALLEE, 21, _END, "a filter on the way rejected the call", "RFC 8688, section 3"),
}
"""Final answers. One that is not here counts as the first of its hundred (RFC 3261, section 8.1.3.2)."""

EXACT: Final = frozenset({401, 402, 407, 428, 433, 436, 437, 438, 607, 608})
"""Answers of SIP's own that Q.850 has no number for: a Reason beside them says less."""

CAUSES: Final = {
    1: _row(_INVALID, _CALLEE, 1, _END, "the number is not assigned", _Q850),
    2: _row(_FAILED, _PROVIDER, 2, _REFUND, "there is no route to the transit network", _Q850),
    3: _row(_UNREACHABLE, _CALLEE, 3, _END, "there is no route to the number", _Q850),
    5: _row(_FAILED, _TRUNK, 5, _REFUND, "a prefix was misdialled; see number_format and number_prefix", _Q850),
    17: _row(Outcome.BUSY, _CALLEE, 17, _END, "the line is busy", _Q850),
    18: _row(_NO_ANSWER, _CALLEE, 18, _END, "the phone does not respond", _Q850),
    19: _row(_NO_ANSWER, _CALLEE, 19, _END, "it rang and nobody answered", _Q850),
    20: _row(_UNREACHABLE, _CALLEE, 20, _END, "the phone is switched off or out of reach", _Q850),
    21: _row(Outcome.REJECTED, _CALLEE, 21, _END, "the call was declined", _Q850),
    22: _row(_INVALID, _CALLEE, 22, _END, "the number has changed", _Q850),
    25: _row(_FAILED, _PROVIDER, 25, _REFUND, "the network's routing is wrong", _Q850),
    27: _row(_UNREACHABLE, _CALLEE, 27, _END, "the phone's line is out of order", _Q850),
    28: _row(_INVALID, _CALLEE, 28, _END, "the number has no valid form, or is not complete", _Q850),
    29: _row(_FAILED, _PROVIDER, 29, _REFUND, "the network refuses a facility", _Q850),
    34: _row(_CONGESTION, _TRUNK, 34, _THROTTLE, "no channel is free", _Q850),
    38: _row(_CONGESTION, _TRUNK, 38, _THROTTLE, "the network is out of order", _Q850),
    41: _row(_CONGESTION, _TRUNK, 41, _THROTTLE, "the network failed for now", _Q850),
    42: _row(_CONGESTION, _TRUNK, 42, _THROTTLE, "the switch has more calls than it takes", _Q850),
    44: _row(_CONGESTION, _TRUNK, 44, _THROTTLE, "no channel is free", _Q850),
    47: _row(_CONGESTION, _TRUNK, 47, _THROTTLE, "the network has no resources for the call", _Q850),
    50: _row(_FAILED, _TRUNK, 50, _REFUND, "a facility is not subscribed to; ask the carrier", _Q850),
    55: _row(_FAILED, _TRUNK, 55, _REFUND, "calls are barred within the user group; ask the carrier", _Q850),
    57: _row(_FAILED, _TRUNK, 57, _REFUND, "such calls are not authorized; ask the carrier", _Q850),
    58: _row(_FAILED, _PROVIDER, 58, _REFUND, "such calls are not possible for now", _Q850),
    65: _row(_FAILED, _PROVIDER, 65, _REFUND, "such calls are not possible", _Q850),
    88: _row(_FAILED, _CALLEE, 88, _END, "the far end is no phone for such calls", _Q850),
}
"""Causes of Reason headers (RFC 3326, section 2). They win over the answer beside them, which gateways make of them by
tables that lose much (RFC 3398, section 7.2.4.1). What is not here (16, 31, 102, 127 and others) says less than the
answer."""

BLOCKED: Final = _row(
    Outcome.REJECTED,
    _CALLEE,
    21,
    _END,
    "a filter of the network blocked the call; the caller id may be taken for spam",
    "ATIS-1000099: 603 with Reason text",
)
BLOCKED_WORDS: Final = re.compile(r"block|spam|robocall|fraud|analytics|scam|nuisance", re.IGNORECASE)
"""What Reason, Warning or the phrase of a 603 say where no person declined."""

CROWDED: Final = _row(
    _CONGESTION, _TRUNK, 42, _THROTTLE, "the trunk says that it gets more calls than it takes", f"{_FIELD}, in words"
)
CROWDED_WORDS: Final = re.compile(
    r"flood|\bcps\b|calls? per second|rate.?limit|too many (?:calls|channels|concurrent|simultaneous)|throttl"
    r"|(?:call|channel|capacity|concurren\w*|port|session)s? (?:limit|exceed|capacity)|limit (?:exceeded|reached)"
    r"|insufficient bandwidth|(?:maximum|max) (?:calls|channels|concurrent|simultaneous)|\bpike\b",
    re.IGNORECASE,
)
"""What Reason, Warning (370 of RFC 3261, section 20.43, too) or the phrase of an answer below 600 say where a flood
protection answered, which may well say 486 or 403."""

LOCAL: Final = {
    "timeout": _row(_FAILED, _TRUNK, 38, _REFUND, "nobody answers at the trunk; see server of this trunk", _OWN),
    "connection": _row(_FAILED, _TRUNK, 38, _REFUND, "no connection to the trunk; see server and transport", _OWN),
    "refused": _row(_FAILED, _TRUNK, 38, _REFUND, "nobody listens at the trunk's port; see server and transport", _OWN),
    "credentials": _row(_FAILED, _TRUNK, 21, _REST, _CREDENTIALS, f"{_RFC3261}.4.2 and 4.8"),
    "ring_timeout": _row(_NO_ANSWER, _CALLEE, 19, _END, "nobody answered within the ring timeout", _OWN),
    "hangup": _row(Outcome.CANCELLED, _US, 16, _END, "the call was taken back", _OWN),
    "former_life": _row(
        Outcome.CANCELLED,
        _US,
        41,
        _END,
        "dialerd was restarted while it rang, or before whoever answered had heard anything",
        _OWN,
    ),
    "no_media": _row(_FAILED, _PROVIDER, 88, _END, _CODEC, "RFC 3264, section 6"),
    "media_failed": _row(_FAILED, _US, 41, _END, "our sound failed; see the daemon's log", _OWN),
    "session_expired": _row(
        Outcome.ANSWERED, _PROVIDER, 102, _END, "it was answered; the far end went away", "RFC 4028, section 10"
    ),
    "max_duration": _row(Outcome.ANSWERED, None, 16, _END, "it was answered, and lasted as long as it may", _OWN),
}
"""What the answer does not say, by `Ending.why`."""

ANSWERED: Final = _row(Outcome.ANSWERED, None, 16, _END, "the call was answered and has ended", f"{_RFC3261}.2.1")

SUSPECT: Final = _row(
    Outcome.ANSWERED, _PROVIDER, 16, _END, "it was answered, and hung up within a second: suspect", _FIELD
)

UNKNOWN: Final = _row(_FAILED, _PROVIDER, None, _REFUND, "the trunk told no end of it", _OWN)
