"""A call of a former life, taken back: every INVITE that may still ring is cancelled, a dialog that may be up is ended.

What is waited for (RFC 3261 sections 9, 13.3, 15; what it proves: `core.former_proof`):

- the final answer to each INVITE, 487 where its CANCEL came in time. A 2xx is acknowledged, and its dialog ended by a
  BYE;
- the answer to a CANCEL, which proves nothing: 481 says that the INVITE never came, or was over long ago, and 2xx that
  the far end had it, though it may have refused it by then; where it had not, its 487 follows;
- the answer to a BYE. An early dialog may be up by now: where it was on the disk, the ACK to an answer left at once,
  and a kill in the next fifth of a second took away that there was one. So it gets a BYE as well, where no final answer
  comes.

The INVITEs to one place went one after the other: the next one left when the one before had its final answer, and none
left after an answer that is no challenge, redirection or failover. So one that is answered like that now was the last
there, and those before it are over: none of them is waited for. Other places speak for themselves: one that was silent
until the next was tried may ring by now.

Some proxies drop a CANCEL of what they do not know without an answer, and wait long where a BYE's far end is gone.
Where nothing is heard, the far end is asked by OPTIONS whether it is there; if so, a few more repetitions are waited
for and no more, and what is left of them goes on by itself, as does hanging up on whoever still answers.

Knows nothing of attempts and agents; what it finds out is told by one `FormerTold`.
"""

from typing import Final

from dialerd_sip.core.dialog import Dialog, tag_in
from dialerd_sip.core.events import DialogState, Ender, FormerTold
from dialerd_sip.core.farewell import Farewell
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.former_call import FormerCall
from dialerd_sip.core.former_partings import REASONS, FormerPartings
from dialerd_sip.core.former_proof import FormerProof, goes_on
from dialerd_sip.core.message import BadMessage, Request, Response
from dialerd_sip.core.presence import ask
from dialerd_sip.core.timing import Timer
from dialerd_sip.core.transactions import ClientTransaction, ServerTransaction
from dialerd_sip.core.ua import UserAgent

_STRAYS: Final = 1.5
"""For how many T2 a 2xx is still waited for when all else was answered: the far end sends it again every T2 until it
is acknowledged (RFC 3261 section 13.3.1.4)."""

_DOUBT_T1: Final = 3
"""T1s after which a far end that has said nothing is asked whether it is there: three requests went out by then."""

_GRACE_T1: Final = 7
"""T1s for which one that is there may still answer a CANCEL: another one goes out, and a 2xx comes again every T2."""

_PARTING_T1: Final = 2
"""The same for a BYE, whose answer proves nothing; proxies wait long for a far end that has forgotten the call."""

_EARLY_T1: Final = 2
"""T1s for which the 487 of an INVITE whose CANCEL was taken is waited for until its early dialog is ended by a BYE."""

