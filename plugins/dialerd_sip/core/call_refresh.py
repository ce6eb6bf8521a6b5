"""The session timer of an answered call (RFC 4028): one side refreshes at half, the other hangs up where none comes."""

from hashlib import blake2s
from typing import TYPE_CHECKING, Final

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.call_leg import Leg
from dialerd_sip.core.call_media import description_in
from dialerd_sip.core.events import MediaChanged
from dialerd_sip.core.headers import SessionExpires, challenges_of, min_se, session_expires
from dialerd_sip.core.message import Message, Response
from dialerd_sip.core.refusing import ALLOW
from dialerd_sip.core.sdp import SDP, BadDescription
from dialerd_sip.core.timing import Timer
from dialerd_sip.core.transactions import ClientTransaction

if TYPE_CHECKING:
    from dialerd_sip.core.call import Call

SHORTEST: Final = 90
"""Seconds of the shortest session (RFC 4028 section 5)."""
REASON_EXPIRED: Final = 'Q.850;cause=102;text="session timer"'
_MARGIN: Final = 32.0  # section 10: who waits hangs up this long, or a third of the interval, before the expiry
_TRIES: Final = 3  # 401, 422 and 405 in one refresh


class Refreshing:
    """A session timer.

    Args:
        call: the call.
        leg: its leg.
        seed: what the wait after a 491 is drawn from.
        wished: seconds that we offered; 0 = we want none.

    Attributes:
        seconds: the interval that holds, or 0.
        ours: whether we refresh.
        inviting: whether a re-INVITE of ours is under way.
    """

    __slots__ = (
        "_by_invite",
        "_call",
        "_expires_at",
        "_least",
        "_leg",
        "_seed",
        "_timer",
        "_transaction",
        "_tries",
        "_wished",
        "inviting",
        "ours",
        "seconds",
    )

    def __init__(self, call: "Call", leg: Leg, seed: str, wished: int) -> None:
        self._call = call
        self._leg = leg
        self._seed = seed
        self._wished = wished
        self._least: int | None = None
        self._timer: Timer | None = None
        self._transaction: ClientTransaction | None = None
        self._tries = 0
        self._by_invite = False
        self._expires_at = 0.0
        self.inviting = False
        self.ours = False
        self.seconds = 0

    def take(self, response: Message, now: float) -> None:
        """Take the 2xx to an INVITE or UPDATE of ours (section 7.2); without Session-Expires nothing expires."""
        found = session_in(response)
        if found is None or not self._wished:
            self._start(0, False, now)
        else:
            self._start(max(found.seconds, SHORTEST), found.refresher != "uas", now)

    def serve(self, request: Message, takes_timer: bool, now: float) -> list[tuple[str, str]]:
        """Take a re-INVITE or UPDATE that is accepted, and return the headers of its 2xx (section 9).

        Args:
            request: the request.
            takes_timer: whether its sender knows session timers.
            now: the instant.
        """
        found = session_in(request)
        if not self._wished or (found is None and not self.seconds):
            return []
        seconds = max(found.seconds, SHORTEST) if found is not None else self.seconds
        if found is not None and found.refresher is not None:
            ours = found.refresher == "uas"
        else:
            ours = self.ours or not takes_timer
        if not takes_timer:
            ours = True  # who does not know them cannot refresh
        self._start(seconds, ours, now)
        headers = [("Session-Expires", f"{seconds};refresher={'uas' if ours else 'uac'}")]
        if not ours:
            headers.append(("Require", "timer"))
        return headers

    def stop(self) -> None:
        """Let go of all that waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transaction is not None:
            self._transaction.stop()
            self._transaction = None

    # refreshing

    def _start(self, seconds: int, ours: bool, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.seconds, self.ours = seconds, ours
        if not seconds:
            return
        self._expires_at = now + seconds - min(_MARGIN, seconds / 3)
        if ours:
            self._wait(now + seconds / 2)
        else:
            self._timer = self._call.ua.timers.at(self._expires_at, self._expired)

    def _wait(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._call.ua.timers.at(at, self._refresh)

    def _refresh(self, now: float) -> None:
        self._tries = 0
        if self._transaction is None:
            self._send(now)

    def _send(self, now: float) -> None:
        call, dialog = self._call, self._leg.dialog
        if now >= self._expires_at:
            self._expired(now)
            return
        self._tries += 1
        self.inviting = self._by_invite or not self._leg.updates
        method = "INVITE" if self.inviting else "UPDATE"
        body = self._leg.media.current() if self.inviting else b""
        headers = [("Contact", dialog.contact), ("Allow", ALLOW), ("Supported", "timer")]
        headers.append(("Session-Expires", f"{self.seconds};refresher=uac"))
        if self._least is not None:
            headers.append(("Min-SE", str(self._least)))
        headers += call.authenticator.headers(method, dialog.remote_target, body)
        if body:
            headers.append(("Content-Type", SDP))
        request, flow = dialog.request(method, dialog.next_cseq(), headers, body)
        self._transaction = call.ua.transactions.request(request, flow, self, now)

    def answered(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take an answer to a refresh."""
        status = response.status
        if status < 200:
            return
        if status < 300 and transaction.key[1] == "INVITE":
            request, flow = self._leg.dialog.request("ACK", transaction.request.cseq.number)
            self._call.ua.send(request.to_bytes(), flow)
        if transaction is not self._transaction:
            return  # a 2xx that came again
        self._transaction = None
        self.inviting = False
        if status < 300:
            self._refreshed(response, now)
        elif status in (401, 407) and self._tries < _TRIES:
            if self._call.authenticator.answer(status, challenges_of(response)):
                self._send(now)
            else:
                self._try_later(now)
        elif status == 422 and self._tries < _TRIES and self._take_least(response):
            self._send(now)
        elif status in (405, 501) and not self._by_invite and self._tries < _TRIES:
            self._by_invite = True
            self._send(now)
        elif status in (408, 481):  # RFC 3261 section 12.2.1.2: the dialog is gone
            self._expired(now)
        elif status == 491:
            self._wait(now + self._glare())
        else:
            self._try_later(now)

    def unanswered(self, transaction: ClientTransaction, _why: str, now: float) -> None:
        """Take it that a refresh was not answered: the far end is gone (RFC 4028 section 10)."""
        if transaction is self._transaction:
            self._transaction = None
            self.inviting = False
            self._expired(now)

    def _refreshed(self, response: Response, now: float) -> None:
        leg = self._leg
        leg.dialog.learn_target(response)
        leg.learn(response)
        body, before = description_in(response), leg.media.agreed
        if body is not None:
            try:
                agreed = leg.media.take_answer(body)
                if agreed != before:
                    self._call.emit(MediaChanged(call_id=self._call.call_id, media=agreed))
            except BadDescription:
                leg.media.agreed = before
        self.take(response, now)

    def _take_least(self, response: Response) -> bool:
        try:
            least = min_se(response) or 0
        except BadMessage:
            return False
        if not max(self._least or 0, self.seconds) < least < 2**31:
            return False
        self._least = self.seconds = least
        return True

    def _try_later(self, now: float) -> None:
        """Try once more half way to the expiry; what refused it may have passed by then."""
        left = self._expires_at - now
        if left < 2:
            self._expired(now)
        else:
            self._wait(now + left / 2)

    def _glare(self) -> float:
        """Return 2.1 to 4 s in steps of 10 ms: we own the Call-ID (RFC 3261 section 14.1)."""
        drawn = blake2s(f"{self._seed} {self._leg.dialog.local_cseq}".encode(), digest_size=4).digest()
        return 2.1 + int.from_bytes(drawn, "big") % 191 / 100

    def _expired(self, now: float) -> None:
        self._call.part(self._leg, now, why="session_expired", reasons=(REASON_EXPIRED,))


def session_in(message: Message) -> SessionExpires | None:
    """Return Session-Expires; None too where it cannot be read."""
    try:
        return session_expires(message)
    except BadMessage:
        return None
