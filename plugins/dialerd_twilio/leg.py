"""One call while somebody of this process cares about it: what is known, what is reported, and who is to be woken.

Callbacks and the task that follows the call meet here. Knows nothing of requests.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from dialerd.plugin.hangup import HangUp
from dialerd.plugin.provider import Accepted, AmdResult, Answered, Digits, Report, Ringing
from dialerd_twilio.answers import answerer
from dialerd_twilio.known import Known
from dialerd_twilio.script import Script

_RINGING: Final = Ringing()
_ANSWERED: Final = Answered()


class Leg:
    """One call.

    Args:
        attempt_id: whose call it is.
        script: what it does.

    Attributes:
        known: what is known of it.
        report: whom events are told; None while nobody follows it.
        digits: keys that were pressed while nobody followed it.
        opted_out: the called person asked not to be called again, and that is not yet durable.
        adopted: set while somebody follows it.
        opt_out: enters the called number as not to be called, also after the end; None until somebody follows it.
        heard_s: when a callback last told of it, in trio's time; at first, when it was opened.
    """

    __slots__ = (
        "_accepted",
        "_amd_told",
        "_answer_told",
        "_ring_told",
        "_wake",
        "adopted",
        "attempt_id",
        "digits",
        "heard_s",
        "known",
        "opt_out",
        "opted_out",
        "report",
        "script",
    )

    def __init__(self, attempt_id: str, script: Script) -> None:
        self.attempt_id = attempt_id
        self.script = script
        self.known = Known()
        self.report: Report | None = None
        self.digits = ""
        self.opted_out = False
        self.opt_out: Callable[[], Awaitable[None]] | None = None
        self.adopted = trio.Event()
        self.heard_s = trio.current_time()
        self._wake: trio.Event | None = None
        self._accepted = False
        self._ring_told = False
        self._answer_told = False
        self._amd_told = False

    def follow(self, report: Report) -> None:
        """Have events told from here on; what came before is told now."""
        self.report = report
        self.opt_out = report.opt_out
        self.adopted.set()
        self.known.answer_told = self.known.end_told = False  # nobody here noted when that was
        self.tell()
        if self.digits:
            report(Digits(self.digits))
            self.digits = ""

    def release(self) -> None:
        """Have nothing told any more: whoever followed it does not, and others may."""
        self.report = None
        self.adopted = trio.Event()

    def tell(self) -> None:
        """Report what is known and was not reported yet, and wake whoever follows the call."""
        report, known = self.report, self.known
        if report is not None and known.sid is not None:
            if not self._accepted:
                self._accepted = True
                report(Accepted(known.sid))
            if known.rang and not self._ring_told and not known.answered:
                self._ring_told = True
                report(_RINGING)
            if known.answered and not self._answer_told:
                self._answer_told = True
                report(_ANSWERED)
            found = answerer(known.answered_by)
            if self._answer_told and found is not None and not self._amd_told:
                self._amd_told = True
                report(AmdResult(found))
        self.wake()

    def press(self, digits: str) -> None:
        """Take keys that the called person pressed."""
        if self.report is not None:
            self.report(Digits(digits))
        else:
            self.digits += digits

    def wake(self) -> None:
        """Wake whoever follows the call."""
        if self._wake is not None:
            self._wake.set()

    async def news(self, until_s: float, hangup: HangUp, *, heed: bool) -> None:
        """Wait for something new.

        Args:
            until_s: when to stop waiting, in trio's time.
            hangup: the wish that the call be ended.
            heed: whether that wish is new too.
        """
        self._wake = trio.Event()
        told: Callable[[], None] | None = self._wake.set if heed else None
        try:
            hangup.notify(told)
            with trio.move_on_at(until_s):
                await self._wake.wait()
        finally:
            hangup.notify(None)
            self._wake = None
