"""What ladders are made of: requests, owners that keep what they are told, calls that do nothing by themselves."""

from typing import Any

from dialerd_sip.core.flow import Flow
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.transactions import ClientTransaction, ServerTransaction

US_AT = "192.0.2.1:5060"


def request(
    method: str = "INVITE",
    *,
    branch: str = "z9hG4bKone",
    call_id: str = "call@192.0.2.1",
    cseq: int = 1,
    sent_by: str = US_AT,
    transport: str = "UDP",
    from_tag: str = "ours",
    to_tag: str | None = None,
    uri: str = "sip:+12125550123@192.0.2.2",
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    rport: bool = True,
) -> Request:
    """Return a request with all that it must have."""
    to = "<sip:+12125550123@example.com>" + (f";tag={to_tag}" if to_tag else "")
    own = [
        ("Via", f"SIP/2.0/{transport} {sent_by};branch={branch}{';rport' if rport else ''}"),
        ("Max-Forwards", "70"),
        ("From", f"<sip:dialer@example.com>;tag={from_tag}"),
        ("To", to),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} {method}"),
        ("Contact", f"<sip:dialer@{sent_by}>"),
    ]
    return Request(method, uri, [*own, *headers], body)


class Owner:
    """The owner of client transactions: keeps what it is told as `(status or why)`, with the answers."""

    def __init__(self) -> None:
        self.told: list[int | str] = []
        self.answers: list[Response] = []
        self.at: list[float] = []

    def answered(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Take an answer."""
        assert transaction.request is not None
        self.told.append(response.status)
        self.answers.append(response)
        self.at.append(now)

    def unanswered(self, transaction: ClientTransaction, why: str, now: float) -> None:
        """Take it that none comes."""
        self.told.append(why)
        self.at.append(now)


class Listener:
    """The user of a Call-ID: keeps what it is asked, and answers nothing but what a test has it answer."""

    def __init__(self, *, knows: bool = True) -> None:
        self.asks: list[ServerTransaction] = []
        self.acks: list[Request] = []
        self.strays: list[Response] = []
        self.knows = knows
        self.at_once: Any = None

    def asked(self, transaction: ServerTransaction, now: float) -> None:
        """Take a request."""
        self.asks.append(transaction)
        if self.at_once is not None:
            self.at_once(transaction, now)

    def acknowledged(self, request: Request, flow: Flow, now: float) -> None:
        """Take an ACK."""
        self.acks.append(request)

    def stray(self, response: Response, flow: Flow, now: float) -> bool:
        """Take a 2xx."""
        self.strays.append(response)
        return self.knows

    def concerns(self, request: Request) -> bool:
        """Whether it knows both tags."""
        return self.knows


def times(carried: list[Any], name: str, start: float = 100.0) -> list[float]:
    """Return when messages of a method or status were sent, in seconds after `start`."""
    found = []
    for one in carried:
        message = one.message
        its = message.method if isinstance(message, Request) else str(message.status)
        if its == name:
            found.append(round(one.at - start, 3))
    return found
