"""The headers that every request of ours begins with (RFC 3261 section 8.1.1). Knows nothing of what it asks for."""

from collections.abc import Iterable
from typing import Final

from dialerd_sip.core.flow import Flow

MAX_FORWARDS: Final = "70"
"""RFC 3261 section 8.1.1.6."""


def via_at(flow: Flow, sent_by: str, branch: str) -> str:
    """Return a Via value of ours, which asks for the port that we are seen at (RFC 3581)."""
    return f"SIP/2.0/{flow.transport.upper()} {sent_by};branch={branch};rport"


def request_headers(
    method: str, cseq: int, *, via: str, routes: Iterable[str], from_: str, to: str, call_id: str
) -> list[tuple[str, str]]:
    """Return the headers that a request begins with.

    Args:
        method: its method.
        cseq: its CSeq number.
        via: value of Via.
        routes: values of Route.
        from_: value of From, with its tag.
        to: value of To.
        call_id: Call-ID.
    """
    headers = [("Via", via), ("Max-Forwards", MAX_FORWARDS)]
    headers += [("Route", route) for route in routes]
    headers += [("From", from_), ("To", to), ("Call-ID", call_id), ("CSeq", f"{cseq} {method}")]
    return headers
