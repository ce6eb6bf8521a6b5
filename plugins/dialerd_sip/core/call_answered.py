"""An answered call: its leg, its bounds, and what of its re-INVITEs is still open on either side."""

from typing import TYPE_CHECKING, Final

from dialerd_sip.core.call_keys_sent import KeysSent
from dialerd_sip.core.call_leg import Leg
from dialerd_sip.core.call_media import description_in
from dialerd_sip.core.call_refresh import Refreshing
from dialerd_sip.core.events import MediaChanged
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.plan import CallPlan
from dialerd_sip.core.sdp import BadDescription, Negotiated
from dialerd_sip.core.timing import Timer

if TYPE_CHECKING:
    from dialerd_sip.core.call import Call

REASON_CLEARING: Final = 'Q.850;cause=16;text="normal call clearing"'
REASON_NO_ACK: Final = 'Q.850;cause=102;text="no ACK"'
_NO_ACK: Final = "a re-INVITE of the far end was not acknowledged"


class Answered:
    """An answered call.

    Args:
        call: the call.
        leg: its leg.
        plan: what it was to be.
        response: the 2xx.
        now: the instant.

    Attributes:
        leg: its leg.
        refreshing: its session timer.
        offering: CSeq number of a re-INVITE of the far end whose 2xx has our offer, until its ACK brings the answer.
    """

    __slots__ = ("_call", "_keys", "_talk", "leg", "offering", "refreshing")

    def __init__(self, call: "Call", leg: Leg, plan: CallPlan, response: Response, now: float) -> None:
        self._call = call
        self.leg = leg
        self.offering: int | None = None
        self._keys: KeysSent | None = None  # few calls send any
        self._talk: Timer = call.ua.timers.at(now + plan.talk_for, self._talked_long)
        self.refreshing = Refreshing(call, leg, plan.seed, plan.session_expires)
        self.refreshing.take(response, now)

    def stop(self) -> None:
        """Let go of all that waits."""
        self._talk.cancel()
        self.refreshing.stop()
        if self._keys is not None:
            self._keys.stop()

    def send_keys(self, keys: str, now: float) -> None:
        """Press keys by INFO, after those that wait."""
        if self._keys is None:
            self._keys = KeysSent(self._call, self.leg)
        self._keys.add(keys, now)

    @property
    def is_pressing(self) -> bool:
        """Whether a key was not taken yet."""
        return self._keys is not None and self._keys.busy

    @property
    def takes_keys(self) -> bool:
        """Whether the last key was not refused."""
        return self._keys is None or not self._keys.refused

    def acknowledged(self, request: Request, now: float) -> None:
        """Take the ACK to a 2xx of ours; it has the answer where that had an offer (RFC 3264 section 4)."""
        if request.cseq.number != self.offering:
            return
        self.offering = None
        before, body = self.leg.media.agreed, description_in(request)
        if body is None:
            return
        try:
            self.leg.media.take_answer(body)
        except BadDescription:
            return  # what was agreed upon before goes on
        self.tell_change(before)

    def unacknowledged(self, now: float) -> None:
        """Take it that nobody acknowledged our 2xx: the far end is not there any more (RFC 3261, 13.3.1.4)."""
        self._call.part(self.leg, now, why="timeout", reasons=(REASON_NO_ACK,), detail=_NO_ACK)

    def tell_change(self, before: Negotiated | None) -> None:
        """Tell what is agreed upon now, if it is anything else."""
        agreed = self.leg.media.agreed
        if agreed is not None and agreed != before:
            self._call.emit(MediaChanged(call_id=self._call.call_id, media=agreed))

    def _talked_long(self, now: float) -> None:
        self._call.part(self.leg, now, why="max_duration", reasons=(REASON_CLEARING,))
