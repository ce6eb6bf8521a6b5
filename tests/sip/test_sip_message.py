"""Messages: what the parser lets pass, what it refuses, what the writer writes."""

import pytest
from dialerd_sip.core.message import BadMessage, CSeq, Request, Response, parse_message
from dialerd_sip.core.parsing import LONGEST, MOST_HEADERS
from dialerd_sip.core.source import with_source

OK = (
    b"SIP/2.0 200 OK\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;rport=5060;branch=z9hG4bKab1\r\n"
    b'From: "Acme" <sip:+12125550100@example.com>;tag=f1\r\n'
    b"To: <sip:+447111222333@example.com>;tag=t1\r\n"
    b"Call-ID: c1@example.com\r\nCSeq: 1 INVITE\r\n"
    b"Contact: <sip:447111222333@192.0.2.9:5060>\r\nContent-Length: 4\r\n\r\nv=0\n"
)


def invite(*headers: tuple[str, str], body: bytes = b"") -> Request:
    """Return an INVITE with what every request has, and more."""
    base = [
        ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
        ("From", "<sip:a@example.com>;tag=f"),
        ("To", "<sip:b@example.com>"),
        ("Call-ID", "c1"),
        ("CSeq", "1 INVITE"),
    ]
    return Request("INVITE", "sip:b@example.com", [*base, *headers], body)


def test_an_answer_is_read() -> None:
    """All that answers are matched by is read."""
    message = parse_message(OK)
    assert isinstance(message, Response)
    assert (message.status, message.phrase, message.body) == (200, "OK", b"v=0\n")
    assert (message.branch, message.call_id, message.from_tag, message.to_tag) == (
        "z9hG4bKab1",
        "c1@example.com",
        "f1",
        "t1",
    )
    assert message.cseq == CSeq(1, "INVITE")
    assert (message.via.transport, message.via.host, message.via.port) == ("UDP", "192.0.2.1", 5060)
    assert message.from_.display == "Acme"
    assert message.contact is not None
    assert message.contact.uri == "sip:447111222333@192.0.2.9:5060"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\r\n", b"\n"),
        (b"SIP/2.0 200", b"\r\n\r\nSIP/2.0 200"),
        (b"SIP/2.0 200 OK", b"sip/2.0 200 OK  "),
        (b"Via:", b"v \t:"),
        (b"To:", b"t:\r\n "),
        (b"CSeq: 1 INVITE", b"CSEQ: 01   INVITE"),
        (b"Call-ID:", b"i:"),
        (b"Content-Length: 4", b"l: 4\r\nContent-Length: 0004"),
        (b"Content-Length: 4", b"X-Y: 1"),
        (b"Contact:", b"this is no header\r\nm:"),
        (b"\r\n\r\nv=0\n", b"\r\n\r\nv=0\nINVITE sip:more SIP/2.0"),
    ],
)
def test_harmless_oddities_pass(old: bytes, new: bytes) -> None:
    """Line ends, case, blanks, compact names, folding and what follows the body change nothing."""
    message = parse_message(OK.replace(old, new))
    assert isinstance(message, Response)
    assert (message.status, message.phrase, message.body) == (200, "OK", b"v=0\n")
    assert (message.branch, message.call_id, message.cseq.number) == ("z9hG4bKab1", "c1@example.com", 1)
    assert (message.from_tag, message.to_tag) == ("f1", "t1")
    assert message.contact is not None


@pytest.mark.parametrize("line", [b"SIP/2.0 200", b"SIP/2.0 200 "])
def test_a_phrase_may_be_missing(line: bytes) -> None:
    """An answer without a reason phrase is read."""
    message = parse_message(OK.replace(b"SIP/2.0 200 OK", line))
    assert isinstance(message, Response)
    assert (message.status, message.phrase) == (200, "")


@pytest.mark.parametrize(
    "line",
    [
        b"SIP/2.0 99 x",
        b"SIP/2.0 700 x",
        b"SIP/2.0 2000 x",
        b"SIP/2.0 -20 x",
        b"SIP/2.0 \xc2\xb2\xc2\xb2\xc2\xb2 x",
        b"SIP/3.0 200 OK",
        b"SIP/2.0",
        b"HTTP/1.1 200 OK",
        b"",
        b"\0\1\2",
        b"SIP/2.0 200\tOK",
    ],
)
def test_what_is_no_answer_is_refused(line: bytes) -> None:
    """First lines that are none are refused without an answer."""
    with pytest.raises(BadMessage) as caught:
        parse_message(OK.replace(b"SIP/2.0 200 OK", line))
    assert caught.value.status is None


