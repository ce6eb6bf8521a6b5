"""The user agent: five verbs around everything; which message is whose. See `dialerd_sip.core`.

A message is first its transaction's. An answer without one is dropped, but for a 2xx to an INVITE: somebody has
answered a phone, and the call, or a reflex where it is over, hangs up. A request without one belongs to the call that
has its Call-ID, if it has a To tag; else it is a stray. Requests of sources that no trunk named are not even looked at,
unless a call knows both their tags: trunks that do not record-route let far ends speak for themselves.

Knows nothing of sockets, and of calls only that they take requests.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from dialerd_sip.core.answer_flow import answer_flow
from dialerd_sip.core.dialog import tag_in
from dialerd_sip.core.events import Event
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.late import Late
from dialerd_sip.core.message import BadMessage, Request, Response, parse_message
from dialerd_sip.core.recent import Recent
from dialerd_sip.core.refusing import answer_to, dropped, refusal
from dialerd_sip.core.server_transactions import AGENT, key_of
from dialerd_sip.core.source import with_source
from dialerd_sip.core.strays import Strays, answer
from dialerd_sip.core.timing import Timers, Timing
from dialerd_sip.core.transactions import ServerTransaction, Transactions

_RINGS_ON: Final = 240.0
"""Seconds for which a phone may ring on whose CANCEL was lost: a proxy's timer C, more than three minutes (RFC 3261
section 16.6)."""


class CallUser(Protocol):
    """What the user agent routes to by Call-ID: a call, or one of a former life."""

    def asked(self, transaction: ServerTransaction, now: float) -> None:
        """Take a request within a dialog (BYE, INVITE, UPDATE, INFO, NOTIFY, PRACK, OPTIONS…), and answer it."""

    def acknowledged(self, request: Request, flow: Flow, now: float) -> None:
        """Take the ACK to a 2xx of ours."""

    def stray(self, response: Response, flow: Flow, now: float) -> bool:
        """Take a 2xx to an INVITE of this Call-ID that matches no transaction (any more).

        Return False where it has not our tag: who does not know that has not heard our INVITE.
        """

    def concerns(self, request: Request) -> bool:
        """Whether a request has both tags of a dialog of this call; it is asked of requests from unknown sources."""


class UserAgent:
    """A user agent of one bind address, for all trunks and calls that use it.

    Args:
        timing: the timers.

    Attributes:
        timing: the timers' lengths.
        timers: the heap of all timers.
        transactions: all transactions.
        counts: how many messages were dropped or refused, by why: `unknown_source`, `bad` (cannot be read),
            `no_transaction` (an answer to nothing of ours), `no_dialog` (a request to no call of ours), `refused`
            (RFC 3261 section 8.2), `late` (a 2xx to a call that is over), `too_late` (one that is not even hung up,
            there being too many).
    """

    __slots__ = (
        "_doubtful",
        "_events",
        "_failure_told",
        "_late",
        "_out",
        "_released",
        "_strays",
        "_trusted",
        "_trusting",
        "_users",
        "counts",
        "timers",
        "timing",
        "transactions",
    )

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.timers = Timers()
        self.counts: dict[str, int] = {}
        self._out: list[tuple[bytes, Flow]] = []
        self._events: deque[Event] = deque()
        self.transactions = Transactions(self.timers, timing, self.send)
        self._late = Late(self.transactions)
        self._strays = Strays(timing.patience)
        self._released = Recent(timing.patience)
        self._doubtful = Recent(_RINGS_ON)
        self._users: dict[str, CallUser] = {}
        self._failure_told: dict[Any, Callable[[Flow, str, float], None]] = {}
        self._trusting: dict[Any, frozenset[str]] = {}
        self._trusted: frozenset[str] = frozenset()

    @property
    def sizes(self) -> dict[str, int]:
        """How much is held: transactions, calls, timers, Call-IDs of calls that are over."""
        held = {f"{side}_transactions": number for side, number in self.transactions.counts.items()}
        return held | {
            "calls": len(self._users),
            "timers": len(self.timers),
            "released": len(self._released) + len(self._doubtful),
        }

    # the five verbs, and what only the shell knows

    def receive_datagram(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one whole message; never raises, whatever it is."""
        self.transactions.now = now
        request: Request | None = None
        try:
            message = parse_message(data)
            if isinstance(message, Response):
                self._take_response(message, flow, now)
            else:
                request = message
                self._take_request(message, flow, now)
        except BadMessage as bad:
            self._count("bad")
            refused = answer_to(bad, request) if flow.host in self._trusted else None
            if refused is not None:
                self._refuse(refused, flow)
        except ValueError:  # text that cannot be written again
            self._count("bad")

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Flow]]:
        """Return what is to go out, in order; it is forgotten then."""
        self.transactions.now = now
        if not self._out:
            return []
        out, self._out = self._out, []
        return out

    def next_deadline(self) -> float | None:
        """Return when `handle_timer` is to be called, or None."""
        return self.timers.next_deadline()

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        self.transactions.now = now
        self.timers.handle(now)

    def next_event(self) -> Event | None:
        """Return what happened next, or None."""
        return self._events.popleft() if self._events else None

    def flow_failed(self, flow: Flow, why: str, now: float) -> None:
        """Take it that a flow leads nowhere: `refused` (ICMP) or `connection` (could not be opened, or was lost)."""
        self.transactions.flow_failed(flow, why, now)
        for told in tuple(self._failure_told.values()):
            told(flow, why, now)

    # what calls, registrations and pings need

    def send(self, data: bytes, flow: Flow) -> None:
        """Queue bytes, for messages without a transaction: ACKs to 2xx."""
        self._out.append((data, flow))

    def emit(self, event: Event) -> None:
        """Queue an event."""
        self._events.append(event)

    def adopt(self, call_id: str, user: CallUser) -> None:
        """Route messages of a Call-ID to `user`."""
        self._users[call_id] = user
        self._released.forget(call_id)
        self._doubtful.forget(call_id)

    def release(self, call_id: str, tag: str, *, doubtful: bool = False) -> None:
        """Route them no more; a late 2xx is then acknowledged and hung up, a late request answered with 481.

        Args:
            call_id: the Call-ID.
            tag: our tag, which a late 2xx must have: ACK and BYE are sent to wherever it says.
            doubtful: whether a phone may ring on that nobody could stop.
        """
        if self._users.pop(call_id, None) is not None:
            (self._doubtful if doubtful else self._released).remember(call_id, tag, self.transactions.now)

    def on_flow_failed(self, owner: Any, told: Callable[[Flow, str, float], None] | None) -> None:
        """Have `told(flow, why, now)` called for each flow that fails, after the transactions; None = no more."""
        self._failure_told.pop(owner, None)
        if told is not None:
            self._failure_told[owner] = told

    # what trunks need

    def set_timing(self, timing: Timing) -> None:
        """Have other timers from now on; transactions that are under way go on with those that they have set."""
        self.timing = self.transactions.timing = timing

    def trust(self, owner: Any, hosts: frozenset[str]) -> None:
        """Take requests from these IP addresses, for an owner (a trunk); replaces what it trusted before.

        Requests from elsewhere are dropped and counted, unless they belong to a dialog that is known by Call-ID and
        both tags.

        Args:
            owner: who trusts them; any hashable thing.
            hosts: the addresses; none = the owner is gone.
        """
        self._trusting.pop(owner, None)
        if hosts:
            self._trusting[owner] = hosts
        self._trusted = frozenset().union(*self._trusting.values())

    def trusts(self, host: str) -> bool:
        """Whether any owner trusts an IP address."""
        return host in self._trusted

    # which message is whose

    def _take_response(self, response: Response, flow: Flow, now: float) -> None:
        if dropped(response) is not None:
            self._count("bad")
            return
        if self.transactions.receive_response(response, now):
            return
        if 200 <= response.status < 300 and response.cseq.method == "INVITE":
            user = self._users.get(response.call_id)
            if user is not None:
                if not user.stray(response, flow, now):
                    self._count("no_transaction")
                return
            tag = self._released.recall(response.call_id, now) or self._doubtful.recall(response.call_id, now)
            if tag is not None and tag == tag_in(response, of="from"):
                self._count("late" if self._late.take(response, flow, now) else "too_late")
                return
        self._count("no_transaction")

    def _take_request(self, request: Request, flow: Flow, now: float) -> None:
        user = self._users.get(request.call_id)
        if flow.host not in self._trusted and (user is None or not user.concerns(request)):
            self._count("unknown_source")
            return
        key = key_of(request)
        if self.transactions.receive_request(request, key, now):
            return
        back = answer_flow(request, flow)
        with_source(request, flow.host, flow.port)
        refused = refusal(request)
        if refused is not None:
            self._count("refused")
            self._refuse(refused, back)
        elif request.method == "ACK":
            if user is None:
                self._count("no_dialog")
            else:
                user.acknowledged(request, flow, now)
        elif request.method == "CANCEL" and (cancelled := self.transactions.cancelled(request)) is not None:
            self._refuse(answer(request, 200, "OK"), back)
            if cancelled.open:
                cancelled.answer(answer(cancelled.request, 487, "Request Terminated"), now)
        elif user is not None and request.to_tag is not None and request.method != "CANCEL":
            self._ask(user, self.transactions.serve(request, key, flow, back, now), now)
        else:
            self._count("no_dialog")
            self._refuse(self._strays.answer_to(request, ours=user is not None, now=now), back)

    def _ask(self, user: CallUser, transaction: ServerTransaction, now: float) -> None:
        try:
            user.asked(transaction, now)
        except (BadMessage, ValueError):
            self._count("bad")
            if transaction.open:
                transaction.answer(answer(transaction.request, 400, "Bad Request"), now)

    def _refuse(self, refused: Response, flow: Flow) -> None:
        """Send an answer without a transaction."""
        refused.add("Server", AGENT)
        self.send(refused.to_bytes(), flow)

    def _count(self, why: str) -> None:
        self.counts[why] = self.counts.get(why, 0) + 1
