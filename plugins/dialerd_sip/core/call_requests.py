"""What a far end asks within a dialog of a call, and what it is answered (RFC 3261 section 12.2.2, 14.2; RFC 3311)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dialerd_sip.core.call_answered import Answered
from dialerd_sip.core.call_keys import KINDS, keys_in
from dialerd_sip.core.call_leg import Leg
from dialerd_sip.core.call_media import description_in
from dialerd_sip.core.call_refresh import SHORTEST, session_in
from dialerd_sip.core.events import KeysPressed, MediaChanged
from dialerd_sip.core.headers import option_tags
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.phrases import PHRASES
from dialerd_sip.core.refusing import ALLOW, SUPPORTED
from dialerd_sip.core.sdp import SDP, BadDescription
from dialerd_sip.core.transactions import ServerTransaction

if TYPE_CHECKING:
    from dialerd_sip.core.call import Call


def reply(transaction: ServerTransaction, status: int, now: float, headers: Sequence[tuple[str, str]] = ()) -> None:
    """Answer a request without more ado."""
    transaction.answer(response_to(transaction.request, status, headers), now)


def response_to(request: Request, status: int, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> Response:
    """Return the answer to a request."""
    response = Response.to_request(request, status, PHRASES[status], body=body)
    response.extend(headers)
    if body:
        response.extend((("Content-Type", SDP),))
    return response


class Asked:
    """One request of the far end.

    Args:
        call: the call.
        leg: the leg that it belongs to.
        answered: the call as an answered one, or None while it is not.
    """

    __slots__ = ("_answered", "_call", "_leg")

    def __init__(self, call: "Call", leg: Leg, answered: Answered | None) -> None:
        self._call = call
        self._leg = leg
        self._answered = answered

    def take(self, transaction: ServerTransaction, now: float) -> None:
        """Answer it.

        Raises:
            BadMessage: it cannot be read.
        """
        request = transaction.request
        if not self._leg.dialog.in_order(request):
            reply(transaction, 500, now)  # RFC 3261 section 12.2.2: one that was sent later has come before
        else:
            _METHODS[request.method](self, transaction, now)  # others were refused before: `refusing.SPOKEN`

    # what changes the session

    def _modify(self, transaction: ServerTransaction, now: float) -> None:
        """Take a re-INVITE or an UPDATE."""
        request, answered, leg = transaction.request, self._answered, self._leg
        invites = request.method == "INVITE"
        body = description_in(request)
        glare = answered is not None and (answered.refreshing.inviting or answered.offering is not None)
        if (answered is None and (invites or leg.media.agreed is None)) or (glare and (invites or body is not None)):
            reply(transaction, 491, now)  # RFC 3261 section 14.2, RFC 3311 section 5.2
            return
        takes_timer = "timer" in option_tags(request, "Supported") + option_tags(request, "Require")
        session = session_in(request)
        if session is not None and session.seconds < SHORTEST and takes_timer:
            reply(transaction, 422, now, [("Min-SE", str(SHORTEST))])  # RFC 4028 section 9
            return
        before = leg.media.agreed
        ours = b""
        try:
            if body is not None:
                ours = leg.media.take_offer(body)
            elif invites:
                ours = leg.media.offer_anew()
        except BadDescription as refused:
            reason = "".join(letter for letter in str(refused) if letter.isalnum() or letter in " ,.:;-")
            reply(transaction, 488, now, [("Warning", f'399 dialerd "{reason}"')])
            return
        leg.dialog.learn_target(request)
        leg.learn(request)
        headers = [("Contact", leg.dialog.contact), ("Allow", ALLOW), ("Supported", "timer")]
        if answered is None:
            transaction.answer(response_to(request, 200, headers, ours), now)
            if leg.media.agreed is not None and leg.media.agreed != before:
                self._call.emit(MediaChanged(call_id=self._call.call_id, media=leg.media.agreed))
            return
        headers += answered.refreshing.serve(request, takes_timer, now)
        if invites and body is None:
            answered.offering = request.cseq.number
        if invites:
            transaction.answer(response_to(request, 200, headers, ours), now, answered.unacknowledged)
        else:
            transaction.answer(response_to(request, 200, headers, ours), now)
        if body is not None:
            answered.tell_change(before)

    # what does not

    def _tell_keys(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        keys = keys_in(request)
        if keys is not None:
            reply(transaction, 200, now)
            if keys:
                self._call.emit(KeysPressed(call_id=self._call.call_id, digits=keys))
        elif request.first("Info-Package") is not None:
            reply(transaction, 469, now, [("Recv-Info", "")])  # RFC 6086 section 4.2.2
        elif request.body.strip():
            reply(transaction, 415, now, [("Accept", ", ".join(KINDS))])
        else:
            reply(transaction, 200, now)  # RFC 6086 section 4.2.2: a legacy one that asks whether we are there

    def _say_options(self, transaction: ServerTransaction, now: float) -> None:
        reply(transaction, 200, now, [("Allow", ALLOW), ("Accept", SDP), ("Supported", SUPPORTED)])

    def _no_subscription(self, transaction: ServerTransaction, now: float) -> None:
        """Answer a NOTIFY: nobody subscribed; of packages other than REFER's own we know none (RFC 6665, 4.1.3)."""
        event = (transaction.request.first("Event") or "").partition(";")[0].strip().lower()
        reply(transaction, 481 if event == "refer" else 489, now)

    def _nothing_to_acknowledge(self, transaction: ServerTransaction, now: float) -> None:
        reply(transaction, 481, now)  # RFC 3262 section 3: no provisional answer of ours waits for a PRACK


_METHODS: Final = {
    "INVITE": Asked._modify,
    "UPDATE": Asked._modify,
    "INFO": Asked._tell_keys,
    "OPTIONS": Asked._say_options,
    "NOTIFY": Asked._no_subscription,
    "PRACK": Asked._nothing_to_acknowledge,
}
