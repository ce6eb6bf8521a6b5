"""The one table from what a carrier says to what it means for a call and for whose account it goes, with its sources.

Data alone; `dialerd_twilio.verdicts` reads it. `docs/twilio-verdicts.md` is drawn from it.

*Codes* are Twilio's error codes. The same code may refuse a request or be noted for a call that failed; what it is a
matter of decides what either means: that document's first table.

*Statuses of HTTP* speak where a refusal has no code that is known. *SIP* speaks of calls that failed, since Twilio
hands on the final answer of the network (`SipResponseCode` of status callbacks).
"""

from enum import StrEnum
from typing import Final

from attrs import frozen

from dialerd.model.states import AtFault, Outcome
from dialerd_twilio.answers import CallStatus


class Matter(StrEnum):
    """What a code is a matter of."""

    NUMBER = "number"
    REACH = "reach"
    DESTINATION = "destination"
    ACCOUNT = "account"
    CROWD = "crowd"
    REQUEST = "request"


@frozen(kw_only=True)
class Code:
    """A row: an error code of the carrier's.

    Args:
        matter: what it is a matter of.
        means: what it says, and what is to be done about it.
        q850: cause of ITU-T Q.850 that says the same.
        source: where it stands, where that is not Twilio's error dictionary under the code.
    """

    matter: Matter
    means: str
    q850: int
    source: str | None = None


@frozen(kw_only=True)
class Status:
    """A row: a range of HTTP statuses of a refusal.

    Args:
        first, last: the range.
        matter: what it is a matter of; None = the call may have been placed.
        fault: whose doing it is.
        means: what it says, and what is to be done about it.
        source: where it stands.
    """

    first: int
    last: int
    matter: Matter | None
    fault: AtFault
    means: str
    source: str


@frozen(kw_only=True)
class End:
    """A row: how a call ended.

    Args:
        outcome: what is said of it.
        fault: whose doing it is; None = it has no cause, it was an ordinary call.
        q850: cause of ITU-T Q.850.
        means: what it says.
        source: where it stands.
    """

    outcome: Outcome
    fault: AtFault | None
    q850: int | None = None
    means: str
    source: str


def _code(matter: Matter, q850: int, means: str, source: str | None = None) -> Code:
    return Code(matter=matter, q850=q850, means=means, source=source)


_NUMBER, _REACH, _THERE, _ACCOUNT, _CROWD, _OURS = Matter

