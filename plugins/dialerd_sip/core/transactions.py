"""All transactions of a user agent: what is matched with what (RFC 3261 sections 17.1.3, 17.2.3 and 18.1.2).

A transaction's owner is told by methods; it is never told anything after a final answer but, of an INVITE, further 2xx.
The machines are tables in `machines`, one transaction stands in `client_transactions` and `server_transactions`.
"""

from collections.abc import Callable
from typing import Final

from dialerd_sip.core.client_transactions import ClientOwner, ClientTransaction
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.invite_siblings import cancellation
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.server_transactions import AGENT, Key, ServerTransaction, acknowledged_key_of, key_of
from dialerd_sip.core.timing import Timers, Timing

__all__ = ["ClientOwner", "ClientTransaction", "ServerTransaction", "Transactions"]

MOST_SERVER_TRANSACTIONS: Final = 65_536
"""How many requests of far ends are remembered at once: 2,000 BYEs a second for 32 seconds. The oldest gives way."""

_SIGNATURE: Final = (("User-Agent", AGENT),)


class Transactions:
    """All transactions of a user agent.

    Args:
        timers: the heap that theirs go into.
        timing: how long they are.
        send: queues what is to go out: `send(data, flow)`.

    Attributes:
        now: the last instant that the user agent was told.
        heard: when an answer came last that shows that calls are taken, of flows that somebody put there: neither one
            to OPTIONS, whose asker judges it, nor a 503.
    """

    __slots__ = (
        "_accepted",
        "_clients",
        "_exposed",
        "_servers",
        "heard",
        "now",
        "send",
        "timers",
        "timing",
    )

    def __init__(self, timers: Timers, timing: Timing, send: Callable[[bytes, Flow], None]) -> None:
        self.timers = timers
        self.timing = timing
        self.send = send
        self.now = 0.0
        self.heard: dict[Flow, float] = {}
        self._clients: dict[tuple[str, str], ClientTransaction] = {}
        self._servers: dict[Key, ServerTransaction] = {}
        self._accepted: dict[Key, ServerTransaction] = {}  # those that wait for the ACK to a 2xx
        self._exposed: dict[Flow, dict[ClientTransaction, None]] = {}  # those that a broken flow ends

    @property
    def counts(self) -> dict[str, int]:
        """How many there are."""
        return {"client": len(self._clients), "server": len(self._servers)}

    # clients

    def request(self, request: Request, flow: Flow, owner: ClientOwner | None, now: float) -> ClientTransaction:
        """Send a request, whose topmost Via has its branch, and return its transaction.

        It gets a User-Agent header (RFC 3261 section 20.41), by which trunks tell their customers' systems apart. An
        INVITE gets timers A, B, D and RFC 6026's M; others E, F, K.

        Args:
            request: the request.
            flow: where to.
            owner: who is told of answers; None = nobody.
            now: the instant.
        """
        request.extend(_SIGNATURE)
        transaction = self._open(request, flow, owner, now)
        transaction.start(now)
        return transaction

    def resume(self, request: Request, flow: Flow, owner: ClientOwner, now: float) -> ClientTransaction:
        """Take up an INVITE of a former life without sending it: its answers are told as if it had been sent now."""
        transaction = self._open(request, flow, owner, now)
        transaction.take_up(now)
        return transaction

    def cancel(
        self,
        invite: ClientTransaction,
        now: float,
        reasons: tuple[str, ...] = (),
        owner: ClientOwner | None = None,
    ) -> ClientTransaction | None:
        """Send the CANCEL of an INVITE that waits for its final answer, and return its transaction.

        Before a provisional answer has come it must wait (RFC 3261 section 9.1), but for an INVITE of a former life,
        whose provisional answer may have come then. The INVITE's own answer still comes, a 487 or, where they crossed,
        a 2xx.

        Args:
            invite: what is taken back.
            now: the instant.
            reasons: Reason values (RFC 3326).
            owner: who is told of the CANCEL's own answer; None = nobody.

        Returns:
            The CANCEL's transaction, the same one the second time; None where the INVITE has its final answer already.
        """
        if not invite.open:
            return None
        under_way = self._clients.get((invite.branch, "CANCEL"))
        if under_way is not None:
            return under_way
        return self.request(cancellation(invite.request, reasons), invite.flow, owner, now)

    def knows(self, branch: str, method: str) -> bool:
        """Whether there is a request of ours with this branch and method."""
        return (branch, method) in self._clients

    def receive_response(self, response: Response, now: float) -> bool:
        """Take an answer; return False where it matches no transaction, or means nothing to it any more.

        Raises:
            BadMessage: its Via or CSeq cannot be read.
        """
        transaction = self._clients.get((response.via.branch or "", response.cseq.method))
        if transaction is None:
            return False
        if transaction.flow in self.heard and response.status != 503 and response.cseq.method != "OPTIONS":
            self.heard[transaction.flow] = now
        return transaction.take(response, now)

    def flow_failed(self, flow: Flow, why: str, now: float) -> None:
        """Tell all whose request a flow should have carried that it leads nowhere: `refused` or `connection`."""
        self.now = now
        for transaction in tuple(self._exposed.get(flow, ())):
            transaction.broken(why, now)

    # servers

    def serve(self, request: Request, key: Key, flow: Flow, back: Flow, now: float) -> ServerTransaction:
        """Return the transaction of a request that matches none so far.

        Args:
            request: what is asked.
            key: what it is matched by.
            flow: where it came from.
            back: where answers go.
            now: the instant.
        """
        if len(self._servers) >= MOST_SERVER_TRANSACTIONS:
            next(iter(self._servers.values())).terminate()
        transaction = self._servers[key] = ServerTransaction(self, request, key, flow, back)
        return transaction

    def receive_request(self, request: Request, key: Key, now: float) -> bool:
        """Take a request that came before, or an ACK to an answer of ours; return False where it is a new one.

        The ACK to a 2xx is never taken whole: the call is to have it as well.

        Args:
            request: what is asked.
            key: what it is matched by.
            now: the instant.
        """
        transaction = self._servers.get(key)
        if transaction is not None and (request.method != "ACK" or transaction.acknowledged_key is None):
            transaction.take(request, now)
            return True
        if request.method == "ACK" and self._accepted:
            accepted = self._accepted.pop(acknowledged_key_of(request), None)
            if accepted is not None:
                accepted.take(request, now)
        return False

    def cancelled(self, cancel: Request) -> ServerTransaction | None:
        """Return the transaction that a CANCEL means (RFC 3261 section 9.2), or None."""
        return self._servers.get((*key_of(cancel)[:-1], "INVITE"))

    # what transactions call

    def accepted(self, transaction: ServerTransaction) -> None:
        """Take it that an INVITE was accepted: its ACK will have another branch."""
        if transaction.acknowledged_key is not None:
            self._accepted[transaction.acknowledged_key] = transaction

    def finished(self, transaction: ServerTransaction) -> None:
        """Forget a server transaction."""
        self._servers.pop(transaction.key, None)
        if transaction.acknowledged_key is not None:
            self._accepted.pop(transaction.acknowledged_key, None)

    def shelter(self, transaction: ClientTransaction) -> None:
        """Take it that a broken flow means nothing to a client transaction any more."""
        exposed = self._exposed.get(transaction.flow)
        if exposed is not None:
            exposed.pop(transaction, None)
            if not exposed:
                del self._exposed[transaction.flow]

    def ended(self, transaction: ClientTransaction) -> None:
        """Forget a client transaction."""
        if self._clients.get(transaction.key) is transaction:
            del self._clients[transaction.key]

    def _open(self, request: Request, flow: Flow, owner: ClientOwner | None, now: float) -> ClientTransaction:
        self.now = now
        transaction = ClientTransaction(self, request, flow, owner, now)
        self._clients[transaction.key] = transaction
        self._exposed.setdefault(flow, {})[transaction] = None
        return transaction