@pytest.mark.parametrize("value", [b"5", b"-4", b"4 4", b"1e1", b"99999999999999999999", b"4\r\nl: 3", b"\xd9\xa4"])
def test_lengths_that_cannot_be_are_refused(value: bytes) -> None:
    """A Content-Length that is too large, contradicted or no number makes the message bad."""
    with pytest.raises(BadMessage):
        parse_message(OK.replace(b"Content-Length: 4", b"Content-Length: " + value))


def test_bounds() -> None:
    """Too many headers and too many bytes are refused; a request's are answered with 400."""
    data = invite().to_bytes()
    many = data.replace(b"\r\n\r\n", b"\r\n" + MOST_HEADERS * b"X: 1\r\n" + b"\r\n")
    with pytest.raises(BadMessage, match="too many") as caught:
        parse_message(many)
    assert caught.value.status == 400
    assert caught.value.partial is not None
    assert caught.value.partial.call_id == "c1"
    assert len(caught.value.partial.pairs) == MOST_HEADERS
    with pytest.raises(BadMessage, match="too long"):
        parse_message(data + LONGEST * b" ")


def test_a_line_that_is_no_header_is_refused_in_requests() -> None:
    """A request with a line that nobody can read gets 400, and what else it has can be copied into the answer."""
    data = invite().to_bytes().replace(b"Call-ID", b"what is this\r\nCall-ID")
    with pytest.raises(BadMessage) as caught:
        parse_message(data)
    assert (caught.value.status, caught.value.partial and caught.value.partial.call_id) == (400, "c1")


def test_a_lone_carriage_return_is_refused() -> None:
    """A carriage return within a header, which some would take for a line end, never gets in."""
    for data in (OK, invite().to_bytes()):
        with pytest.raises(BadMessage):
            parse_message(data.replace(b"Call-ID: ", b"Call-ID: a\rEvil: "))


def test_bytes_that_are_not_utf_8_come_out_as_they_went_in() -> None:
    """Latin-1 in a display name is neither lost nor changed."""
    data = invite(("Subject", "x")).to_bytes().replace(b"Subject: x", b"Subject: caf\xe9")
    message = parse_message(data)
    assert message.to_bytes() == data


def test_headers_are_found_by_any_name() -> None:
    """Case and compact forms of names do not matter, neither when they are written nor when they are asked for."""
    message = invite(("x-own", "1"), ("X-OWN", "2"), ("k", "timer"), ("SUPPORTED", "100rel, path"))
    assert message.all("X-Own") == ["1", "2"]
    assert message.first("x-OWN") == "1"
    assert message.first("X-Other") is None
    assert message.values("supported") == ["timer", "100rel", "path"]
    assert message.first("i") == message.first("call-id") == "c1"
    assert b"\r\nSupported: timer\r\n" in message.to_bytes()


def test_lists_are_split_outside_of_quotes_and_brackets() -> None:
    """Commas in display names and URIs part nothing, an unclosed quote is told."""
    message = invite(("Contact", '"a, \\" b" <sip:a,b@example.com>;x="1,2", <sip:c@example.com>'), ("Contact", "*"))
    assert message.values("Contact") == ['"a, \\" b" <sip:a,b@example.com>;x="1,2"', "<sip:c@example.com>", "*"]
    message.set("Contact", '"a, b <sip:c@example.com>')
    with pytest.raises(BadMessage):
        _ = message.contact


def test_changes_are_seen() -> None:
    """What was remembered of a header is forgotten when it changes."""
    message = invite()
    assert message.to_tag is None
    assert message.to.tag is None
    message.set("t", "<sip:b@example.com>;tag=x")
    assert (message.to_tag, message.to.tag) == ("x", "x")
    assert message.via.branch == "z9hG4bK1"
    message.set("Via", "SIP/2.0/TCP p.example.com;branch=z9hG4bK0")
    assert (message.via.transport, message.branch) == ("TCP", "z9hG4bK0")
    message.remove("v")
    message.add("Via", "SIP/2.0/TLS q.example.com")
    assert (message.via.transport, message.branch) == ("TLS", None)
    assert [name for name, _ in message.pairs].count("To") == 1


@pytest.mark.parametrize("value", ["a\r\nEvil: 1", "a\nEvil: 1", "a\rEvil: 1"])
def test_headers_cannot_be_smuggled_in(value: str) -> None:
    """A line break is refused wherever a value gets in; in the first line, when it is written."""
    with pytest.raises(ValueError, match="line break"):
        invite(("Subject", value))
    message = invite()
    for change in (message.add, message.set):
        with pytest.raises(ValueError, match="line break"):
            change("Subject", value)
    with pytest.raises(ValueError, match="line break"):
        message.replace(0, value)
    with pytest.raises(ValueError, match="line break"):
        Request("INVITE", f"sip:{value}", []).to_bytes()
    with pytest.raises(ValueError, match="line break"):
        Response(200, value, []).to_bytes()
    with pytest.raises(ValueError, match="token"):
        message.add("Evil: 1\r\nSubject", "x")


