"""The early legs of an INVITE: one for each far end that a forking proxy rings (RFC 3261 section 12.1; RFC 3262)."""

from typing import TYPE_CHECKING, Final

from dialerd_sip.core.call_leg import Leg, OutOfOrder
from dialerd_sip.core.call_media import CallMedia, description_in
from dialerd_sip.core.dialog import Dialog, tag_in
from dialerd_sip.core.events import Progress
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.plan import CallPlan, Target
from dialerd_sip.core.sdp import BadDescription
from dialerd_sip.core.transactions import ClientTransaction

if TYPE_CHECKING:
    from dialerd_sip.core.call import Call


MOST_LEGS: Final = 32
"""Far ends of one call, and provisional answers that are acknowledged: a phone rings at a few places, and whoever
thinks of a new tag for each answer must not have us grow, and send a PRACK or a BYE eleven times for each."""


class Forks:
    """The early legs of the INVITE that is under way.

    Args:
        call: the call.
        plan: what it is to be.

    Attributes:
        legs: the legs, by the far end's tag.
    """

    __slots__ = ("_call", "_plan", "_pracks", "legs")

    def __init__(self, call: "Call", plan: CallPlan) -> None:
        self._call = call
        self._plan = plan
        self._pracks: list[ClientTransaction] = []
        self.legs: dict[str, Leg] = {}

    def leg(self, response: Response, invite: Request, target: Target) -> Leg:
        """Return the leg that an answer to an INVITE belongs to; a new one is not kept."""
        known = self.legs.get(tag_in(response, of="to"))
        if known is not None:
            return known
        dialog = Dialog.answered(
            self._plan.seed, invite, response, target.flow, contact=target.contact, sent_by=target.sent_by
        )
        return Leg(dialog, CallMedia(self._plan.media))

    def take(self, response: Response, invite: Request, target: Target, now: float) -> Progress:
        """Take a provisional answer other than 100 and return what is to be told of it.

        Raises:
            OutOfOrder: it must not be looked at: it comes again, or one before it has not come yet.
        """
        leg = self.leg(response, invite, target)
        if leg.dialog.remote_tag not in self.legs and len(self.legs) >= MOST_LEGS:
            raise OutOfOrder
        self.legs[leg.dialog.remote_tag] = leg
        leg.learn(response)
        number = leg.to_be_acknowledged(response)
        if number is not None:
            if len(self._pracks) >= MOST_LEGS:
                raise OutOfOrder
            self._prack(leg, number, invite.cseq.number, now)
        body = description_in(response)
        if body is not None:
            try:
                leg.media.take_answer(body)
            except BadDescription:
                body = None  # the 2xx will tell
        if response.status == 199:
            self.legs.pop(leg.dialog.remote_tag, None)  # RFC 6228: this fork is over, others go on
        early = leg.media.agreed if body is not None and self._plan.hear_early else None
        return Progress(
            call_id=self._call.call_id,
            status=response.status,
            phrase=response.phrase,
            media=early,
            dialog=leg.dialog.state if leg.dialog.remote_tag else None,
        )

    def stop(self) -> None:
        """Let go of all legs; PRACKs are sent no more."""
        for prack in self._pracks:
            prack.stop()
        self._pracks.clear()
        self.legs = {}

    def _prack(self, leg: Leg, number: int, cseq: int, now: float) -> None:
        call, dialog = self._call, leg.dialog
        headers = [("RAck", f"{number} {cseq} INVITE")]
        headers += call.authenticator.headers("PRACK", dialog.remote_target, b"")
        request, flow = dialog.request("PRACK", dialog.next_cseq(), headers)
        self._pracks.append(call.ua.transactions.request(request, flow, None, now))
