"""What is refused before anybody asks what a request is about, beyond RFC 4475's messages."""

import pytest
from dialerd_sip.core.message import BadMessage, Request, Response
from dialerd_sip.core.refusing import answer_to, dropped, refusal


def asking(method: str, *headers: tuple[str, str], uri: str = "sip:b@example.com", body: bytes = b"") -> Request:
    """Return a request with what each must have, and more."""
    base = [
        ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
        ("From", "<sip:a@example.com>;tag=f"),
        ("To", "<sip:b@example.com>;tag=t"),
        ("Call-ID", "c1"),
        ("CSeq", f"1 {method}"),
    ]
    return Request(method, uri, [*base, *headers], body)


def status(request: Request) -> int | None:
    """Return the status that a request is refused with."""
    answer = refusal(request)
    return None if answer is None else answer.status


def test_what_is_known_passes() -> None:
    """Known methods, extensions and bodies are let through, tel URIs too."""
    assert status(asking("INVITE", ("Require", "100REL, timer"), ("c", "application/SDP"), body=b"v=0")) is None
    assert status(asking("INVITE", ("c", "multipart/mixed;boundary=x"), body=b"x")) is None
    assert status(asking("BYE", uri="tel:+12125550100")) is None
    assert status(asking("INFO", ("c", "application/dtmf-relay"), body=b"Signal=1")) is None
    assert status(asking("INVITE", ("Accept", "application/sdp;level=1, text/plain"))) is None
    assert status(asking("INVITE", ("Accept", "*/*"))) is None


def test_what_is_not_known_is_refused() -> None:
    """Extensions, bodies, methods and schemes that nobody here knows."""
    assert status(asking("BYE", ("Require", "timer, x"))) == 420
    assert status(asking("UPDATE", ("c", "text/plain"), body=b"x")) == 415
    assert status(asking("INVITE", ("c", "application/sdp"), ("e", "gzip"), body=b"x")) == 415
    assert (
        status(asking("INVITE", ("c", "text/x"), ("Content-Disposition", "x; Handling = optional"), body=b"x")) is None
    )
    assert status(asking("SUBSCRIBE")) == 405
    assert status(asking("invite")) == 501
    assert status(asking("OPTIONS", uri="mailto:a@b")) == 416


def test_cancel_is_not_asked_for_extensions() -> None:
    """Require in a CANCEL or an ACK is not looked at (RFC 3261 section 8.2.2.3)."""
    assert status(asking("CANCEL", ("Require", "x"))) is None
    assert status(asking("ACK", ("Require", "x"))) is None


def test_an_ack_is_never_answered() -> None:
    """An ACK that cannot be used raises BadMessage instead, and has no answer then either."""
    for broken in (asking("ACK", uri="mailto:a"), asking("ACK", ("Max-Forwards", "x"))):
        with pytest.raises(BadMessage) as caught:
            refusal(broken)
        assert answer_to(caught.value, broken) is None


def test_what_cannot_be_answered_is_not() -> None:
    """Without a Via nobody knows where an answer goes."""
    request = asking("BYE")
    request.remove("Via")
    assert refusal(request) is None
    assert answer_to(BadMessage("x", 400), request) is None
    assert answer_to(BadMessage("x"), asking("BYE")) is None


def test_answers_that_are_not_ours_are_dropped() -> None:
    """An answer with another Via, or without what it is matched by, is dropped and says why."""
    answer = Response.to_request(asking("BYE"), 200, "OK")
    assert dropped(answer) is None
    answer.add("Via", "SIP/2.0/UDP b.test")
    assert dropped(answer) == "more than one Via"
    answer.set("Via", "SIP/2.0/UDP a.test, SIP/2.0/UDP b.test")
    assert dropped(answer) == "more than one Via"
    answer.set("Via", 'SIP/2.0/UDP a.test;note="one, and the same"')
    assert dropped(answer) is None
    answer.set("Via", "SIP/2.0/UDP a.test,")
    answer.add("Via", "")
    assert dropped(answer) is None
    answer.remove("Via")
    assert dropped(answer) == "no Via"
    answer.add("Via", "SIP/2.0/UDP b.test")
    answer.remove("CSeq")
    assert dropped(answer) == "no CSeq"