CODES: Final = {
    # the number
    13223: _code(_NUMBER, 28, "the called number has no valid form"),
    13224: _code(_REACH, 3, "the called number does not exist, or no carrier can deliver to it at the moment"),
    13226: _code(_NUMBER, 28, "the called number has an unknown country code"),
    21202: _code(_NUMBER, 1, "the called number is a premium number"),
    21211: _code(_NUMBER, 28, "the called number is not valid"),
    21214: _code(_REACH, 3, "the called number cannot be reached"),
    21217: _code(_NUMBER, 1, "the called number does not appear to be valid"),
    # where it is
    13225: _code(_THERE, 21, "the carrier blocks this destination; ask its support to open it"),
    13227: _code(_THERE, 21, "the country is not enabled; enable it under Voice Geographic Permissions in the console"),
    21203: _code(_THERE, 21, "international calls are not enabled; enable them in the carrier's console"),
    21215: _code(_THERE, 21, "the country is not enabled; enable it under Voice Geographic Permissions in the console"),
    21216: _code(
        _THERE,
        21,
        "the carrier blocks this destination, or wants a Primary Customer Profile for calls to +1; make the profile "
        "in its Trust Hub, or ask its support",
    ),
    32224: _code(_THERE, 21, "a rule of the region forbids this call; show a number of that region"),
    # the account
    10001: _code(_ACCOUNT, 21, "the account is not active; look at its balance and state in the carrier's console"),
    10002: _code(_ACCOUNT, 21, "a trial account may not do this; upgrade the account"),
    10005: _code(
        _ACCOUNT,
        21,
        "voice calls are disabled for the account; ask the carrier's support",
        "Twilio, Error and Warning Dictionary, 10005",
    ),
    20003: _code(_ACCOUNT, 21, "the credentials are refused; correct account_sid, auth_token or api_key of this trunk"),
    20005: _code(_ACCOUNT, 21, "the account is not active; look at its balance and state in the carrier's console"),
    20006: _code(_ACCOUNT, 21, "access is denied; give the API key the right to create and read calls"),
    20008: _code(_ACCOUNT, 21, "these are test credentials, which place no calls; use those of the live account"),
    20010: _code(_ACCOUNT, 21, "the account may not do this; ask the carrier's support"),
    20403: _code(
        _ACCOUNT, 21, "the account has no permission, it may be suspended or closed; ask the carrier's support"
    ),
    20404: _code(
        _ACCOUNT, 21, "there is no such account; correct account_sid, subaccount_sid or base_url of this trunk"
    ),
    20426: _code(_ACCOUNT, 63, "the carrier wants newer TLS; update Python and OpenSSL on this machine"),
    21210: _code(
        _ACCOUNT,
        21,
        "the shown number is neither the account's nor verified; verify it in the carrier's console, or take it out "
        "of [numbers]",
    ),
    21212: _code(_ACCOUNT, 28, "the shown number is not valid; correct it in [numbers]"),
    21213: _code(_ACCOUNT, 28, "a number to show is missing; give the trunk one in [numbers]"),
    21219: _code(
        _ACCOUNT, 21, "a trial account calls verified numbers only; upgrade the account, or verify the called number"
    ),
    70051: _code(_ACCOUNT, 21, "authorization failed; give the API key the right to create and read calls"),
    90010: _code(_ACCOUNT, 21, "the account is not active; look at its balance and state in the carrier's console"),
    573005: _code(_ACCOUNT, 21, "a trial account calls verified numbers only; upgrade the account"),
    # too much at once
    10004: _code(_CROWD, 34, "the account has as many calls in progress as it may have"),
    22005: _code(_CROWD, 34, "the carrier's queue of calls is full"),
    20429: _code(_CROWD, 42, "the account sends more requests than it may"),
    86008: _code(_CROWD, 34, "the account has as many calls in progress as it may have"),
    # what was asked
    11100: _code(_OURS, 100, "a URL has no valid form; correct the agent's twiml, or url of [callbacks]"),
    11750: _code(_OURS, 100, "the TwiML is longer than 64 kB; shorten what the agent says"),
    12100: _code(_OURS, 100, "the TwiML cannot be read; correct the agent"),
    12200: _code(_OURS, 100, "the TwiML does not follow its schema; correct the agent"),
    20001: _code(_OURS, 100, "a parameter is unknown; this carrier may not know one of Twilio's"),
    20413: _code(_OURS, 100, "the request is too large; shorten what the agent says"),
    20422: _code(_OURS, 100, "a parameter is not valid"),
    20423: _code(_OURS, 100, "an id is not valid; correct account_sid of this trunk"),
    21201: _code(_OURS, 96, "the request names no number to call"),
    21205: _code(_OURS, 100, "a URL is not valid; correct the agent's twiml, or url of [callbacks]"),
    21208: _code(_OURS, 100, "the ring timeout is not valid"),
    21209: _code(_OURS, 100, "a method is not valid"),
    21218: _code(_OURS, 100, "the application is not valid"),
    21234: _code(_OURS, 100, "a setting of the answering-machine detection is not allowed; correct the amd options"),
}
"""Error codes. Source: Twilio's error dictionary, twilio.com/docs/api/errors/CODE, unless another stands in the row."""

_HTTP: Final = "RFC 9110, section 15"

