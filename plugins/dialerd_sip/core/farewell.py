"""Ending a dialog by BYE, whatever the far end says to it (RFC 3261 section 15.1.1)."""

from collections.abc import Callable, Sequence
from typing import Final

from dialerd_sip.core.dialog import Dialog
from dialerd_sip.core.digest import Authenticator
from dialerd_sip.core.headers import challenges_of
from dialerd_sip.core.message import Response
from dialerd_sip.core.timing import Timer
from dialerd_sip.core.transactions import ClientTransaction
from dialerd_sip.core.ua import UserAgent

_TRIES: Final = 3
"""BYEs that a far end may challenge: a nonce may have grown stale once."""


class Farewell:
    """A BYE on its way.

    Args:
        ua: the user agent.
        dialog: what is ended.
        authenticator: answers challenges, if there are any.
        reasons: values of its Reason headers (RFC 3326).
        done: called once, when it was answered or nobody answers; not after `stop`.

    Attributes:
        heard: whether the far end said anything to it.
        taken: whether it was answered by a 2xx.
    """

    __slots__ = (
        "_authenticator", "_dialog", "_done", "_reasons", "_timer", "_transaction", "_tries", "_ua", "_until", "heard",
        "taken",
    )  # fmt: skip

    def __init__(
        self,
        ua: UserAgent,
        dialog: Dialog,
        authenticator: Authenticator,
        reasons: Sequence[str] = (),
        done: Callable[[float], None] | None = None,
    ) -> None:
        self._ua = ua
        self._dialog = dialog
        self._authenticator = authenticator
        self._reasons = reasons
        self._done = done
        self._tries = 0
        self._until: float | None = None
        self._timer: Timer | None = None
        self.heard = False
        self.taken = False
        self._transaction: ClientTransaction | None = None

    def send(self, now: float) -> None:
        """Send the BYE."""
        dialog = self._dialog
        self._timer = None
        if self._until is None:
            self._until = now + self._ua.timing.patience
        self._tries += 1
        headers = [("Reason", reason) for reason in self._reasons]
        headers += self._authenticator.headers("BYE", dialog.remote_target, b"")
        request, flow = dialog.request("BYE", dialog.next_cseq(), headers)
        self._transaction = self._ua.transactions.request(request, flow, self, now)

    def stop(self) -> None:
        """Send nothing more of it: the far end has hung up itself."""
        self._done = None
        if self._timer is not None:
            self._timer.cancel()
        if self._transaction is not None:
            self._transaction.stop()

    def answered(self, _transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take an answer: any final one ends the dialog, but a challenge that can be met."""
        self.heard = True
        if response.status < 200:
            return
        asked = challenges_of(response)
        if asked and self._tries < _TRIES and self._authenticator.answer(response.status, asked):
            self.send(now)
            return
        self.taken = response.status < 300
        self._finish(now)

    def unanswered(self, _transaction: ClientTransaction, why: str, now: float) -> None:
        """Take it that nobody answers: the dialog is over all the same.

        A proxy that is being started again, or whose connection was lost, is there in a moment; whoever talks would
        stay up without it. So where nothing could be delivered it is sent again for as long as it would be to silence.
        """
        again = now + self._ua.timing.t2
        if why == "timeout" or self._until is None or again >= self._until:
            self._finish(now)
        else:
            self._tries = 0
            self._timer = self._ua.timers.at(again, self.send)

    def _finish(self, now: float) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(now)
