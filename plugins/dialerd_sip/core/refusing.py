"""What a request is refused with before anybody asks what it is about, and which answers are dropped unread.

The order is that of RFC 3261 section 8.2. Knows nothing of dialogs and transactions: whoever calls it sends what it
returns.
"""

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.headers import content_type, max_forwards
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.phrases import PHRASES
from dialerd_sip.core.sdp import SDP
from dialerd_sip.core.uri import Uri

# IANA's registry of SIP methods: what is here and not spoken gets 405, other methods 501 (RFC 3261, 8.2.1, 21.5.2).
SPOKEN = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "PRACK", "NOTIFY")
METHODS = frozenset((*SPOKEN, "MESSAGE", "PUBLISH", "REFER", "REGISTER", "SUBSCRIBE"))
EXTENSIONS = ("timer", "100rel")
ALLOW = ", ".join(SPOKEN)
"""What a far end may ask for, the same everywhere. PRACK is among them, though nothing of ours waits for one: there are
trunks that send reliable provisional answers only to whoever names it beside `100rel`."""
SUPPORTED = ", ".join(EXTENSIONS)


def refusal(request: Request) -> Response | None:
    """Return what a request must be answered with whatever it is about, or None where it can be looked at.

    Max-Forwards of 0 is no reason: who does not forward answers as ever (RFC 4475 section 3.3.11). The answer has no
    To tag yet.

    Args:
        request: a request that was parsed.

    Raises:
        BadMessage: an ACK that cannot be used: it is dropped, since an ACK is never answered.
    """
    try:
        refused = _refused(request)
    except BadMessage as bad:
        if request.method == "ACK":
            raise
        return answer_to(bad, request)
    if refused is not None and request.method == "ACK":
        raise BadMessage("an ACK that would be refused")
    return refused


def answer_to(bad: BadMessage, request: Request | None = None) -> Response | None:
    """Return the answer to a request that could not be read, or None where none can or may be given.

    Args:
        bad: what was raised.
        request: what it was raised for, where the error does not hold it.
    """
    request = bad.partial or request
    if bad.status is None or request is None or request.method == "ACK" or request.first("Via") is None:
        return None
    status = bad.status
    detail = f" ({bad.reason})" if status == 400 else ""
    return Response.to_request(request, status, PHRASES.get(status, "Refused") + detail)


def dropped(response: Response) -> str | None:
    """Return why an answer is dropped before it is matched to a transaction, or None.

    It cannot be read where it must be, or it has more than one Via and is meant for somebody else (RFC 3261, 8.1.3.3).
    """
    try:
        if response.has_more("Via"):
            return "more than one Via"
        _ = (response.via, response.cseq, response.call_id, response.from_, response.to)  # each is read
    except BadMessage as bad:
        return bad.reason
    return None


def _refused(request: Request) -> Response | None:
    if request.first("Via") is None:
        raise BadMessage("no Via", 400)
    if request.method not in METHODS:
        return _answer(request, 501, ("Allow", ALLOW))
    _check_required(request)
    if request.method not in SPOKEN:
        return _answer(request, 405, ("Allow", ALLOW))
    scheme = request.uri.partition(":")[0].lower()
    if scheme not in ("sip", "sips", "tel"):
        return _answer(request, 416)
    if request.method not in ("ACK", "CANCEL"):  # RFC 3261 section 8.2.2.3
        unknown = [tag for tag in request.values("Require") if tag.lower() not in EXTENSIONS]
        if unknown:
            return _answer(request, 420, ("Unsupported", ", ".join(unknown)))
    if request.method in ("INVITE", "UPDATE", "PRACK") and request.body and not _readable(request):
        return _answer(request, 415, ("Accept", SDP))
    if request.method == "INVITE" and not _sdp_accepted(request):
        return _answer(request, 406)
    return None


def _check_required(request: Request) -> None:
    """Read what every request must have; Max-Forwards and a From tag are missing in RFC 2543's (RFC 4475, 3.4.1)."""
    if Uri.parse(request.uri).headers is not None:
        raise BadMessage("a Request-URI with headers", 400)  # RFC 3261 section 19.1.1
    _ = (request.via, request.call_id, request.contact)  # each is read, and raises where it cannot be
    for address in (request.from_, request.to):
        if address.uri[:3].lower() == "sip":
            Uri.parse(address.uri)
    if request.cseq.method != request.method:
        raise BadMessage("CSeq is of another method", 400)
    if max_forwards(request) is not None:
        request.only("Max-Forwards")


def _readable(request: Request) -> bool:
    kind = content_type(request)
    optional = "handling=optional" in (request.first("Content-Disposition") or "").replace(" ", "").lower()
    encoding = (request.first("Content-Encoding") or "identity").lower()
    if encoding != "identity":
        return optional
    return optional or kind is None or kind.media == SDP or kind.media.startswith("multipart/")


def _sdp_accepted(request: Request) -> bool:
    accepted = request.values("Accept")
    kinds = {value.partition(";")[0].strip().lower() for value in accepted}
    return not kinds or bool(kinds & {SDP, "application/*", "*/*"})


def _answer(request: Request, status: int, *headers: tuple[str, str]) -> Response:
    answer = Response.to_request(request, status, PHRASES[status])
    for name, value in headers:
        answer.add(name, value)
    return answer
