"""Client transactions: a request that was sent, until nothing more can come of it (RFC 3261 section 17.1, RFC 6026).

What happens when stands in `machines`; here is how it is done. A transaction has one timer, for what comes first of
sending again and giving up. Knows nothing of dialogs and of what requests are for.
"""

from typing import TYPE_CHECKING, Final, Protocol

from dialerd_sip.core.flow import Flow
from dialerd_sip.core.invite_siblings import acknowledgement
from dialerd_sip.core.machines import CLIENT, CLIENT_INVITE, Compiled, Do, Input, State, compiled
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.timing import Timer

if TYPE_CHECKING:
    from dialerd_sip.core.transactions import Transactions

UNANSWERED: Final = {
    "timeout": "it does not answer",
    "refused": "nobody listens there (ICMP)",
    "connection": "its connection cannot be opened, or was lost",
}
"""What it means that no final answer comes, for people."""


class ClientOwner(Protocol):
    """Who sent a request."""

    def answered(self, transaction: "ClientTransaction", response: Response, now: float) -> None:
        """Take an answer: each provisional one that is no retransmission of the last, and the final one once.

        Of an INVITE each 2xx is told, retransmitted and forked ones too: the owner acknowledges them. Other final
        answers to an INVITE are acknowledged by the transaction.
        """

    def unanswered(self, transaction: "ClientTransaction", why: str, now: float) -> None:
        """Take it that no final answer comes: one of `UNANSWERED`."""


Key = tuple[str, str]
"""What an answer is matched by: branch and method (RFC 3261 section 17.1.3)."""