_REFUSALS: Final = 3
"""For how many T2 that 487 is waited for at all: RFC 3261 section 17.2.1, timer G."""


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
        self._proof = FormerProof(call)
        self._tag = call.tag
        self._invites: dict[ClientTransaction, ClientTransaction | None] = {}  # that are awaited, with their CANCELs
        self._silent: set[ClientTransaction] = set()  # to whose CANCEL nothing was said
        self._began = now
        self._resumed: list[ClientTransaction] = []
        self._partings = FormerPartings(ua, call.credentials, self._said_goodbye)
        self._heard = False
        self._over = False
        self._open = 0  # requests whose final answer is awaited
        self._timer: Timer | None = None
        self._early: DialogState | None = None  # that is to be ended, where no final answer says that it is over
        self._doubtful: Farewell | None = None  # the one that ends it
        ua.adopt(call.call_id, self)
        ua.timers.at(now + _DOUBT_T1 * ua.timing.t1, self._ask)
        if call.established is not None:
            self._end_known(call.established, now)
            return
        self._early = call.dialog
        for sent in call.sent:
            invite = ua.transactions.resume(call.invite(sent), sent.flow, self, now)
            self._resumed.append(invite)
            self._silent.add(invite)
            self._open += 1
            self._invites[invite] = ua.transactions.cancel(invite, now, REASONS, _Cancel(self, invite))

    # what is said to the INVITEs

    def answered(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take an answer to an INVITE."""
        self._heard = True
        self._silent.discard(transaction)
        if response.status < 200:
            return
        if response.status < 300:
            self._accept(transaction.request, response, transaction.flow, now)
        else:
            self._proof.refused(response, transaction.flow)
        if not goes_on(response.status):
            for other in tuple(self._invites):
                if other is not transaction and other.flow == transaction.flow:
                    self._close_quietly(other, now)
        self._closed(transaction, now)

    def _close_quietly(self, invite: ClientTransaction, now: float) -> None:
        """Ask nothing more about an INVITE that cannot be open, or never was."""
        cancel = self._invites[invite]
        if cancel is not None:
            cancel.stop()
        self._closed(invite, now)

    def unanswered(self, transaction: ClientTransaction, _why: str, now: float) -> None:
        """Take it that an INVITE gets no final answer any more."""
        self._closed(transaction, now)

    def cancelled(self, invite: ClientTransaction, response: Response | None, now: float) -> None:
        """Take the final answer to a CANCEL, or that none comes.

        After a 2xx the INVITE gets its final answer, which may have been lost on the way; unless it had one before.
        """
        self._silent.discard(invite)
        if response is not None:
            self._heard = True
            if response.status < 300:
                patience = _REFUSALS * self._ua.timing.t2
                self._ua.timers.at(now + patience, lambda then: self._closed(invite, then))
                self._ua.timers.at(now + _EARLY_T1 * self._ua.timing.t1, self._end_early)
                return
        self._closed(invite, now)

    # whether anybody is there

    def _ask(self, now: float) -> None:
        """Ask those who have said nothing whether they are there."""
        flows = {invite.flow for invite in self._silent if invite in self._invites}
        for flow in flows | self._partings.silent:
            ask(self._ua, self._call.question(flow), flow, self._is_there, now)

    def _is_there(self, flow: Flow, now: float) -> None:
        """Take it that a far end answers, and may still answer a CANCEL for a while."""
        t1 = self._ua.timing.t1
        self._ua.timers.at(now + _PARTING_T1 * t1, lambda then: self._parted(flow, then))
        self._ua.timers.at(now + _GRACE_T1 * t1, lambda then: self._nothing_known(flow, then))

    def _parted(self, flow: Flow, now: float) -> None:
        """Wait no longer for the answer to a BYE."""
        self._heard = True
        self._partings.give_up(flow, now)

    def _nothing_known(self, flow: Flow, now: float) -> None:
        """Take it that a far end that is there knows nothing of an INVITE of which it says nothing."""
        self._heard = True
        for invite in tuple(self._invites):
            if invite.flow == flow and invite in self._silent:
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
        self._proof.picked_up(Ender.CALLEE)
        self._partings.left(tag_in(request, of="from"), now)

    def concerns(self, request: Request) -> bool:
        """Whether a request of an unknown source knows the tag that the former life drew."""
        return tag_in(request, of="to") == self._tag != ""

    def acknowledged(self, _request: Request, _flow: Flow, _now: float) -> None:
        """Take an ACK: there is nothing of ours that one could be for."""

    def stray(self, response: Response, flow: Flow, now: float) -> bool:
        """Take a 2xx that matches no INVITE that is known: with this Call-ID and our tag it is this call's."""
        if tag_in(response, of="from") != self._tag:
            return False
        self._heard = True
        self._accept(self._call.unknown_invite(response.cseq.number), response, flow, now)
        return True

    # how it ends

    def _accept(self, invite: Request, response: Response, flow: Flow, now: float) -> None:
        """Acknowledge a 2xx, and end its dialog, once."""
        call = self._call
        try:
            dialog = Dialog.answered(call.seed, invite, response, flow, contact=call.contact, sent_by=call.sent_by)
            ack, towards = dialog.request("ACK", response.cseq.number)
        except BadMessage:
            return  # it cannot be acknowledged, and the far end gives it up: RFC 3261 section 13.3.1.4
        begun = self._partings.begun(dialog.remote_tag)
        if begun or not self._partings.full:
            self._ua.send(ack.to_bytes(), towards)
        self._proof.picked_up(status=response.status)
        if not begun and not self._partings.full:
            self._end(dialog, flow, now)

    def _end_early(self, now: float) -> None:
        """End the early dialog that is known, unless it is over: RFC 3261 section 15 lets callers do so."""
        state, self._early = self._early, None
        if state is None or self._over or self._proof.settled or self._partings.begun(state.remote_tag):
            return
        self._doubtful = self._end_known(state, now)
        self._ua.timers.at(now + _PARTING_T1 * self._ua.timing.t1, lambda then: self._parted(state.flow, then))

    def _end_known(self, state: DialogState, now: float) -> Farewell:
        return self._end(self._call.dialog_of(state), state.flow, now)

    def _end(self, dialog: Dialog, flow: Flow, now: float) -> Farewell:
        self._open += 1
        return self._partings.end(dialog, flow, now)

    def _said_goodbye(self, farewell: Farewell, flow: Flow | None, now: float) -> None:
        """Take the answer to a BYE, or that it is waited for no longer."""
        self._heard = self._heard or farewell.heard
        if farewell is self._doubtful and farewell.taken and not self._proof.settled:
            self._proof.picked_up()
            for invite in tuple(self._invites):
                if invite.flow == flow:
                    self._close_quietly(invite, now)
        if flow is not None:
            self._done(now)

    def _closed(self, invite: ClientTransaction, now: float) -> None:
        """Count an INVITE as answered for good; a 2xx of it may still be sent again."""
        if invite in self._invites:
            del self._invites[invite]
            self._done(now)

    def _done(self, now: float) -> None:
        self._open -= 1
        if self._open == 0 and self._heard:
            self._end_early(now)
        if self._over or self._open > 0:
            return
        if self._proof.ending is not None or not self._heard:
            self._finish(now)
        elif self._timer is None:
            self._timer = self._ua.timers.at(max(now, self._began + _STRAYS * self._ua.timing.t2), self._finish)

    def _finish(self, now: float) -> None:
        if self._over or self._open > 0:  # a 2xx came meanwhile, whose BYE is on its way
            return
        self._over = True
        for invite in self._resumed:
            if invite.open:  # its CANCEL was answered, or not, and nothing more may ever come of it
                invite.stop()
        self._ua.release(self._call.call_id, self._tag)
        call_id, ending = self._call.call_id, self._proof.ending
        placed = None if ending is None else True
        self._ua.emit(FormerTold(call_id=call_id, placed=placed, heard=self._heard, ending=ending))


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
