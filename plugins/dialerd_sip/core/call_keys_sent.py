"""Keys that we press by INFO, for far ends that take no telephone events (RFC 6086; application/dtmf-relay).

Knows nothing of sound: whoever has agreed upon telephone events sends them there (RFC 4733).
"""

from typing import TYPE_CHECKING, Final

from dialerd_sip.core.call_keys import KEYS, KINDS
from dialerd_sip.core.call_leg import Leg
from dialerd_sip.core.events import KeysRefused
from dialerd_sip.core.headers import challenges_of
from dialerd_sip.core.message import Response
from dialerd_sip.core.transactions import ClientTransaction

if TYPE_CHECKING:
    from dialerd_sip.core.call import Call

_MOST: Final = 64  # keys that wait, as by RFC 4733
_TRIES: Final = 3  # INFOs for one key that a far end may challenge
_PRESSED_MS: Final = 100


class KeysSent:
    """Keys on their way, one after the other: an INFO may overtake another. What is refused ends them all, and is told.

    Args:
        call: the call.
        leg: its leg.

    Attributes:
        refused: whether the far end did not take the last one.
    """

    __slots__ = ("_call", "_leg", "_transaction", "_tries", "_waiting", "refused")

    def __init__(self, call: "Call", leg: Leg) -> None:
        self._call = call
        self._leg = leg
        self._waiting = ""
        self._tries = 0
        self._transaction: ClientTransaction | None = None
        self.refused = False

    @property
    def busy(self) -> bool:
        """Whether a key was not taken yet."""
        return bool(self._waiting)

    def add(self, keys: str, now: float) -> None:
        """Have keys sent after those that wait; what is no key is left out."""
        self._waiting = (self._waiting + "".join(key for key in keys.upper() if key in KEYS))[:_MOST]
        if self._transaction is None:
            self._send(now)

    def stop(self) -> None:
        """Send no more."""
        self._waiting = ""
        if self._transaction is not None:
            self._transaction.stop()
            self._transaction = None

    def answered(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take the answer to a key: the next one follows."""
        status = response.status
        if transaction is not self._transaction or status < 200:
            return
        self._transaction = None
        if status == 481:  # RFC 5057 section 5.1: the far end knows of no such dialog
            self._call.part(self._leg, now, why="timeout", detail="the far end knows nothing of the call any more")
            return
        if status < 300:
            self._waiting, self._tries, self.refused = self._waiting[1:], 0, False
        elif (
            status not in (401, 407)
            or self._tries >= _TRIES
            or not self._call.authenticator.answer(status, challenges_of(response))
        ):
            self._refused(status)
        self._send(now)

    def unanswered(self, transaction: ClientTransaction, _why: str, _now: float) -> None:
        """Take it that nobody takes keys; whether the far end is there is the session timer's to find out."""
        if transaction is self._transaction:
            self._transaction = None
            self._refused(None)

    def _refused(self, status: int | None) -> None:
        self._waiting, self._tries, self.refused = "", 0, True
        self._call.emit(KeysRefused(call_id=self._call.call_id, status=status))

    def _send(self, now: float) -> None:
        if not self._waiting:
            return
        self._tries += 1
        call, dialog = self._call, self._leg.dialog
        body = f"Signal={self._waiting[0]}\r\nDuration={_PRESSED_MS}\r\n".encode()
        headers = [*call.authenticator.headers("INFO", dialog.remote_target, body), ("Content-Type", KINDS[0])]
        request, flow = dialog.request("INFO", dialog.next_cseq(), headers, body)
        self._transaction = call.ua.transactions.request(request, flow, self, now)
