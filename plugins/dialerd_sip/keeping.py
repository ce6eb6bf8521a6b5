"""What a later life would need of one call: handed over as it comes to be, made durable, and only then acknowledged.

A far end whose answer is not acknowledged sends it again, so that a later life hears of it: RFC 3261 section 13.3.1.4.
One that is acknowledged, and forgotten by a crash, would stay up. While it rings there is no hurry, and most dialogs
are durable by the time they are answered.
"""

from typing import Final

from dialerd.plugin.provider import Report
from dialerd_sip.core.call import Call
from dialerd_sip.core.events import DialogState, Sent
from dialerd_sip.core.plan import CallPlan
from dialerd_sip.core.timing import Timer
from dialerd_sip.shell.endpoint import Endpoint
from dialerd_sip.state import CallState, to_bytes

_GATHERED_S: Final = 0.5  # by then what was handed over is stored without being hurried, see `Report.notify_stored`
_PATIENCE_S: Final = 2.0  # for a disk, once somebody has answered, who is not left waiting for it


class Keeper:
    """Keeps the state of one call.

    Args:
        report: to which it is handed over.
        plan: what the call is to be.
        from_: value of its From, with tag.
        endpoint: over which it goes.
    """

    __slots__ = (
        "_answered",
        "_dialog",
        "_endpoint",
        "_from",
        "_gathering",
        "_patience",
        "_plan",
        "_report",
        "_sent",
        "_stored",
        "_storing",
    )

    def __init__(self, report: Report, *, plan: CallPlan, from_: str, endpoint: Endpoint) -> None:
        self._report = report
        self._plan = plan
        self._from = from_
        self._endpoint = endpoint
        self._sent: tuple[Sent, ...] = ()
        self._dialog: DialogState | None = None  # one is kept, the last
        self._answered: Call | None = None  # once it is
        self._storing: DialogState | None = None  # that is being stored
        self._stored: DialogState | None = None  # that is durable
        self._gathering: Timer | None = None  # until the early dialog is stored without being hurried
        self._patience: Timer | None = None  # with the store, once somebody has answered

    def sent(self, sent: Sent) -> None:
        """Keep an INVITE that is about to leave."""
        self._sent = (*self._sent, sent)
        self._hand_over()

    def rings(self, dialog: DialogState) -> None:
        """Keep the dialog of a far end that has not answered yet."""
        if dialog == self._dialog:
            return
        self._dialog, self._stored, self._storing = dialog, None, None
        self._hand_over()
        if self._gathering is None:
            self._gathering = self._endpoint.ua.timers.at(self._endpoint.now + _GATHERED_S, self._gathered)

    def answered(self, dialog: DialogState, call: Call) -> None:
        """Keep the dialog of a far end that has answered, and acknowledge the answer as soon as that is durable."""
        self._dialog, self._answered = dialog, call
        self._hand_over()
        self._acknowledge()
        self._store(dialog)

    def close(self) -> None:
        """Let go of a call that is over."""
        self._report.notify_stored(None)
        for timer in (self._gathering, self._patience):
            if timer is not None:
                timer.cancel()

    def _hand_over(self) -> None:
        state = CallState(
            call_id=self._plan.call_id,
            from_=self._from,
            to=self._plan.to,
            sent=self._sent,
            dialog=self._dialog,
            answered=self._answered is not None,
        )
        self._report.state(to_bytes(state))

    def _gathered(self, _now: float) -> None:
        self._gathering = None
        if self._dialog is not None:
            self._store(self._dialog)

    def _store(self, dialog: DialogState) -> None:
        if self._answered is not None and self._patience is None and self._stored != dialog:
            self._patience = self._endpoint.ua.timers.at(self._endpoint.now + _PATIENCE_S, self._impatient)
        if dialog not in (self._storing, self._stored):
            self._storing = dialog
            self._report.notify_stored(self._is_stored)

    def _is_stored(self, _done: bool) -> None:
        """Take it that the dialog is durable, or that it never will be: somebody has answered all the same."""
        self._stored, self._storing = self._dialog, None  # all that was handed over so far is durable
        self._acknowledge()
        self._endpoint.pump()

    def _impatient(self, _now: float) -> None:
        """Acknowledge without the store: somebody waits for us to speak."""
        self._patience = None
        self._stored = self._dialog
        self._acknowledge()

    def _acknowledge(self) -> None:
        if self._answered is not None and self._stored == self._dialog:
            self._answered.acknowledge(self._endpoint.now)
