"""The life of a call of the Twilio double: queued, initiated, ringing, in progress, over (Twilio, "Call resource").

The account's calls per second are kept by queueing, as Twilio does it: `queued_for_s` of a call tells a client that
sends too fast. Nobody's phone rings longer than the call's `Timeout` and five seconds, which Twilio may add.
"""

from typing import TYPE_CHECKING, Final

import trio
from double_call import DoubleCall
from double_twiml import Performance

if TYPE_CHECKING:
    from twilio_double import TwilioDouble

TIMEOUT_S: Final = 60.0
TIME_LIMIT_S: Final = 14_400.0
DETECTION_S: Final = 30.0
_SIP: Final = {"completed": 200, "busy": 486, "no-answer": 487, "failed": 503, "canceled": 487}


class Life:
    """What becomes of calls.

    Args:
        double: whose.
    """

    def __init__(self, double: "TwilioDouble") -> None:
        self._double = double
        self._next_s = float("-inf")

    def begin(self, call: DoubleCall) -> None:
        """Queue a call that has just been created."""
        now_s = trio.current_time()
        if self._double.cps is not None:
            at_s = max(now_s, self._next_s)
            self._next_s = at_s + 1 / self._double.cps
            call.queued_for_s = at_s - now_s
        call.enter("queued", self._double.now)
        self._double.start_soon(self._live, call)

    def end(self, call: DoubleCall, status: str) -> None:
        """End a call because somebody asked for it; it is over when this returns."""
        call.end_by_request = status
        call.scope.cancel()
        self._over(call, status)

    def redirect(self, call: DoubleCall, twiml: str, url: str) -> None:
        """Let a call in progress execute another document from now on: a text, or what is found at a URL."""
        call.next_document = (twiml, url)
        call.redirects.append(twiml or url)
        if call.executing is not None:
            call.executing.cancel()

    async def _live(self, call: DoubleCall) -> None:
        with call.scope:
            self._over(call, await self._course(call))
        if not call.over:
            self._over(call, "completed")  # somebody hung up, or the longest time was over

    async def _course(self, call: DoubleCall) -> str:
        """Go through a call's life; return what it ends with."""
        behaviour, double = call.behaviour, self._double
        if call.queued_for_s > 0:
            await trio.sleep_until(call.created_s + call.queued_for_s)
        await trio.lowlevel.checkpoint_if_cancelled()  # it may have been ended before its first turn
        call.dialled_at = double.now()
        self._enter(call, "initiated", "initiated")
        answered = behaviour.outcome == "completed"
        if behaviour.rings if behaviour.rings is not None else behaviour.outcome in ("completed", "no-answer"):
            self._enter(call, "ringing", "ringing")
        most_s = float(call.params.get("Timeout", TIMEOUT_S)) + double.ring_buffer_s
        if behaviour.outcome == "no-answer" or behaviour.ring_s > most_s:
            await trio.sleep(most_s)
            return "no-answer"
        await trio.sleep(behaviour.ring_s)
        if not answered:
            return behaviour.outcome
        call.answered_at, call.answered_s = double.now(), trio.current_time()
        self._enter(call, "in-progress", "answered")
        limit_s = float(call.params.get("TimeLimit", TIME_LIMIT_S))
        call.scope.deadline = trio.current_time() + min(
            limit_s, limit_s if behaviour.talk_s is None else behaviour.talk_s
        )
        await self._talk(call)
        return "completed"

    def _enter(self, call: DoubleCall, status: str, event: str) -> None:
        call.enter(status, self._double.now)
        self._double.webhooks.tell(call, event)

    async def _talk(self, call: DoubleCall) -> None:
        """Execute the call's document, listening for a machine meanwhile or before, if that is wanted."""
        if "MachineDetection" not in call.params or "SendDigits" in call.params:  # the former is ignored then
            await self._execute(call, waits=False)
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._detect, call)
            await self._execute(call, waits=call.params.get("AsyncAmd") != "true")
            nursery.cancel_scope.cancel()

    async def _execute(self, call: DoubleCall, waits: bool) -> None:
        """Execute the call's document, and those that take its place."""
        performance = Performance(self._double, call)
        url = call.params.get("Url", "")
        call.next_document = ("" if url else call.params.get("Twiml", ""), url)
        while call.next_document is not None:
            document, call.next_document = call.next_document, None
            with trio.CancelScope() as call.executing:
                if waits:
                    waits = False
                    await call.detected.wait()
                await performance.run(document)

    async def _detect(self, call: DoubleCall) -> None:
        """Find out who answered (Twilio, "Answering Machine Detection")."""
        word, took_s = call.behaviour.answered_by, call.behaviour.detection_s
        if word.startswith("machine") and call.params["MachineDetection"] == "DetectMessageEnd":
            took_s += call.behaviour.greeting_s
            word = "machine_end_beep" if word in ("machine", "machine_start") else word
        elif word == "machine":
            word = "machine_start"
        most_s = float(call.params.get("MachineDetectionTimeout", DETECTION_S))
        if took_s > most_s:
            word, took_s = "unknown", most_s
        await trio.sleep(took_s)
        call.answered_by, call.detection_ms = word, int(took_s * 1000)
        call.detected.set()
        if call.params.get("AsyncAmd") == "true":
            self._double.webhooks.detected(call)

    def _over(self, call: DoubleCall, status: str) -> None:
        if call.over:
            return
        call.ended_at, call.ended_s = self._double.now(), trio.current_time()
        call.sip_code = call.behaviour.sip_code
        if call.sip_code is None or call.end_by_request is not None:
            call.sip_code = _SIP[status]
        if call.behaviour.error_code is not None and call.end_by_request is None:
            call.errors.append(call.behaviour.error_code)
        call.enter(status, self._double.now)
        self._double.webhooks.tell(call, "completed")
        self._double.happened(call, "ended")
