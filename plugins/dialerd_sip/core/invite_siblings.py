"""What is made from an INVITE and shares its branch: ACK to a refusal, CANCEL (RFC 3261 sections 17.1.1.3 and 9.1)."""

from dialerd_sip.core.message import Request, Response


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
    headers = [("Via", invite.values("Via")[0])]
    headers += [("Route", route) for route in invite.all("Route")]
    headers += [
        ("Max-Forwards", "70"),
        ("From", invite.first("From") or ""),
        ("To", to),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{invite.cseq.number} {method}"),
    ]
    return Request(method, invite.uri, headers)
