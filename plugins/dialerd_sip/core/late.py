"""A 2xx that comes when its call is over: it is acknowledged and hung up, from what stands in the answer itself.

A phone that was answered while its call was being taken back must not stay connected to nobody (RFC 3261 sections
13.2.2.4 and 15). Knows nothing of the call: the route set, the target, the tags and our own Via stand in the 2xx.
"""

from typing import Final

from dialerd_sip.core.dialog import Dialog
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.transactions import ClientTransaction, Transactions

MOST_FAREWELLS: Final = 1_024
"""BYEs of this kind under way at once: more are no accident, and each is sent eleven times for whoever is silent."""


class Late:
    """Hangs up what was answered too late.

    Args:
        transactions: all transactions.

    Attributes:
        under_way: how many BYEs wait for their answers.
    """

    __slots__ = ("_all", "under_way")

    def __init__(self, transactions: Transactions) -> None:
        self._all = transactions
        self.under_way = 0

    def take(self, response: Response, flow: Flow, now: float) -> bool:
        """Acknowledge a 2xx and end its dialog; return False where there is too much of that already.

        Args:
            response: a 2xx to an INVITE of ours.
            flow: where it came from.
            now: the instant.

        Raises:
            BadMessage: what is needed stands not in it.
        """
        via = response.via
        own = [(name, response.first(name) or "") for name in ("From", "To", "Call-ID", "CSeq")]
        contact = response.contact
        invite = Request("INVITE", contact.uri if contact is not None else response.to.uri, own)
        sent_by = via.host if via.port is None else f"{via.host}:{via.port}"
        dialog = Dialog.answered(response.call_id, invite, response, flow, contact="", sent_by=sent_by)
        acknowledgement, towards = dialog.request("ACK", response.cseq.number)
        self._all.send(acknowledgement.to_bytes(), towards)
        farewell, towards = dialog.request("BYE", dialog.next_cseq())
        if self._all.knows(farewell.branch or "", "BYE"):
            return True  # this very 2xx was sent again: its BYE is on its way
        if self.under_way >= MOST_FAREWELLS:
            return False
        self.under_way += 1
        self._all.request(farewell, towards, self, now)
        return True

    def answered(self, _transaction: ClientTransaction, response: Response, _now: float) -> None:
        """Take an answer to a BYE: any final one ends the dialog."""
        if response.status >= 200:
            self.under_way -= 1

    def unanswered(self, _transaction: ClientTransaction, _why: str, _now: float) -> None:
        """Take it that none comes: the far end gives the dialog up by itself, for want of an ACK or a refresh."""
        self.under_way -= 1
