"""Readers of the headers that not every message needs."""

import pytest
from dialerd_sip.core import headers
from dialerd_sip.core.headers import Reason, RetryAfter, SessionExpires
from dialerd_sip.core.message import BadMessage, Response


def having(*pairs: tuple[str, str]) -> Response:
    """Return an answer with these headers."""
    return Response(200, "OK", list(pairs))


def test_reasons() -> None:
    """Several reasons in one line and in several, in any case, with what cannot be read left out."""
    message = having(
        ("Reason", 'Q.850;cause=17;text="User busy, sorry; really" , sip ; CAUSE = 486'),
        ("Reason", "Q.850;cause=x, ;;;, X"),
        ("Reason", '"never closed'),
    )
    found = headers.reasons(message)
    assert [(each.protocol, each.cause, each.text) for each in found] == [
        ("Q.850", 17, "User busy, sorry; really"),
        ("SIP", 486, None),
        ("Q.850", None, None),
        ("X", None, None),
    ]
    # a gateway that parts parameters by commas
    (odd,) = Reason.parse_all(['Q.850;cause=34, text="No circuit"'])
    assert (odd.cause, odd.text) == (34, "No circuit")
    assert Reason.parse_all(["Q.850;cause=99999999999999999999"])[0].cause is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18000;duration=3600", RetryAfter(seconds=18000, duration=3600)),
        ("120 (I'm in a meeting (really))", RetryAfter(seconds=120, comment="I'm in a meeting (really)")),
        ("5(x);duration=1", RetryAfter(seconds=5, comment="x", duration=1)),
        ("0", RetryAfter(seconds=0)),
        ("9" * 400, RetryAfter(seconds=2**31 - 1)),
        ("4294967296", RetryAfter(seconds=2**31 - 1)),
        ("-1", None),
        ("soon", None),
        ("Fri, 01 Jan 2010 16:00:00 GMT", None),
        ("5;;", RetryAfter(seconds=5)),
    ],
)
def test_retry_after(text: str, expected: RetryAfter | None) -> None:
    """Seconds, comment and duration; what cannot be read is as if it were not there."""
    assert headers.retry_after(having(("Retry-After", text))) == expected
    assert headers.retry_after(having()) is None


def test_session_timers() -> None:
    """Session-Expires in both forms with its refresher, and Min-SE (RFC 4028)."""
    assert headers.session_expires(having(("x", "1800 ; Refresher=UAS;y"))) == SessionExpires(
        seconds=1800, refresher="uas"
    )
    assert headers.session_expires(having(("Session-Expires", "90;refresher=both"))) == SessionExpires(seconds=90)
    assert headers.session_expires(having()) is None
    assert headers.min_se(having(("Min-SE", "90;lr"))) == 90
    assert headers.min_se(having()) is None
    for value in ("", "-1", "x", "99999999999"):
        with pytest.raises(BadMessage):
            headers.session_expires(having(("Session-Expires", value)))


def test_reliable_provisional_answers() -> None:
    """RSeq (RFC 3262)."""
    assert headers.rseq(having(("RSeq", "988789"))) == 988789
    assert headers.rseq(having()) is None
    for value in ("x", "1 INVITE", ""):
        with pytest.raises(BadMessage):
            headers.rseq(having(("RSeq", value)))


def test_lists() -> None:
    """Option tags, methods and addresses over several lines."""
    message = having(("Require", "100rel , Timer"), ("Allow", "INVITE,ACK"), ("Allow", "BYE"), ("k", ""))
    assert headers.option_tags(message, "Require") == ("100rel", "timer")
    assert headers.option_tags(message, "Supported") == ()
    assert headers.allowed(message) == {"INVITE", "ACK", "BYE"}
    routes = having(("Record-Route", "<sip:a;lr>,<sip:b;lr>"), ("Record-Route", "<sip:c>;x"))
    assert [each.uri for each in headers.addresses(routes, "Record-Route")] == ["sip:a;lr", "sip:b;lr", "sip:c"]


def test_numbers() -> None:
    """Expires and its kin, and Max-Forwards with its bound."""
    assert headers.seconds(having(("Expires", "3600")), "Expires") == 3600
    assert headers.seconds(having(("Min-Expires", "60")), "Min-Expires") == 60
    assert headers.max_forwards(having(("Max-Forwards", "0070"))) == 70
    for value in ("256", "-1", "٣"):
        with pytest.raises(BadMessage):
            headers.max_forwards(having(("Max-Forwards", value)))


def test_content_type() -> None:
    """Type in small letters without blanks, parameters unquoted."""
    kind = headers.content_type(having(("c", 'Multipart / Mixed ; Boundary="a;b"')))
    assert kind is not None
    assert (kind.media, kind.params) == ("multipart/mixed", {"boundary": "a;b"})
    assert headers.content_type(having()) is None
    with pytest.raises(BadMessage):
        headers.content_type(having(("c", "sdp")))


def test_challenges_stay_whole() -> None:
    """Several challenges, in lines of their own or in one line, are each whole (RFC 8760 section 2.3)."""
    message = having(
        ("WWW-Authenticate", 'Digest realm="a, b", nonce="n, Digest x", algorithm=SHA-256, qop="auth,auth-int"'),
        ("WWW-Authenticate", 'Digest realm="c" , nonce = "m", Basic realm="d", Digest   realm=e'),
        ("Proxy-Authenticate", "Negotiate"),
        ("WWW-Authenticate", 'Digest realm="never closed'),
    )
    assert headers.challenges(message, "WWW-Authenticate") == (
        'Digest realm="a, b", nonce="n, Digest x", algorithm=SHA-256, qop="auth,auth-int"',
        'Digest realm="c", nonce = "m"',
        'Basic realm="d"',
        "Digest   realm=e",
        'Digest realm="never closed',
    )
    assert headers.challenges(message, "Proxy-Authenticate") == ("Negotiate",)