def test_content_length_is_written_from_the_body() -> None:
    """Whatever was said of the length, what is written is true."""
    message = invite(("Content-Length", "99"), body=b"abc")
    data = message.to_bytes()
    assert data.endswith(b"\r\nContent-Length: 3\r\n\r\nabc")
    assert data.count(b"Content-Length") == 1


def test_an_answer_copies_what_it_must() -> None:
    """Via, From, To, Call-ID and CSeq are copied, Record-Route into what can make a dialog, the tag added once."""
    request = invite(("Via", "SIP/2.0/UDP 192.0.2.2"), ("Record-Route", "<sip:p;lr>"), ("Timestamp", "5"), ("X", "y"))
    answer = Response.to_request(request, 200, "OK", to_tag="t", body=b"v")
    assert [name for name, _ in answer.pairs] == ["Via", "From", "To", "Call-ID", "CSeq", "Via", "Record-Route"]
    assert (answer.to_tag, answer.body, answer.status) == ("t", b"v", 200)
    assert Response.to_request(request, 486, "Busy", to_tag="t").first("Record-Route") is None
    assert Response.to_request(request, 100, "Trying").first("Timestamp") == "5"
    assert Response.to_request(request, 100, "Trying").to_tag is None
    request.set("To", "<sip:b@example.com>;tag=old")
    assert Response.to_request(request, 481, "Gone", to_tag="new").first("To") == "<sip:b@example.com>;tag=old"


@pytest.mark.parametrize(
    ("name", "reader"),
    [("CSeq", "cseq"), ("Call-ID", "call_id"), ("From", "from_tag"), ("To", "to"), ("Via", "branch")],
)
@pytest.mark.parametrize("value", [None, "", "???  ???  ???"])
def test_what_is_missing_or_senseless_is_told_when_it_is_asked_for(name: str, reader: str, value: str | None) -> None:
    """Reading a header that is missing or broken raises BadMessage with 400; any words are a Call-ID."""
    message = invite()
    if value is None:
        message.remove(name)
    else:
        message.set(name, value)
    if value and name == "Call-ID":
        assert message.call_id == value
        return
    with pytest.raises(BadMessage) as caught:
        getattr(message, reader)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("via", "filled"),
    [
        ("SIP/2.0/UDP 192.0.2.9:5060;branch=z9", "SIP/2.0/UDP 192.0.2.9:5060;branch=z9"),
        ("SIP/2.0/UDP a.test;branch=z9", "SIP/2.0/UDP a.test;branch=z9;received=192.0.2.9"),
        ("SIP/2.0/UDP 192.0.2.9;rport;branch=z9", "SIP/2.0/UDP 192.0.2.9;rport=7;branch=z9;received=192.0.2.9"),
        ("SIP/2.0/UDP b.test;rport=1 ; received=6.6.6.6", "SIP/2.0/UDP b.test;rport=7;received=192.0.2.9"),
        (
            'SIP/2.0/UDP b.test;x=";rport", SIP/2.0/UDP c',
            'SIP/2.0/UDP b.test;x=";rport";received=192.0.2.9, SIP/2.0/UDP c',
        ),
        ("nonsense", "nonsense"),
    ],
)
def test_the_source_is_written_into_the_topmost_via(via: str, filled: str) -> None:
    """`received` and `rport` say where a request came from, whatever the peer put there (RFC 3581 section 4)."""
    request = invite()
    request.set("Via", via)
    request.add("Via", "SIP/2.0/UDP other.test;rport")
    assert with_source(request, "192.0.2.9", 7).all("Via") == [filled, "SIP/2.0/UDP other.test;rport"]


def test_of_what_stands_twice_the_first_counts_everywhere() -> None:
    """The short ways to branch and tags say what the long ones say, in any case and order."""
    request = invite()
    request.set("Via", "SIP/2.0/udp a.test;BRANCH=1;branch=2, SIP/2.0/UDP b.test;branch=3")
    request.set("To", "<sip:b@example.com>;TAG=1;tag=2")
    assert (request.branch, request.via.branch, request.via.transport) == ("1", "1", "UDP")
    assert (request.to_tag, request.to.tag) == ("1", "1")
    request.set("Via", "SIP/2.0/UDP a.test, SIP/2.0/UDP b.test;branch=3")
    assert (request.branch, request.via.branch, request.via.host) == (None, None, "a.test")
    request.set("Via", "SIP/2.0/UDP a.test;BRANCH=1;branch=2")
    assert request.branch == "1"


def test_cseq_is_below_its_bound() -> None:
    """CSeq numbers go up to 2**31 - 1 (RFC 3261 section 8.1.1.5)."""
    assert CSeq.parse(f"{2**31 - 1} INVITE").number == 2**31 - 1
    with pytest.raises(BadMessage):
        CSeq.parse(f"{2**31} INVITE")
