"""An outbound call, from its first INVITE to its one `CallOver`. Knows nothing of where its messages travel.

    Inviting    until the final answer: targets, challenges, forks, CANCEL          (`call_inviting`)
    Answered    from the 2xx to the BYE: what the far end asks, session timer       (`call_answered`, `call_requests`,
                                                                                     `call_refresh`)

Exactly one `CallOver` is told, and nothing after it. By then the call has let go of the user agent, of its timers and
of its transactions, but for those that only clean up: BYEs to forks, refusals that may come again.
"""

import weakref
from collections.abc import Sequence

from msgspec.structs import replace

from dialerd_sip.core.call_answered import REASON_CLEARING, Answered
from dialerd_sip.core.call_inviting import Inviting
from dialerd_sip.core.call_leg import Leg
from dialerd_sip.core.call_media import description_in
from dialerd_sip.core.call_requests import Asked, reply
from dialerd_sip.core.dialog import tag_in
from dialerd_sip.core.digest import Authenticator
from dialerd_sip.core.events import CallOver, Ender, Ending, Established, Event
from dialerd_sip.core.farewell import Farewell
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.headers import reason_values, retry_after
from dialerd_sip.core.late import Late
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.plan import CallPlan
from dialerd_sip.core.sdp import BadDescription, Negotiated
from dialerd_sip.core.transactions import ServerTransaction
from dialerd_sip.core.ua import UserAgent

_BY_THE_CALLEE = frozenset((480, 486, 600, 603, 607))
"""Refusals that stand for a person or their phone; all others come from the network (RFC 3261 21.4.18, 21.6; 8197)."""