STATUSES: Final = (
    Status(
        first=301,
        last=301,
        matter=Matter.ACCOUNT,
        fault=AtFault.TRUNK,
        means="the API is elsewhere; correct base_url of this trunk",
        source=f"{_HTTP}.4.2: nothing was done, and redirects are not followed",
    ),
    Status(
        first=307,
        last=308,
        matter=Matter.ACCOUNT,
        fault=AtFault.TRUNK,
        means="the API is elsewhere; correct base_url of this trunk",
        source=f"{_HTTP}.4.8 and 15.4.9: nothing was done, and redirects are not followed",
    ),
    Status(
        first=300,
        last=399,
        matter=None,
        fault=AtFault.PROVIDER,
        means="the carrier points elsewhere, and may have placed the call first",
        source=f"{_HTTP}.4.4: 303 follows a request that was carried out",
    ),
    Status(
        first=401,
        last=401,
        matter=Matter.ACCOUNT,
        fault=AtFault.TRUNK,
        means="the credentials are refused; correct account_sid, auth_token or api_key of this trunk",
        source='Twilio, "Twilio\'s response", 401 Unauthorized',
    ),
    Status(
        first=402,
        last=402,
        matter=Matter.ACCOUNT,
        fault=AtFault.TRUNK,
        means="the account has to be paid for",
        source=f"{_HTTP}.5.3; carriers that speak Twilio's API",
    ),
    Status(
        first=404,
        last=405,
        matter=Matter.ACCOUNT,
        fault=AtFault.TRUNK,
        means="the carrier has no such account or address; correct account_sid or base_url of this trunk",
        source='Twilio, "Twilio\'s response", 404 Not Found',
    ),
    Status(
        first=429,
        last=429,
        matter=Matter.CROWD,
        fault=AtFault.TRUNK,
        means="the account sends more requests than it may",
        source="Twilio error 20429: never processed, always safe to send again",
    ),
    Status(
        first=400,
        last=499,
        matter=Matter.DESTINATION,
        fault=AtFault.PROVIDER,
        means="the carrier refused the call",
        source="Twilio error 20422: a refused request is never processed",
    ),
    Status(
        first=500,
        last=599,
        matter=None,
        fault=AtFault.PROVIDER,
        means="the carrier failed, and may have placed the call first",
        source="Twilio error 20500: a call that is asked for again may be placed twice",
    ),
)
"""Statuses of HTTP; the first row that holds one counts."""

_TWILIO_STATUS: Final = 'Twilio, "Call Resource", call status values'
_RFC3398: Final = "RFC 3398, section 8.2.6.1"
_RFC3261: Final = "RFC 3261, section 21"


def _end(outcome: Outcome, fault: AtFault | None, q850: int | None, means: str, source: str) -> End:
    return End(outcome=outcome, fault=fault, q850=q850, means=means, source=source)


_CALLEE, _TRUNK, _PROVIDER, _US = AtFault

ENDS: Final = {
    CallStatus.COMPLETED: _end(Outcome.ANSWERED, None, 16, "the call was answered and has ended", _TWILIO_STATUS),
    CallStatus.BUSY: _end(Outcome.BUSY, _CALLEE, 17, "the line is busy", _TWILIO_STATUS),
    CallStatus.NO_ANSWER: _end(Outcome.NO_ANSWER, _CALLEE, 19, "it rang and nobody answered", _TWILIO_STATUS),
    CallStatus.CANCELED: _end(
        Outcome.CANCELLED, _US, 16, "the call was taken back before it was answered", _TWILIO_STATUS
    ),
    CallStatus.FAILED: _end(
        Outcome.UNREACHABLE,
        _CALLEE,
        3,
        "the call could not be completed; most likely the number is not in use",
        _TWILIO_STATUS,
    ),
    CallStatus.QUEUED: _end(Outcome.FAILED, _PROVIDER, 41, "the carrier never dialled it", _TWILIO_STATUS),
    CallStatus.INITIATED: _end(Outcome.FAILED, _PROVIDER, 41, "the carrier told no end of it", _TWILIO_STATUS),
    CallStatus.RINGING: _end(Outcome.FAILED, _PROVIDER, 41, "the carrier told no end of it", _TWILIO_STATUS),
    CallStatus.IN_PROGRESS: _end(
        Outcome.ANSWERED, None, 16, "it was answered; the carrier told no end of it", _TWILIO_STATUS
    ),
}
"""Ends by the carrier's status alone."""

