"""One call at work: what the user agent and the media tell drives the agent's conversation, and the daemon is told.

Everything is synchronous but the wait for the end, and for what must be durable: no task a call beyond the engine's.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import trio

from dialerd.model.errors import DialerdError
from dialerd.model.instants import SECOND, Duration
from dialerd.plugin.provider import Accepted, Answered, CallOrder, Digits, Report, Ringing
from dialerd_sip.conversation import Action, Conversation, EndCall, OptOut, Play, PressKeys, StopPlaying, WaitFor
from dialerd_sip.core.call import Call
from dialerd_sip.core.events import (
    CallOver,
    Ending,
    Established,
    Event,
    InviteReady,
    KeysPressed,
    KeysRefused,
    MediaChanged,
    Progress,
)
from dialerd_sip.core.plan import CallPlan
from dialerd_sip.core.timing import Timer
from dialerd_sip.keeping import Keeper
from dialerd_sip.media.contract import Detected, Digit, MediaEvent, MediaLost, PlayEnded, Session, Silent
from dialerd_sip.pressing import Pressing
from dialerd_sip.shell.endpoint import Endpoint

_RINGS: Final = frozenset({180, 183})
"""What tells of ringing: RFC 3261 section 21.1.2, and 183, behind which a phone may ring for all that anybody knows."""

_REASON_SILENCE: Final = 'Q.850;cause=41;text="nothing is heard"'


class Leg:
    """A call from the instant at which it leaves to its end.

    Args:
        order: what was ordered.
        report: whom to tell.
        plan: what the call is to be.
        from_: value of its From, with tag, as a later life needs it.
        conversation: what its agent does.
        endpoint: over which it goes.
        session: its media.
        record: file into which what is received is recorded, or None.

    Attributes:
        digits: keys that were pressed, in order.
        found: what is to stand in the call's detail: what a detector found, keys that the far end did not take.
        opted_out: the called person asked not to be called again, and that could not be stored yet.
    """

    __slots__ = (
        "_accepted",
        "_answered",
        "_answered_s",
        "_asking",
        "_call",
        "_conversation",
        "_ending",
        "_endpoint",
        "_keeper",
        "_order",
        "_plan",
        "_record",
        "_report",
        "_rings",
        "_session",
        "_stop_asked",
        "_timer",
        "_woken",
        "digits",
        "found",
        "opted_out",
    )

    def __init__(
        self,
        order: CallOrder,
        report: Report,
        *,
        plan: CallPlan,
        from_: str,
        conversation: Conversation,
        endpoint: Endpoint,
        session: Session,
        record: Path | None,
    ) -> None:
        self._order = order
        self._report = report
        self._plan = plan
        self._conversation = conversation
        self._endpoint = endpoint
        self._session = session
        self._record = record
        self._call: Call
        self._keeper = Keeper(report, plan=plan, from_=from_, endpoint=endpoint)
        self._accepted = False
        self._answered = False
        self._answered_s = 0.0
        self._rings = False
        self._timer: Timer | None = None
        self._woken = trio.Event()
        self._asking: trio.CancelScope | None = None
        self._stop_asked = False
        self._ending: Ending | None = None
        self.found: dict[str, Any] = {}
        self.digits = ""
        self.opted_out = False

    @property
    def talked(self) -> Duration | None:
        """How long the answered call has lasted; None where nobody has answered."""
        if not self._answered:  # the BYE may have overtaken the answer
            return 0 if self._ending is not None and self._ending.answered else None
        return round((self._endpoint.now - self._answered_s) * SECOND)

    async def run(self) -> Ending:
        """Let the call leave, and stay with it until it is over; cancelled, it is hung up.

        Raises:
            Withdrawn: from `order.leave()`; nothing was sent.
        """
        endpoint, key = self._endpoint, self._plan.call_id
        self._order.leave()
        endpoint.listen(key, self._told)
        self._session.tell(self._heard)
        try:
            self._call = Call(endpoint.ua, self._plan, endpoint.now)
            endpoint.pump()
            self._order.hangup.notify(self._hang_up)
            return await self._stay()
        finally:
            self._order.hangup.notify(None)
            self._keeper.close()
            self._session.tell(_nobody)
            endpoint.unlisten(key)
            if self._timer is not None:
                self._timer.cancel()
            if self._ending is None:  # given up; what it leads to is asked about later
                self._call.hang_up("abandoned", endpoint.now)
                endpoint.pump()

    async def _stay(self) -> Ending:
        """Do what must be waited for, one after the other, until the call is over."""
        while self._ending is None:
            if self._stop_asked:
                await self._opt_out()
            else:
                self._woken = trio.Event()
                await self._woken.wait()
        return self._ending

    async def _opt_out(self) -> None:
        """Give the number its do-not-call entry, and let the agent confirm it; an end meanwhile tells it instead."""
        self._stop_asked = False
        self.opted_out = True
        with trio.CancelScope() as self._asking:
            try:
                await self._report.opt_out()
            except DialerdError:  # told by the store itself; the end of the call tells it once more
                self._do(self._conversation.opted_out(done=False))
            else:
                self.opted_out = False
                self._do(self._conversation.opted_out(done=True))
            self._endpoint.pump()

    def _stumbled(self) -> None:
        """End the call after an error of ours, which whoever told us goes on after: nobody is left on a dead line."""
        self._call.media_failed("an error within dialerd; see its log", self._endpoint.now)
        self._endpoint.pump()

    # what the user agent tells

    def _told(self, event: Event) -> None:
        try:
            self._take(event)
        except Exception:
            self._stumbled()
            raise

    def _take(self, event: Event) -> None:
        match event:
            case InviteReady(sent=sent):
                self._keeper.sent(sent)
            case Progress():
                self._progress(event)
            case Established():
                self._established(event)
            case MediaChanged(media=media):
                self._session.connect(media)
            case KeysPressed(digits=digits):
                for digit in digits:
                    self._key(digit)
            case KeysRefused(status=status):
                self.found["keys_refused"] = "no answer" if status is None else f"SIP {status}"
            case CallOver(ending=ending):
                self._ending = ending
                self._woken.set()
                if self._asking is not None:
                    self._asking.cancel()

    def _progress(self, event: Progress) -> None:
        self._accept()
        if event.status in _RINGS and not self._rings:
            self._rings = True
            self._report(Ringing())
        if event.media is not None:
            self._session.connect(event.media)
        if event.dialog is not None:
            self._keeper.rings(event.dialog)

    def _established(self, event: Established) -> None:
        self._accept()
        self._answered, self._answered_s = True, self._endpoint.now
        self._keeper.answered(event.dialog, self._call)
        self._report(Answered())
        if event.media is None:
            return  # the call is being ended
        self._session.connect(event.media)
        if self._record is not None:
            self._session.record(self._record)
        self._do(self._conversation.answered())

    def _accept(self) -> None:
        """Tell that the trunk took the call, once."""
        if not self._accepted:
            self._accepted = True
            self._report(Accepted(self._plan.call_id))

    # what the media tell

    def _heard(self, event: MediaEvent) -> None:
        try:
            self._listen(event)
        except Exception:
            self._stumbled()
            raise

    def _listen(self, event: MediaEvent) -> None:
        match event:
            case Digit(digit=digit):
                self._key(digit)
            case PlayEnded(mark=mark, whole=whole):
                self._do(self._conversation.play_ended(mark, whole=whole))
            case Silent() if self._answered:
                self._call.hang_up("silence", self._endpoint.now, (_REASON_SILENCE,))
            case Detected(kind=kind, at_ms=at_ms):
                self.found.setdefault("detected", []).append({"kind": kind, "at_ms": at_ms})
            case MediaLost(reason=reason):
                self._call.media_failed(reason, self._endpoint.now)
            case _:
                return  # of use to nobody yet
        self._endpoint.pump()

    def _key(self, digit: str) -> None:
        """Take a key; one that comes before the answer is nobody's."""
        if self._answered and self._ending is None:
            self.digits += digit
            self._report(Digits(digit))
            self._do(self._conversation.pressed(digit))

    # what is to be done

    def _do(self, actions: Iterable[Action]) -> None:
        """Do what the agent wants, in order."""
        for action in actions:
            if self._ending is not None:
                return
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            match action:
                case Play(clips=clips, mark=mark):
                    self._session.play(clips, mark)
                case StopPlaying():
                    self._session.stop()
                case PressKeys(keys=keys, mark=mark):
                    self._go_on(0.0, mark, Pressing(self._call, self._session, keys))
                case WaitFor(ms=ms, mark=mark):
                    self._go_on(ms / SECOND, mark)
                case OptOut():
                    self._stop_asked = self.opted_out = True
                    self._woken.set()
                case EndCall():
                    self._call.hang_up("agent", self._endpoint.now)

    def _go_on(self, wait_s: float, mark: int, pressing: Pressing | None = None) -> None:
        """Have the agent go on after a while, and where it presses keys, once that is done."""

        def due(now: float) -> None:
            try:
                left_s = None if pressing is None else pressing.step(now)
                if left_s is None:
                    self._do(self._conversation.timed_out(mark))
                else:
                    self._go_on(left_s, mark, pressing)
            except Exception:
                self._stumbled()
                raise

        self._timer = self._endpoint.ua.timers.at(self._endpoint.now + wait_s, due)

    def _hang_up(self) -> None:
        self._call.hang_up("hangup", self._endpoint.now)
        self._endpoint.pump()


def _nobody(_event: MediaEvent) -> None:
    """Take what is told of a call that is over."""
