"""What is made from an INVITE and shares its branch: ACK to a refusal, CANCEL (RFC 3261 sections 17.1.1.3 and 9.1)."""

from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.request_headers import request_headers


def acknowledgement(invite: Request, response: Response) -> Request:
    """Return the ACK to a refusal of an INVITE: its Via, its routes, the answer's To (RFC 3261 section 17.1.1.3)."""
    return _sibling(invite, "ACK", response.first("To") or "")


def cancellation(invite: Request, reasons: tuple[str, ...] = ()) -> Request:
    """Return the CANCEL of an INVITE (RFC 3261 section 9.1).

    Args:
        invite: what is taken back.
        reasons: Reason values (RFC 3326).
    """
    cancel = _sibling(invite, "CANCEL", invite.first("To") or "")
    for reason in reasons:
        cancel.add("Reason", reason)
    return cancel


def _sibling(invite: Request, method: str, to: str) -> Request:
    headers = request_headers(
        method,
        invite.cseq.number,
        via=invite.values("Via")[0],
        routes=invite.all("Route"),
        from_=invite.first("From") or "",
        to=to,
        call_id=invite.call_id,
    )
    return Request(method, invite.uri, headers)