class Call:
    """An outbound call; making one sends its INVITE.

    Args:
        ua: the user agent.
        plan: what it is to be.
        now: the instant.

    Attributes:
        call_id: its Call-ID.
        authenticator: answers all its challenges.
        rang: whether anything told that it rings.
        progressed: whether anything but 100 was heard, so that no further INVITE may leave.
        tried: how many targets got an INVITE.
        over: whether it is over.
    """

    __slots__ = (
        "__weakref__", "_answered", "_ending", "_inviting", "_late", "_parting", "_plan", "_tag", "authenticator",
        "call_id", "over", "progressed", "rang", "tried", "ua",
    )  # fmt: skip

    def __init__(self, ua: UserAgent, plan: CallPlan, now: float) -> None:
        self.ua = ua
        self.call_id = plan.call_id
        self.authenticator = Authenticator(plan.credentials, plan.nonces)
        self.rang = False
        self.progressed = False
        self.tried = 0
        self.over = False
        self._plan: CallPlan | None = plan
        self._answered: Answered | None = None
        self._parting: Farewell | None = None
        self._ending: Ending | None = None
        self._late: weakref.ref[Inviting] | None = None
        inviting = Inviting(self, plan)
        self._inviting: Inviting | None = inviting
        self._tag = inviting.tag
        ua.adopt(plan.call_id, self)
        inviting.start(now)

    # what drivers ask for

    def hang_up(self, why: str, now: float, reasons: Sequence[str] = (), detail: str | None = None) -> None:
        """End the call: take it back while it is not answered, else send a BYE. A second time does nothing.

        Args:
            why: what `Ending.why` shall say.
            now: the instant.
            reasons: Reason values that the far end is told (RFC 3326); none = normal clearing.
            detail: for people.
        """
        reasons = tuple(reasons) or (REASON_CLEARING,)
        if self._inviting is not None:
            self._inviting.take_back(why, now, reasons)
        elif self._answered is not None:
            self.part(self._answered.leg, now, why=why, reasons=reasons, detail=detail)

    def acknowledge(self, now: float) -> None:
        """Acknowledge the answer, where the plan has the ACK wait for this; a second time does nothing."""
        inviting = self._late() if self._late is not None else None
        if inviting is not None:
            inviting.acknowledge()

    def send_keys(self, keys: str, now: float) -> None:
        """Press keys by INFO, where no telephone events were agreed upon (`Negotiated.dtmf_payload`).

        Args:
            keys: 0 to 9, *, #, A to D; before the answer, and after the end, they are nobody's.
            now: the instant.
        """
        if self._answered is not None and self._parting is None:
            self._answered.send_keys(keys, now)

    @property
    def agreed(self) -> Negotiated | None:
        """What is agreed upon; None before the answer is acknowledged, and once the call is being ended."""
        inviting = self._late() if self._late is not None else None
        if self._answered is None or self._parting is not None or (inviting is not None and inviting.holds_ack):
            return None
        return self._answered.leg.media.agreed

    @property
    def is_pressing(self) -> bool:
        """Whether the far end has not yet taken a key of `send_keys`."""
        return self._answered is not None and self._answered.is_pressing

    @property
    def takes_keys(self) -> bool:
        """Whether the far end has not refused the last key of `send_keys`."""
        return self._answered is None or self._answered.takes_keys

    def media_failed(self, detail: str, now: float) -> None:
        """End the call because its sound cannot be sent or is not heard.

        Args:
            detail: what is wrong, for people.
            now: the instant.
        """
        self.hang_up("media_failed", now, ('Q.850;cause=41;text="media failed"',), detail)

    # what the user agent tells

    def asked(self, transaction: ServerTransaction, now: float) -> None:
        """Take a request within a dialog, and answer it."""
        request = transaction.request
        leg = self._leg_of(request)
        if leg is None:
            reply(transaction, 481, now)
        elif request.method == "BYE":
            self._taken_leave(leg, transaction, now)
        elif self._parting is not None or leg.ended:
            reply(transaction, 481, now)
        else:
            Asked(self, leg, self._answered).take(transaction, now)

    def acknowledged(self, request: Request, flow: Flow, now: float) -> None:
        """Take the ACK to a 2xx of ours."""
        if self._answered is not None and self._answered.leg.dialog.concerns(request):
            self._answered.acknowledged(request, now)

    def stray(self, response: Response, flow: Flow, now: float) -> bool:
        """Take a 2xx to an INVITE of this call that matches no transaction any more; False where it has not our tag."""
        if tag_in(response, of="from") != self._tag:
            return False
        inviting = self._inviting or (self._late() if self._late is not None else None)
        number, answered = response.cseq.number, self._answered
        if answered is not None and tag_in(response, of="to") == answered.leg.dialog.remote_tag:
            request, towards = answered.leg.dialog.request("ACK", number)
            self.ua.send(request.to_bytes(), towards)
        elif inviting is not None:
            inviting.accepted(response.via.branch or "", response, now)
        else:
            Late(self.ua.transactions).take(response, flow, now)
        return True

    def concerns(self, request: Request) -> bool:
        """Whether a request has both tags of a dialog of this call."""
        if tag_in(request, of="to") != self._tag:
            return False
        if self._answered is not None:
            return self._answered.leg.dialog.concerns(request)
        return self._inviting is not None and tag_in(request, of="from") in self._inviting.forks.legs

    # what its parts tell

    def emit(self, event: Event) -> None:
        """Tell an event, unless the call is over."""
        if not self.over:
            self.ua.emit(event)

    def keep(self, leg: Leg, response: Response, now: float) -> None:
        """Take it that a leg was answered and acknowledged: it is the call from now on."""
        inviting, plan = self._inviting, self._plan
        if inviting is None or plan is None:
            return
        self._late, self._inviting, self._plan = weakref.ref(inviting), None, None
        self.rang = self.progressed = True
        why = inviting.why
        if leg.ended:
            self._finish(self._ended(Ender.CALLEE, response), now)
            return
        body = description_in(response)
        agreed = leg.media.agreed
        if body is not None:
            try:
                agreed = leg.media.take_answer(body)
            except BadDescription:
                agreed = None
        if why is not None:  # the 2xx crossed our CANCEL
            self.part(leg, now, why=why, reasons=inviting.reasons)
            return
        self._answered = Answered(self, leg, plan, response, now)
        self.emit(Established(call_id=self.call_id, media=agreed, dialog=leg.dialog.state))
        if agreed is None:
            self.part(leg, now, why="no_media", reasons=('Q.850;cause=88;text="no usable media"',))

    def part(self, leg: Leg, now: float, *, why: str, reasons: Sequence[str] = (), detail: str | None = None) -> None:
        """Send a BYE; the call is over when it was answered, or when nobody answers."""
        if self._parting is not None or self.over:
            return
        self.acknowledge(now)
        if self._answered is not None:
            self._answered.stop()
        ender = Ender.NETWORK if why in ("session_expired", "timeout") else Ender.US
        self._ending = Ending(
            ender=ender,
            status=200,
            phrase="OK",
            rang=True,
            answered=True,
            crossed=self._answered is None,
            why=why,
            detail=detail,
            tried=self.tried,
        )
        self._parting = Farewell(self.ua, leg.dialog, self.authenticator, reasons, self._parted)
        self._parting.send(now)

    def fail(
        self,
        response: Response | None,
        now: float,
        *,
        ours: str | None = None,
        why: str | None = None,
        certain: bool = True,
        detail: str | None = None,
    ) -> None:
        """Take it that the call ends unanswered.

        Args:
            response: the final answer, or None where none came.
            now: the instant.
            ours: why we took it back, if we did.
            why: what happened where the answer does not say it.
            certain: as in `Ending`.
            detail: for people.
        """
        status = response.status if response is not None else None
        ender = Ender.US if ours is not None else Ender.CALLEE if status in _BY_THE_CALLEE else Ender.NETWORK
        ended_early = self._inviting is not None and any(leg.ended for leg in self._inviting.forks.legs.values())
        if ours == "hung_up_early" or (ended_early and status == 487):
            ender, ours, certain = Ender.CALLEE, None, True
        rest = retry_after(response) if response is not None else None
        self._finish(
            Ending(
                ender=ender,
                status=status,
                phrase=response.phrase if response is not None else "",
                reasons=reason_values(response) if response is not None else (),
                warning=response.first("Warning") if response is not None else None,
                retry_after=rest.seconds if rest is not None else None,
                rang=self.rang,
                certain=certain,
                why=ours or why,
                detail=detail,
                tried=self.tried,
            ),
            now,
        )

    # inside

    def _leg_of(self, request: Request) -> Leg | None:
        if self._answered is not None:
            leg = self._answered.leg
            return leg if leg.dialog.concerns(request) else None
        if self._inviting is None or tag_in(request, of="to") != self._tag:
            return None
        return self._inviting.leg_of(request)

    def _taken_leave(self, leg: Leg, transaction: ServerTransaction, now: float) -> None:
        """Take a BYE: whatever its CSeq number, whoever sends one has hung up (RFC 3261 section 15.1.2)."""
        request = transaction.request
        reply(transaction, 200, now)
        if self._answered is None and self._inviting is not None:
            # Before its 2xx was heard of: that may come yet and is acknowledged, other forks ring no longer.
            leg.ended = self.rang = self.progressed = True
            if all(each.ended for each in self._inviting.forks.legs.values()):
                self._inviting.take_back("hung_up_early", now)
            return
        if self._parting is not None:
            self._parting.stop()
            self._parted(now, reason_values(request))
            return
        self.acknowledge(now)
        if self._answered is not None:
            self._answered.stop()
        self._finish(self._ended(Ender.CALLEE, request), now)

    def _ended(self, ender: Ender, message: Request | Response) -> Ending:
        return Ending(
            ender=ender,
            status=200,
            phrase="OK",
            reasons=reason_values(message),
            rang=True,
            answered=True,
            tried=self.tried,
        )

    def _parted(self, now: float, reasons: tuple[str, ...] = ()) -> None:
        ending = self._ending
        if ending is not None:
            self._finish(replace(ending, reasons=reasons) if reasons else ending, now)

    def _finish(self, ending: Ending, now: float) -> None:
        if self.over:
            return
        if self._inviting is not None:
            self._inviting.stop()
        late = self._late() if self._late is not None else None
        if late is not None:
            late.forget()
        self._inviting = self._plan = self._late = self._answered = self._parting = self._ending = None
        self.ua.release(self.call_id, self._tag, doubtful=not ending.certain)
        self.ua.emit(CallOver(call_id=self.call_id, ending=ending))
        self.over = True
