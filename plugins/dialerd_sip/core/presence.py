"""One question: whether anybody reads what goes over a flow. Knows nothing of calls; `health` asks again and again."""

from collections.abc import Callable

from dialerd_sip.core.flow import Flow
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.transactions import ClientTransaction
from dialerd_sip.core.ua import UserAgent


def ask(ua: UserAgent, question: Request, flow: Flow, there: Callable[[Flow, float], None], now: float) -> None:
    """Send an OPTIONS (RFC 3261 section 11), and tell when it was answered, whatever with.

    Args:
        ua: the user agent.
        question: the request.
        flow: where to.
        there: told of the flow, and of the instant, once; never where no answer comes.
        now: the instant.
    """
    ua.transactions.request(question, flow, _Asker(flow, there), now)


class _Asker:
    """The owner of a question."""

    def __init__(self, flow: Flow, there: Callable[[Flow, float], None]) -> None:
        self._flow = flow
        self._there = there

    def answered(self, _transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take an answer: a final one is by somebody who reads."""
        if response.status >= 200:
            self._there(self._flow, now)

    def unanswered(self, _transaction: ClientTransaction, _why: str, _now: float) -> None:
        """Take it that none comes, which says nothing."""