class ClientTransaction:
    """A request that was sent, with all that matters of it.

    Attributes:
        request: as it was sent. Gone once its owner has been told a final answer that is no 2xx to an INVITE.
        flow: where to.
        branch: branch of its Via.
        heard: whether any answer came.
        state: its state.
        key: what answers are matched by.
    """

    __slots__ = (
        "_all",
        "_data",
        "_exposed",
        "_interval",
        "_last",
        "_out_of_patience",
        "_owner",
        "_repeats",
        "_sent_by",
        "_table",
        "_timer",
        "_until",
        "_why",
        "branch",
        "flow",
        "heard",
        "key",
        "request",
        "state",
    )
    request: Request

    def __init__(
        self, transactions: "Transactions", request: Request, flow: Flow, owner: ClientOwner | None, now: float
    ) -> None:
        via = request.via
        invites = request.method == "INVITE"
        self._all = transactions
        self._owner = owner
        self._sent_by = (via.host.lower(), via.port)
        self._table = _INVITE if invites else _OTHER
        self._repeats = Input.TIMER_A if invites else Input.TIMER_E
        self._out_of_patience = Input.TIMER_B if invites else Input.TIMER_F
        self._last: tuple[object, ...] | None = None
        self._why = ""
        self._exposed = True
        self._data: bytes | None = None
        self._interval: float | None = None if flow.transport.reliable else transactions.timing.t1
        self._until = now + transactions.timing.patience
        self._timer: Timer | None = None
        self.branch = via.branch or ""
        self.key: Key = (self.branch, request.method)
        self.state = State.CALLING if invites else State.TRYING
        self.request = request
        self.flow = flow
        self.heard = False

    @property
    def open(self) -> bool:
        """Whether it waits for a final answer."""
        return self.state in _OPEN

    def stop(self) -> None:
        """Send nothing more of it, and tell its owner nothing more (for a request whose answer nobody waits for).

        A refusal of an INVITE is still acknowledged; a 2xx to it counts as one that matches no transaction.
        """
        self._owner = None
        if self._table is _INVITE and self.open:
            self._send_no_more(0.0, None)
            self._timer = self._all.timers.at(self._all.now + self._all.timing.patience, self._forget)
        elif self.open or self.state is State.ACCEPTED:
            self._terminate()

    # what `Transactions` calls

    def start(self, now: float) -> None:
        """Send it for the first time."""
        self._data = self.request.to_bytes()
        self._all.send(self._data, self.flow)
        self._wait(now)

    def take_up(self, now: float) -> None:
        """Wait for answers without sending."""
        self._interval = None
        self._wait(now)

    def take(self, response: Response, now: float) -> bool:
        """Take an answer that bears its key; return False where it means nothing to this transaction."""
        via = response.via
        if (via.host.lower(), via.port) != self._sent_by:  # RFC 3261 section 18.1.2: it is not for us
            return False
        self.heard = True
        status = response.status
        coming = Input.PROVISIONAL if status < 200 else Input.SUCCESS if status < 300 else Input.FAILURE
        if coming is Input.SUCCESS and self._owner is None and self._table is _INVITE:
            self._terminate()
            return False
        if coming is Input.PROVISIONAL:
            if self._owner is None and self._table is _INVITE:
                return True  # it was stopped: what forgets it must not be calmed
            this = (status, response.first("To"), response.first("RSeq"), hash(response.body))
            if this == self._last:
                return True
            self._last = this
        return self._step(coming, now, response)

    def broken(self, why: str, now: float) -> None:
        """Take it that its flow leads nowhere."""
        self._why = why
        self._step(Input.LOST if self.flow.transport.reliable else Input.REFUSED, now, None)

    # steps

    def _step(self, coming: Input, now: float, response: Response | None) -> bool:
        step = self._table[self.state].get(coming)
        if step is None:
            return False
        before = self.state
        self.state, does = step
        if self.state is not before:
            if self.state is State.TERMINATED:
                self._terminate()
            elif self._exposed and (
                (Input.LOST if self.flow.transport.reliable else Input.REFUSED) not in self._table[self.state]
            ):
                self._exposed = False
                self._all.shelter(self)
        for do in does:
            do(self, now, response)
        return True

    def _due(self, now: float) -> None:
        self._timer = None
        self._step(self._out_of_patience if now >= self._until else self._repeats, now, None)

    def _forget(self, now: float) -> None:
        self._timer = None
        self._terminate()

    def _wait(self, now: float) -> None:
        at = self._until if self._interval is None else min(now + self._interval, self._until)
        self._timer = self._all.timers.at(at, self._due)

    def _calm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _terminate(self) -> None:
        self.state = State.TERMINATED
        self._calm()
        self._data = None
        if self._exposed:
            self._exposed = False
            self._all.shelter(self)
        self._all.ended(self)

    # what tables name

    def _send(self, now: float, response: Response | None) -> None:
        if self._data is not None:
            self._all.send(self._data, self.flow)

    def _back_off(self, now: float, response: Response | None) -> None:
        """Double the interval (timer A), of what is no INVITE up to T2, and T2 at once after a 1xx (timer E)."""
        t2 = self._all.timing.t2
        if self.state is State.PROCEEDING:
            self._interval = t2
        elif self._interval is not None:
            doubled = self._interval * 2
            self._interval = doubled if self._table is _INVITE else min(doubled, t2)
        self._wait(now)

    def _send_no_more(self, now: float, response: Response | None) -> None:
        self._calm()
        self._data = None

    def _acknowledge(self, now: float, response: Response | None) -> None:
        if response is not None:
            self._data = acknowledgement(self.request, response).to_bytes()
            self._all.send(self._data, self.flow)

    def _linger(self, letter: Input, seconds: float, now: float) -> None:
        self._calm()
        self._interval = None
        self._out_of_patience = letter
        self._until = now + seconds
        self._wait(now)

    def _start_d(self, now: float, response: Response | None) -> None:
        self._linger(Input.TIMER_D, 0.0 if self.flow.transport.reliable else self._all.timing.timer_d, now)

    def _start_k(self, now: float, response: Response | None) -> None:
        self._data = None
        self._linger(Input.TIMER_K, 0.0 if self.flow.transport.reliable else self._all.timing.t4, now)

    def _start_m(self, now: float, response: Response | None) -> None:
        self._data = None
        self._linger(Input.TIMER_M, self._all.timing.patience, now)

    def _tell(self, now: float, response: Response | None) -> None:
        owner = self._owner
        if self.state is State.COMPLETED:
            self._owner = None
        if owner is not None and response is not None:
            owner.answered(self, response, now)
        if self.state is State.COMPLETED:
            del self.request  # it may live on for half a minute, and there may be tens of thousands of them

    def _tell_timeout(self, now: float, response: Response | None) -> None:
        self._tell_unanswered("timeout", now)

    def _tell_broken(self, now: float, response: Response | None) -> None:
        self._tell_unanswered(self._why, now)

    def _tell_unanswered(self, why: str, now: float) -> None:
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.unanswered(self, why, now)


_OPEN: Final = frozenset((State.CALLING, State.TRYING, State.PROCEEDING))
_DOES: Final = {
    Do.SEND: ClientTransaction._send,
    Do.BACK_OFF: ClientTransaction._back_off,
    Do.CALM: ClientTransaction._send_no_more,
    Do.TELL: ClientTransaction._tell,
    Do.TELL_TIMEOUT: ClientTransaction._tell_timeout,
    Do.TELL_BROKEN: ClientTransaction._tell_broken,
    Do.ACK: ClientTransaction._acknowledge,
    Do.START_D: ClientTransaction._start_d,
    Do.START_K: ClientTransaction._start_k,
    Do.START_M: ClientTransaction._start_m,
}
_INVITE: Final[Compiled] = compiled(CLIENT_INVITE, _DOES)
_OTHER: Final[Compiled] = compiled(CLIENT, _DOES)
