"""Staying with a call until it is over: by callbacks where they come, by asking where they do not.

Twilio ends a call at its own time limit; what is done here besides is to end it sooner: at a hang-up, when it has rung
or waited for longer than was ordered, when a machine answered that is not to be talked to.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio
from attrs import frozen

from dialerd.model.call import CallEnd, Cause
from dialerd.model.instants import SECOND, Duration
from dialerd.model.states import Amd, AnsweredBy, AtFault, OnVoicemail, Outcome
from dialerd.plugin.complaints import Complaints
from dialerd.plugin.hangup import HangUp
from dialerd.plugin.provider import MaybePlaced
from dialerd_twilio.answers import CallStatus, CarrierCall, CarrierError, answerer
from dialerd_twilio.callbacks import Callbacks
from dialerd_twilio.carrier import Carrier
from dialerd_twilio.ends import end_of
from dialerd_twilio.leg import Leg
from dialerd_twilio.options import TwilioOptions

_log = structlog.get_logger()

_GRACE_S: Final = 2.0  # for the carrier to end by itself what has lasted long enough
_INSIST_S: Final = (1.0, 5.0)  # between two tries to end a call, at first and at most
_LOST_S: Final = 25.0  # how long a call that should be over is asked about before it is given up as doubtful
_GROWTH: Final = 1.5
_UNANSWERED: Final = (Outcome.NO_ANSWER, Outcome.CONGESTION)  # why a call is ended that nobody has answered in time
_TRUST: Final = 5  # times the patience with callbacks between two questions about a call of which nothing is new

Ask = Callable[[str], Awaitable[CarrierCall | None]]
"""A question to the carrier about a call, by its id."""


@frozen(kw_only=True)
class Bounds:
    """How long a call may last.

    Args:
        ring_timeout: how long the phone may ring.
        max_duration: how long it may be up.
    """

    ring_timeout: Duration
    max_duration: Duration


class Following:
    """One call's follower.

    Args:
        carrier: who has the call.
        options: the trunk's.
        leg: the call.
        bounds: how long it may last.
        hangup: set when it is to be ended.
        callbacks: by which the carrier tells by itself, or None.
        complaints: about a carrier that does not answer.
    """

    def __init__(
        self,
        carrier: Carrier,
        options: TwilioOptions,
        leg: Leg,
        *,
        bounds: Bounds,
        hangup: HangUp,
        callbacks: Callbacks | None,
        complaints: Complaints,
    ) -> None:
        self._complaints = complaints
        self._carrier = carrier
        self._options = options
        self._leg = leg
        self._known = leg.known
        self._bounds = bounds
        self._hangup = hangup
        self._callbacks = callbacks
        self._began_s = trio.current_time()
        self._answered_s: float | None = None
        self._poll_s, self._most_s = self._polling()
        self._poll_at_s = self._began_s + self._poll_s
        self._ending: Outcome | None = None  # why it is ended from here: what that makes of it if nobody answers
        self._insist_s = _INSIST_S[0]
        self._end_at_s = 0.0
        self._acted = False  # upon what the detection found
        self._asked_who = False

    async def run(self) -> CallEnd:
        """Stay with the call; return its end.

        Raises:
            MaybePlaced: nobody can say how it ended.
        """
        known = self._known
        while True:
            now_s = trio.current_time()
            self._notice_answer(now_s)
            if known.over:
                await self._complete()
                return end_of(self._leg, ended_as=self._ending, options=self._options, carrier=self._carrier)
            self._decide(now_s)
            if not self._acted and known.answered_by is not None and known.answered:
                self._act()
                continue
            if self._ending is not None and now_s >= self._end_at_s:
                await self._end()
                continue
            if now_s >= self._poll_at_s:
                await self._ask()
                continue
            await self._leg.news(self._wakes_at_s(), self._hangup, heed=self._ending is None)
            self._heard()

    def _notice_answer(self, now_s: float) -> None:
        """Take note of an answer; a call that was to be ended for want of one goes on then."""
        if self._known.answered and self._answered_s is None:
            self._answered_s = now_s
            if self._ending in _UNANSWERED:
                self._ending = None

    def _decide(self, now_s: float) -> None:
        """Find out whether the call is to be ended."""
        if self._ending is not None:
            return
        if self._hangup.is_set():
            self._ending = Outcome.CANCELLED
        elif now_s >= self._bound_s():
            self._ending = Outcome.NO_ANSWER

    def _bound_s(self) -> float:
        """Return when the call is to be over at the latest."""
        if self._answered_s is not None:
            return self._answered_s + self._bounds.max_duration / SECOND + _GRACE_S
        return self._began_s + self._bounds.ring_timeout / SECOND + _GRACE_S

    def _wakes_at_s(self) -> float:
        at_s = min(self._poll_at_s, self._bound_s()) if self._ending is None else min(self._poll_at_s, self._end_at_s)
        return max(at_s, trio.current_time())

    def _polling(self) -> tuple[float, float]:
        """Return how long to wait for the first question, and at most for each further one."""
        options = self._options
        if self._callbacks is None or self._callbacks.missing:
            return options.poll_first / SECOND, max(options.poll_most, options.poll_first) / SECOND
        return options.callback_patience / SECOND, options.callback_patience * _TRUST / SECOND

    def _heard(self) -> None:
        """Ask later where something was told, and at once where what was told cannot be all."""
        known = self._known
        if known.answered_by is not None and not known.answered and not known.over and not self._asked_who:
            self._asked_who = True  # somebody was listened to, so somebody has answered
            self._poll_at_s = trio.current_time()
        elif self._callbacks is not None and self._leg.heard_s + self._polling()[0] > self._poll_at_s:
            self._poll_s, self._most_s = self._polling()
            self._poll_at_s = self._leg.heard_s + self._poll_s

    async def _ask(self) -> None:
        """Ask the carrier how the call stands, and put the next question off."""
        before = self._known.status
        answered = await self._answer(self._carrier.fetch)
        if answered and self._known.status is not before:
            self._found_untold()
        else:
            self._poll_s = min(self._poll_s * _GROWTH, self._most_s)
            self._poll_at_s = trio.current_time() + self._poll_s
        self._give_up_in_time()

    def _found_untold(self) -> None:
        """Ask again soon: where one thing has just happened another may, and that will not be told either."""
        if self._callbacks is not None:
            self._callbacks.missed()
        self._poll_s = self._options.poll_first / SECOND
        self._most_s = max(self._options.poll_most, self._options.poll_first) / SECOND
        self._poll_at_s = trio.current_time() + self._poll_s

    async def _end(self) -> None:
        """End the call, and again until it is over."""
        known = self._known
        if self._ending in _UNANSWERED and not known.answered:
            # what happened meanwhile may not have been told: whoever answered is not hung up on
            before = known.status
            asked = await self._answer(self._carrier.fetch)
            if known.status is not before:
                self._found_untold()
            if known.over or known.answered:
                return
            if asked:  # what is in the carrier's queue would ring too late
                queued = known.status is CallStatus.QUEUED and not known.dialled
                self._ending = Outcome.CONGESTION if queued else Outcome.NO_ANSWER
        status = CallStatus.COMPLETED if known.answered else CallStatus.CANCELED
        ended = await self._answer(lambda sid: self._carrier.end(sid, status))
        if not ended:
            await self._answer(self._carrier.fetch)  # it may be over already, or not be to be cancelled any more
        self._end_at_s = trio.current_time() + self._insist_s
        self._insist_s = min(self._insist_s * 2, _INSIST_S[1])
        self._give_up_in_time()

    def _act(self) -> None:
        """Do what is to be done about who, or what, has answered."""
        self._acted = True
        found = answerer(self._known.answered_by)
        policy = self._leg.script.on_voicemail
        if found not in (AnsweredBy.MACHINE, AnsweredBy.FAX) or policy is OnVoicemail.CONTINUE:
            return
        if found is AnsweredBy.FAX or policy is OnVoicemail.HANG_UP:
            self._ending = self._ending or Outcome.VOICEMAIL

    async def _answer(self, ask: Ask) -> bool:
        """Take an answer of the carrier; tell whether there was one."""
        sid = self._known.sid
        assert sid is not None, "a call that is followed has an id"
        try:
            call = await ask(sid)
        except CarrierError as error:
            self._complain(error)
            return False
        if call is None:
            return False
        self._known.take_answer(call)
        self._leg.tell()
        return True

    async def _complete(self) -> None:
        """Ask for what is known only after the end, once; without an answer it stays unknown."""
        known = self._known
        unheard = self._leg.script.amd is Amd.DETECT and known.answered and known.answered_by is None
        if not known.complete or unheard:
            await self._answer(self._carrier.fetch)
        if known.status is CallStatus.FAILED and known.sip_code is None and known.error_code is None:
            assert known.sid is not None, "a call that is followed has an id"
            try:
                known.error_code = await self._carrier.error_code(known.sid)
            except CarrierError as error:
                self._complain(error)

    def _complain(self, error: CarrierError) -> None:
        self._complaints.tell(
            _log.warning,
            "twilio.not_answered",
            "carrier",
            call_id=self._leg.attempt_id,
            error=error,
            remedy="calls go on at the carrier and are asked about again; if it stays, look at the trunk's credentials "
            "and at the connection to the carrier",
        )

    def _give_up_in_time(self) -> None:
        """Leave a call as doubtful that should long be over, and of which the carrier says nothing any more."""
        if trio.current_time() > self._bound_s() + _LOST_S and not self._known.over:
            raise MaybePlaced(
                Cause(fault=AtFault.PROVIDER, detail="the carrier does not say how the call ended; it is asked again")
            )
