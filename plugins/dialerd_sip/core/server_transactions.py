"""Server transactions: a request of the far end, until it cannot come again (RFC 3261 section 17.2, RFC 6026).

What happens when stands in `machines`; here is how it is done. Knows nothing of dialogs and of what requests are for.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dialerd_sip.core.flow import Flow
from dialerd_sip.core.machines import SERVER, SERVER_INVITE, Compiled, Do, Input, State, compiled
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.timing import Timer

if TYPE_CHECKING:
    from dialerd_sip.core.transactions import Transactions

AGENT: Final = "dialerd"
"""What we call ourselves in the headers User-Agent and Server (RFC 3261 sections 20.41 and 20.35)."""

Key = tuple[object, ...]
"""What retransmitted requests are matched by (RFC 3261 section 17.2.3)."""


def key_of(request: Request) -> Key:
    """Return what a request's retransmissions are matched by; an ACK has its INVITE's key, a CANCEL one of its own.

    Of a branch that is no RFC 3261 branch the rules for RFC 2543 hold; the tag in To is left out, since an ACK may
    have one that its INVITE had not, and CSeq tells them apart well enough.
    """
    via = request.via
    method = "INVITE" if request.method == "ACK" else request.method
    if via.unique:
        return (via.branch, via.host.lower(), via.port, method)
    number = request.cseq.number
    return ("2543", request.uri, request.from_.params.get("tag"), request.call_id, number, via.branch, method)


def acknowledged_key_of(request: Request) -> Key:
    """Return what ties an ACK to the INVITE whose 2xx it acknowledges (RFC 3261 section 13.2.2.4): not the branch."""
    return (request.call_id, request.cseq.number, request.from_.params.get("tag"))


class ServerTransaction:
    """A request of the far end that is to be answered.

    Attributes:
        request: what was asked. Gone once it is answered for good.
        flow: where it came from.
        state: its state.
        key: what retransmissions are matched by.
        acknowledged_key: of an INVITE that was accepted, what its ACK is matched by.
    """

    __slots__ = (
        "_all",
        "_back",
        "_data",
        "_interval",
        "_out_of_patience",
        "_repeats",
        "_table",
        "_timer",
        "_unacknowledged",
        "_until",
        "acknowledged_key",
        "flow",
        "key",
        "request",
        "state",
    )
    request: Request

    def __init__(self, transactions: "Transactions", request: Request, key: Key, flow: Flow, back: Flow) -> None:
        invites = request.method == "INVITE"
        self._all = transactions
        self._back = back
        self._data: bytes | None = None
        self._interval: float | None = None
        self._table = _INVITE if invites else _OTHER
        self._repeats = Input.TIMER_G
        self._out_of_patience = Input.TIMER_H
        self._unacknowledged: Callable[[float], None] | None = None
        self._until = 0.0
        self._timer: Timer | None = None
        self.acknowledged_key: Key | None = None
        self.request = request
        self.flow = flow
        self.key = key
        self.state = State.PROCEEDING if invites else State.TRYING

    @property
    def open(self) -> bool:
        """Whether it wants a final answer."""
        return self.state is State.TRYING or self.state is State.PROCEEDING

    def answer(self, response: Response, now: float, unacknowledged: Callable[[float], None] | None = None) -> None:
        """Send an answer; a retransmitted request gets it again. A 2xx to an INVITE is retransmitted until its ACK.

        A second final answer is not sent.

        Args:
            response: the answer.
            now: the instant.
            unacknowledged: called where nobody acknowledged the final answer to an INVITE within 64*T1; the dialog
                should be ended with a BYE then (RFC 3261 section 13.3.1.4).
        """
        status = response.status
        coming = Input.SAY_PROVISIONAL if status < 200 else Input.SAY_SUCCESS if status < 300 else Input.SAY_FAILURE
        if coming not in self._table[self.state]:
            return
        if coming is Input.SAY_SUCCESS and self.open and self._table is _INVITE:
            self.acknowledged_key = acknowledged_key_of(self.request)
            self._all.accepted(self)
        response.extend(_SIGNATURE)
        self._data = response.to_bytes()
        self._unacknowledged = unacknowledged
        self._step(coming, now)

    # what `Transactions` calls

    def take(self, request: Request, now: float) -> None:
        """Take the request once more, or an ACK that has its key or acknowledges its 2xx."""
        self._step(Input.ACK if request.method == "ACK" else Input.REQUEST, now)

    def terminate(self) -> None:
        """End it, whatever its state."""
        self.state = State.TERMINATED
        self._calm()
        self._data = None
        self._all.finished(self)

    # steps

    def _step(self, coming: Input, now: float) -> None:
        step = self._table[self.state].get(coming)
        if step is None:
            return
        was_open = self.open
        self.state, does = step
        for do in does:
            do(self, now)
        if self.state is State.TERMINATED:
            self.terminate()
        elif was_open and not self.open:
            del self.request  # it may live on for half a minute, and there may be tens of thousands of them

    def _due(self, now: float) -> None:
        self._timer = None
        self._step(self._out_of_patience if now >= self._until else self._repeats, now)

    def _wait(self, now: float) -> None:
        at = self._until if self._interval is None else min(now + self._interval, self._until)
        self._timer = self._all.timers.at(at, self._due)

    def _calm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # what tables name

    def _send(self, now: float) -> None:
        if self._data is not None:
            self._all.send(self._data, self._back)

    def _back_off(self, now: float) -> None:
        if self._interval is not None:
            self._interval = min(self._interval * 2, self._all.timing.t2)
        self._wait(now)

    def _send_no_more(self, now: float) -> None:
        """Let timer L run on without retransmissions, in the state Accepted."""
        self._unacknowledged = None
        self._data = None
        self._calm()
        self._interval = None
        self._wait(now)

    def _tell_timeout(self, now: float) -> None:
        unacknowledged, self._unacknowledged = self._unacknowledged, None
        if unacknowledged is not None:
            unacknowledged(now)

    def _linger(self, letter: Input, seconds: float, now: float, again: float | None = None) -> None:
        self._calm()
        self._out_of_patience = letter
        self._until = now + seconds
        self._interval = again
        self._wait(now)

    def _start_g_h(self, now: float) -> None:
        timing = self._all.timing
        self._linger(Input.TIMER_H, timing.patience, now, None if self._back.transport.reliable else timing.t1)

    def _start_i(self, now: float) -> None:
        self._data = None
        self._unacknowledged = None
        self._linger(Input.TIMER_I, 0.0 if self._back.transport.reliable else self._all.timing.t4, now)

    def _start_j(self, now: float) -> None:
        self._linger(Input.TIMER_J, 0.0 if self._back.transport.reliable else self._all.timing.patience, now)

    def _start_l(self, now: float) -> None:
        """Start timer L; the 2xx is sent again over connections too, since proxies behind may use datagrams."""
        self._repeats = Input.AGAIN
        self._linger(Input.TIMER_L, self._all.timing.patience, now, self._all.timing.t1)


_SIGNATURE: Final = (("Server", AGENT),)
_DOES: Final = {
    Do.SEND: ServerTransaction._send,
    Do.BACK_OFF: ServerTransaction._back_off,
    Do.CALM: ServerTransaction._send_no_more,
    Do.TELL_TIMEOUT: ServerTransaction._tell_timeout,
    Do.START_G_H: ServerTransaction._start_g_h,
    Do.START_I: ServerTransaction._start_i,
    Do.START_J: ServerTransaction._start_j,
    Do.START_L: ServerTransaction._start_l,
}
_INVITE: Final[Compiled] = compiled(SERVER_INVITE, _DOES)
_OTHER: Final[Compiled] = compiled(SERVER, _DOES)