NETWORK: Final = {
    300: _end(Outcome.FAILED, _PROVIDER, 127, "the number is elsewhere", f"{_RFC3261}.3"),
    400: _end(Outcome.FAILED, _PROVIDER, 41, "the network refused the call", _RFC3398),
    401: _end(Outcome.FAILED, _TRUNK, 21, "the network wants credentials", _RFC3398),
    402: _end(Outcome.FAILED, _TRUNK, 21, "the network wants to be paid", _RFC3398),
    403: _end(Outcome.FAILED, _TRUNK, 21, "the network forbids the call", _RFC3398),
    404: _end(Outcome.INVALID_NUMBER, _CALLEE, 1, "the number is not assigned", _RFC3398),
    405: _end(Outcome.FAILED, _PROVIDER, 63, "the network cannot do this", _RFC3398),
    406: _end(Outcome.FAILED, _PROVIDER, 79, "the far end cannot do this", _RFC3398),
    407: _end(Outcome.FAILED, _TRUNK, 21, "the network wants credentials", _RFC3398),
    408: _end(Outcome.UNREACHABLE, _CALLEE, 102, "the far end did not respond", _RFC3398),
    410: _end(Outcome.INVALID_NUMBER, _CALLEE, 22, "the number is not in use any more", _RFC3398),
    428: _end(Outcome.FAILED, _TRUNK, 21, "the network wants a signed caller id", "RFC 8224, section 6.2.2"),
    436: _end(Outcome.FAILED, _PROVIDER, 21, "the caller id's signature cannot be checked", "RFC 8224, section 6.2.2"),
    437: _end(Outcome.FAILED, _PROVIDER, 21, "the caller id's certificate is not accepted", "RFC 8224, section 6.2.2"),
    438: _end(Outcome.FAILED, _PROVIDER, 21, "the caller id's signature is wrong", "RFC 8224, section 6.2.2"),
    480: _end(Outcome.UNREACHABLE, _CALLEE, 18, "the phone cannot be reached now", _RFC3398),
    482: _end(Outcome.FAILED, _PROVIDER, 25, "the call went round in a circle", _RFC3398),
    483: _end(Outcome.FAILED, _PROVIDER, 25, "the call went over too many hops", _RFC3398),
    484: _end(Outcome.INVALID_NUMBER, _CALLEE, 28, "the number is not complete", _RFC3398),
    485: _end(Outcome.INVALID_NUMBER, _CALLEE, 1, "the number is ambiguous", _RFC3398),
    486: _end(Outcome.BUSY, _CALLEE, 17, "the line is busy", _RFC3398),
    487: _end(Outcome.NO_ANSWER, _CALLEE, 19, "it was ended before anybody answered", f"{_RFC3261}.4.25"),
    488: _end(Outcome.FAILED, _PROVIDER, 88, "the far end takes no such call", f"{_RFC3261}.4.26"),
    500: _end(Outcome.FAILED, _PROVIDER, 41, "the network failed", _RFC3398),
    501: _end(Outcome.FAILED, _PROVIDER, 79, "the network cannot do this", _RFC3398),
    502: _end(Outcome.FAILED, _PROVIDER, 38, "the network is out of order", _RFC3398),
    503: _end(Outcome.CONGESTION, _TRUNK, 34, "the network is overloaded, or out of service", f"{_RFC3261}.5.4"),
    504: _end(Outcome.FAILED, _PROVIDER, 102, "the network did not respond", _RFC3398),
    580: _end(Outcome.FAILED, _PROVIDER, 47, "the network has no resources for the call", "RFC 3312, section 8"),
    600: _end(Outcome.BUSY, _CALLEE, 17, "every line is busy", _RFC3398),
    603: _end(Outcome.REJECTED, _CALLEE, 21, "the call was declined", _RFC3398),
    604: _end(Outcome.INVALID_NUMBER, _CALLEE, 1, "the number exists nowhere", _RFC3398),
    606: _end(Outcome.FAILED, _PROVIDER, 88, "the far end takes no such call", f"{_RFC3261}.6.4"),
    607: _end(Outcome.REJECTED, _CALLEE, 21, "the called person does not want such calls", "RFC 8197, section 3"),
    608: _end(
        Outcome.REJECTED, _CALLEE, 21, "a filter on the called person's side rejected the call", "RFC 8688, section 3"
    ),
}
"""Final answers of the network. One that is not here counts as the first of its hundred (RFC 3261, section 8.1.3.2)."""

OVERRIDES: Final = {
    CallStatus.BUSY: frozenset({600, 603, 607, 608}),
    CallStatus.NO_ANSWER: frozenset({486, 600, 603, 607, 608}),
}
"""Statuses that say less than the network's answer beside them: a call that was declined may be told as busy."""

FAX: Final = _end(Outcome.FAILED, _CALLEE, 88, "a fax machine answered", "Q.850: incompatible destination")
MACHINE: Final = _end(
    Outcome.VOICEMAIL, None, 16, "an answering machine answered", 'Twilio, "Answering Machine Detection", AnsweredBy'
)
