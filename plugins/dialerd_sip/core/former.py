"""A call of a former life, taken back: every INVITE that may still ring is cancelled, a dialog that may be up is ended.

What proves what (RFC 3261 sections 9, 13.3, 15):

- any final answer to one of its INVITEs proves that it was placed, 487 too: the far end had it;
- a 2xx that comes is acknowledged, and its dialog ended by a BYE;
- an answer to a CANCEL proves nothing: 481 says that the INVITE never came, or was over long ago, and 2xx that the far
  end had it, though it may have refused it by then; where it had not, its 487 follows;
- what is answered to a BYE adds nothing: an established dialog that is known proves that the call was placed.

Knows nothing of attempts and agents; what it finds out is told by one `FormerTold`.
"""

from typing import Final

from attrs import frozen

from dialerd_sip.core.dialog import Dialog, tag_in
from dialerd_sip.core.digest import Authenticator, Credentials
from dialerd_sip.core.events import DialogState, Ender, Ending, FormerTold, Sent
from dialerd_sip.core.farewell import Farewell
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.message import BadMessage, Request, Response
from dialerd_sip.core.timing import Timer
from dialerd_sip.core.transactions import ClientTransaction, ServerTransaction
from dialerd_sip.core.ua import UserAgent

_CSEQ_STEP: Final = 1_000
"""How far a BYE's CSeq is beyond the last one that is known: refreshes of the former life have counted on, and the far
end takes any higher number (RFC 3261 section 12.2.2)."""

_STRAYS: Final = 1.5
"""For how many T2 a 2xx is still waited for when all else was answered: the far end sends it again every T2 until it
is acknowledged (RFC 3261 section 13.3.1.4)."""

_REFUSALS: Final = 3
"""The same for the 487 of an INVITE whose CANCEL was taken: RFC 3261 section 17.2.1, timer G."""

_WHY: Final = "former_life"
_REASONS: Final = ('SIP;cause=503;text="the dialer was restarted"',)


@frozen(kw_only=True)
class FormerCall:
    """What is known of a call of a former life.

    Args:
        seed: the attempt's id.
        call_id: its Call-ID.
        from_: value of its From, with tag.
        to: value of its To, without tag.
        sent: the INVITEs that may have left, in order.
        contact: our Contact.
        sent_by: host and port of our Via.
        dialog: its dialog, where one was reached, early or established.
        answered: whether that dialog is established.
        credentials: what challenges are answered with, or None.
    """

    seed: str
    call_id: str
    from_: str
    to: str
    sent: tuple[Sent, ...]
    contact: str
    sent_by: str
    dialog: DialogState | None = None
    answered: bool = False
    credentials: Credentials | None = None


class Former:
    """Takes one call of a former life back.

    Args:
        ua: the user agent.
        call: what is known of it.
        now: the instant.
    """

    def __init__(self, ua: UserAgent, call: FormerCall, now: float) -> None:
        self._ua = ua
        self._call = call
        self._invites: list[ClientTransaction] = []
        self._farewells: dict[str, Farewell] = {}  # by the far end's tag
        self._ending: Ending | None = None
        self._heard = False
        self._over = False
        self._open = 0  # requests whose final answer is awaited
        self._timer: Timer | None = None
        ua.adopt(call.call_id, self)
        if call.answered and call.dialog is not None:
            self._ending = Ending(ender=Ender.US, answered=True, rang=True, why=_WHY)
            state = call.dialog
            dialog = Dialog(
                seed=call.seed,
                state=state,
                call_id=call.call_id,
                contact=call.contact,
                sent_by=call.sent_by,
                invite_flow=state.flow,
            )
            dialog.local_cseq += _CSEQ_STEP
            self._end(dialog, now)
            return
        for sent in call.sent:
            invite = ua.transactions.resume(self._invite(sent), sent.flow, self, now)
            self._invites.append(invite)
            self._open += 1
            ua.transactions.cancel(invite, now, reasons=_REASONS, owner=_Cancel(self, invite))

    # what is said to the INVITEs

    def answered(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take an answer to an INVITE."""
        self._heard = True
        if response.status < 200:
            return
        if response.status < 300:
            self._accept(transaction.request, response, transaction.flow, now)
        elif self._ending is None:
            ours = response.status == 487
            self._ending = Ending(
                ender=Ender.US if ours else Ender.NETWORK,
                status=response.status,
                phrase=response.phrase,
                reasons=tuple(response.values("Reason")),
                rang=True,  # nobody knows; whoever may have been rung is not rung again as if nothing had been
                why=_WHY,
            )
        self._closed(transaction, now)

    def unanswered(self, transaction: ClientTransaction, _why: str, now: float) -> None:
        """Take it that an INVITE gets no final answer any more."""
        self._closed(transaction, now)

    def cancelled(self, invite: ClientTransaction, response: Response | None, now: float) -> None:
        """Take the final answer to a CANCEL, or that none comes.

        After a 2xx the INVITE gets its final answer, which may have been lost on the way; unless it had one before.
        """
        if response is not None:
            self._heard = True
            if response.status < 300:
                patience = _REFUSALS * self._ua.timing.t2
                self._ua.timers.at(now + patience, lambda then: self._closed(invite, then))
                return
        self._closed(invite, now)

    # what the user agent routes here

    def asked(self, transaction: ServerTransaction, now: float) -> None:
        """Answer the far end: a BYE ends what it believes to be up, anything else is refused."""
        request = transaction.request
        if request.method != "BYE":
            transaction.answer(Response.to_request(request, 481, "Call/Transaction Does Not Exist"), now)
            return
        self._heard = True
        transaction.answer(Response.to_request(request, 200, "OK"), now)
        self._ending = Ending(ender=Ender.CALLEE, answered=True, rang=True, why=_WHY)
        farewell = self._farewells.pop(tag_in(request, of="from"), None)
        if farewell is not None:
            farewell.stop()
            self._done(now)

    def concerns(self, request: Request) -> bool:
        """Whether a request of an unknown source knows the tag that the former life drew."""
        return f";tag={tag_in(request, of='to')}" in self._call.from_

    def acknowledged(self, _request: Request, _flow: Flow, _now: float) -> None:
        """Take an ACK: there is nothing of ours that one could be for."""

    def stray(self, response: Response, flow: Flow, now: float) -> None:
        """Take a 2xx that matches no INVITE that is known: it has this Call-ID, and so it is this call's."""
        self._heard = True
        invite = Request("INVITE", self._call.sent[-1].uri, self._headers(response.cseq.number))
        self._accept(invite, response, flow, now)

    # how it ends

    def _accept(self, invite: Request, response: Response, flow: Flow, now: float) -> None:
        """Acknowledge a 2xx, and end its dialog, once."""
        call = self._call
        try:
            dialog = Dialog.answered(call.seed, invite, response, flow, contact=call.contact, sent_by=call.sent_by)
            ack, towards = dialog.request("ACK", response.cseq.number)
        except BadMessage:
            return  # it cannot be acknowledged, and the far end gives it up: RFC 3261 section 13.3.1.4
        self._ua.send(ack.to_bytes(), towards)
        self._ending = Ending(ender=Ender.US, status=response.status, answered=True, rang=True, why=_WHY)
        if dialog.remote_tag not in self._farewells:
            dialog.local_cseq += _CSEQ_STEP
            self._end(dialog, now)

    def _end(self, dialog: Dialog, now: float) -> None:
        authenticator = Authenticator(self._call.credentials)
        farewell = Farewell(self._ua, dialog, authenticator, _REASONS, self._said_goodbye)
        self._farewells[dialog.remote_tag] = farewell
        self._open += 1
        farewell.send(now)

    def _said_goodbye(self, now: float) -> None:
        self._heard = self._heard or any(farewell.heard for farewell in self._farewells.values())
        self._done(now)

    def _closed(self, invite: ClientTransaction, now: float) -> None:
        """Count an INVITE as answered for good; a 2xx of it may still be sent again."""
        if invite in self._invites:
            self._invites.remove(invite)
            self._done(now)

    def _done(self, now: float) -> None:
        self._open -= 1
        if self._over or self._open > 0:
            return
        if self._ending is not None or not self._heard:
            self._finish(now)
        elif self._timer is None:
            self._timer = self._ua.timers.at(now + _STRAYS * self._ua.timing.t2, self._finish)

    def _finish(self, now: float) -> None:
        if self._over or self._open > 0:  # a 2xx came meanwhile, whose BYE is on its way
            return
        self._over = True
        self._ua.release(self._call.call_id)
        placed = True if self._ending is not None else None
        self._ua.emit(FormerTold(call_id=self._call.call_id, placed=placed, heard=self._heard, ending=self._ending))

    def _invite(self, sent: Sent) -> Request:
        """Return as much of an INVITE of the former life as its CANCEL and its answers need."""
        routes = [("Route", route) for route in sent.routes]
        return Request("INVITE", sent.uri, [("Via", sent.via), *routes, *self._headers(sent.cseq)])

    def _headers(self, cseq: int) -> list[tuple[str, str]]:
        call = self._call
        own = [("Max-Forwards", "70"), ("From", call.from_), ("To", call.to), ("Call-ID", call.call_id)]
        return [*own, ("CSeq", f"{cseq} INVITE")]


class _Cancel:
    """The owner of a CANCEL."""

    def __init__(self, former: Former, invite: ClientTransaction) -> None:
        self._former = former
        self._invite = invite

    def answered(self, _transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take an answer."""
        if response.status >= 200:
            self._former.cancelled(self._invite, response, now)

    def unanswered(self, _transaction: ClientTransaction, _why: str, now: float) -> None:
        """Take it that none comes."""
        self._former.cancelled(self._invite, None, now)
