"""The user agent: which message is whose, what strays are answered with, and that nothing escapes from it."""

import pytest
from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.recent import Recent
from dialerd_sip.core.timing import Timing
from dialerd_sip.core.ua import UserAgent
from hypothesis import given, settings
from hypothesis import strategies as st
from ladder import Listener, Owner, request
from link import OTHERS, THEM, Far, Link, Weather

CALL = "call@192.0.2.1"


def stray(method: str, **more: object) -> Request:
    return request(method, sent_by="192.0.2.2:5060", from_tag="far", **more)


def answered(message: Request | bytes | str, *, known: bool = False) -> tuple[Link, Far]:
    link = Link()
    far = link.far()
    if known:
        link.ua.adopt(CALL, Listener())
    far.send(message)
    link.settle()
    return link, far


def test_options_is_answered_with_what_we_can() -> None:
    """RFC 3261 section 11.2."""
    _, far = answered(stray("OPTIONS"))
    answer = far.take(200)
    assert "INVITE" in answer.values("Allow")
    assert answer.first("Accept") == "application/sdp"
    assert set(answer.values("Supported")) == {"timer", "100rel"}
    assert answer.first("Server") == "dialerd"
    assert answer.to_tag


def test_stray_gets_the_same_answer_each_time_and_is_not_remembered() -> None:
    """RFC 3261 section 8.2.7: the same To tag; no transaction."""
    link, far = answered(stray("OPTIONS"))
    far.send(stray("OPTIONS"))
    link.settle()
    assert far.take(200).to_tag == far.take(200).to_tag
    assert link.ua.sizes["server_transactions"] == 0
    assert link.ua.next_deadline() is None


@pytest.mark.parametrize(
    ("message", "known", "status"),
    [
        (stray("INVITE"), False, 480),
        (stray("INVITE", call_id=CALL), True, 482),
        (stray("BYE", to_tag="gone"), False, 481),
        (stray("INVITE", to_tag="gone"), False, 481),
        (stray("NOTIFY"), False, 481),
        (stray("CANCEL"), False, 481),
        (stray("SUBSCRIBE"), False, 405),
        (stray("DANCE"), False, 501),
        (stray("INVITE", headers=(("Require", "teleport"),)), False, 420),
        (stray("INVITE", to_tag="ours", headers=(("Require", "teleport"),)), True, 420),
        (stray("OPTIONS", uri="news:alt.test"), False, 416),
    ],
)
def test_strays_are_refused(message: Request, known: bool, status: int) -> None:
    """Each with what RFC 3261 section 8.2 has for it."""
    link, far = answered(message, known=known)
    assert far.take(status)
    assert len(link.carried) == 2


def test_405_tells_what_is_allowed_and_420_what_is_not() -> None:
    """RFC 3261 sections 8.2.1 and 8.2.2.3."""
    _, far = answered(stray("PUBLISH"))
    assert "BYE" in far.take(405).values("Allow")
    _, far = answered(stray("INVITE", headers=(("Require", "timer, teleport"),)))
    assert far.take(420).values("Unsupported") == ["teleport"]


def test_request_that_comes_by_two_ways_is_merged() -> None:
    """RFC 3261 section 8.2.2.2: the second one, which has another branch, gets 482; a retransmission does not."""
    link, far = answered(stray("INVITE"))
    far.send(stray("INVITE"))
    far.send(stray("INVITE", branch="z9hG4bKother"))
    far.send(stray("INVITE", branch="z9hG4bKnext", cseq=2))
    link.settle()
    assert link.ladder()[2:] == ["< INVITE"] * 3 + ["> 480 INVITE", "> 482 INVITE", "> 480 INVITE"]


def test_ack_that_belongs_to_nothing_is_dropped() -> None:
    """An ACK is never answered."""
    link, _ = answered(stray("ACK", to_tag="gone"))
    assert link.ladder() == ["< ACK"]
    assert link.ua.counts == {"no_dialog": 1}


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "BYE", "REGISTER", "DANCE", "CANCEL", "ACK"])
def test_unknown_sources_get_no_answer(method: str) -> None:
    """They are dropped and counted, whatever they send; also what a known one would be told is bad."""
    link = Link()
    far = link.far(OTHERS, trusted=False)
    far.send(stray(method, to_tag="x" if method == "BYE" else None))
    far.link.ua.receive_datagram(b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP x\r\n\r\n", OTHERS, link.now)
    link.settle()
    assert len(link.carried) == 1
    assert sum(link.ua.counts.values()) == 2
    assert link.ua.counts["unknown_source"] >= 1


def test_unknown_source_that_knows_the_dialog_is_heard() -> None:
    """A far end that speaks for itself, since the trunk does not record-route; one tag wrong and it is dropped."""
    link = Link()
    far = link.far(OTHERS, trusted=False)
    user = Listener()
    link.ua.adopt(CALL, user)
    far.send(stray("BYE", to_tag="ours"))
    link.settle()
    assert [each.request.method for each in user.asks] == ["BYE"]
    user.asks[0].answer(Response.to_request(user.asks[0].request, 200, "OK"), link.now)
    link.settle()
    far.take(200)
    user.knows = False
    far.send(stray("BYE", to_tag="guess", branch="z9hG4bKguess"))
    link.settle()
    assert len(user.asks) == 1
    assert link.ua.counts == {"unknown_source": 1}


def test_trust_is_each_owners_own() -> None:
    """What two trunks trust stays trusted when one of them goes."""
    ua = UserAgent(Timing())
    ua.trust("one", frozenset({"192.0.2.2", "192.0.2.3"}))
    ua.trust("two", frozenset({"192.0.2.3"}))
    ua.trust("one", frozenset())
    assert ua.trusts("192.0.2.3")
    assert not ua.trusts("192.0.2.2")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("CSeq: 1 INVITE", 400),  # another method than the request's
        ("CSeq: x OPTIONS", 400),
        ("CSeq: 1 OPTIONS\nMax-Forwards: many", 400),
        ("CSeq: 1 OPTIONS\nContent-Length: 99", 400),
    ],
)
def test_bad_request_is_answered(text: str, status: int) -> None:
    """With 400 and as much as could be read."""
    link, far = _sent(text)
    assert far.take(status).call_id == "bad"
    assert sum(link.ua.counts.values()) == 1


def _sent(text: str) -> tuple[Link, Far]:
    link = Link()
    far = link.far()
    head = (
        "OPTIONS sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKbad\r\n"
        "From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: bad\r\n"
    )
    tail = text.replace("\n", "\r\n")
    link.ua.receive_datagram(f"{head}{tail}\r\n\r\n".encode(), THEM, link.now)
    link.settle()
    return link, far


@pytest.mark.parametrize("error", [BadMessage("a RAck that cannot be read", 400), ValueError("a line break")])
def test_call_that_cannot_read_a_request_answers_400(error: Exception) -> None:
    """A header that only the call reads is bad: the request is answered all the same."""
    link = Link()
    far = link.far()
    user = Listener()

    def stumble(_transaction: object, _now: float) -> None:
        raise error

    user.at_once = stumble
    link.ua.adopt(CALL, user)
    far.send(stray("PRACK", to_tag="ours"))
    link.settle()
    assert far.take(400)
    assert link.ua.counts == {"bad": 1}


def test_2xx_without_transaction_goes_to_the_call() -> None:
    """Any other answer is dropped and counted."""
    link = Link()
    far = link.far()
    user = Listener()
    link.ua.adopt(CALL, user)
    for status in (180, 200, 486):
        far.answer(request(), status)
    far.answer(request("BYE"), 200)
    far.answer(request(call_id="nobody's"), 200)
    link.settle()
    assert [each.status for each in user.strays] == [200]
    assert link.ua.counts == {"no_transaction": 4}


def test_late_2xx_is_acknowledged_and_hung_up() -> None:
    """From the answer alone: route set, target, tags; the 2xx that comes again is acknowledged again."""
    link = Link()
    far = link.far()
    link.ua.adopt(CALL, Listener())
    link.settle()
    link.ua.release(CALL, "ours")
    more = [
        ("Record-Route", "<sip:192.0.2.2;lr>"),
        ("Record-Route", "<sip:192.0.2.8;lr>"),
        ("Contact", "<sip:phone@192.0.2.9>"),
    ]
    far.answer(request(cseq=3), 200, headers=[("Record-Route", "<sip:192.0.2.8;lr>"), *more[:1], more[2]])
    link.settle()
    ack, bye = far.take("ACK"), far.take("BYE")
    for sent in (ack, bye):
        assert isinstance(sent, Request)
        assert sent.uri == "sip:phone@192.0.2.9"
        assert sent.all("Route") == ["<sip:192.0.2.2;lr>", "<sip:192.0.2.8;lr>"]
        assert (sent.from_tag, sent.to_tag) == ("ours", "far")
        assert sent.via.host == "192.0.2.1"
    assert (ack.first("CSeq"), bye.first("CSeq")) == ("3 ACK", "4 BYE")
    far.answer(request(cseq=3), 200, headers=[("Record-Route", "<sip:192.0.2.8;lr>"), *more[:1], more[2]])
    link.settle()
    assert link.ladder().count("> ACK") == 2
    assert link.ladder().count("> BYE") == 1
    far.answer(bye, 200)
    link.settle()
    assert link.ua.counts == {"late": 2}


def test_late_2xx_with_bytes_that_are_no_text_is_hung_up() -> None:
    """A To tag of whatever bytes comes back as it came."""
    link = Link()
    link.ua.adopt(CALL, Listener())
    link.settle()
    link.ua.release(CALL, "ours")
    data = Response.to_request(request(), 200, "OK", to_tag="TAG").to_bytes().replace(b"TAG", b"\xff\xfe")
    link.ua.receive_datagram(data, THEM, link.now)
    assert [sent[:4] for sent, _ in link.ua.datagrams_to_send(link.now)] == [b"ACK ", b"BYE "]


def test_call_that_stumbles_over_an_answer_does_not_stop_others() -> None:
    """What cannot be written again is counted."""
    link = Link()
    far = link.far()
    user = Listener()

    def stumble(*_arguments: object) -> None:
        raise ValueError("a line break")

    user.stray = stumble
    link.ua.adopt(CALL, user)
    far.answer(request(), 200)
    link.settle()
    assert link.ua.counts == {"bad": 1}


def test_fork_that_answers_late_is_hung_up_too() -> None:
    """Each To tag is a phone of its own."""
    link = Link()
    far = link.far()
    link.ua.adopt(CALL, Listener())
    link.settle()
    link.ua.release(CALL, "ours")
    for tag in ("one", "two"):
        far.answer(request(), 200, tag=tag, headers=[("Contact", "<sip:phone@192.0.2.2>")])
    link.settle()
    assert link.ladder().count("> BYE") == 2


def test_calls_that_are_over_are_not_remembered_for_ever() -> None:
    """A 2xx after that is dropped and counted."""
    link = Link()
    far = link.far()
    link.ua.adopt(CALL, Listener())
    link.settle()
    link.ua.release(CALL, "ours")
    link.run(100)
    far.answer(request(), 200)
    link.settle()
    assert link.ua.counts == {"no_transaction": 1}
    assert link.ua.sizes["released"] == 0


def test_late_2xx_flood_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that answers one call under a thousand tags does not make us send without end."""
    monkeypatch.setattr("dialerd_sip.core.late.MOST_FAREWELLS", 5)
    link = Link()
    far = link.far()
    link.ua.adopt(CALL, Listener())
    link.settle()
    link.ua.release(CALL, "ours")
    for tag in range(20):
        far.answer(request(), 200, tag=f"t{tag}", headers=[("Contact", "<sip:phone@192.0.2.2>")])
    link.settle()
    assert link.ladder().count("> BYE") == 5
    assert link.ua.counts == {"late": 5, "too_late": 15}
    for _ in range(5):
        far.answer(far.take("BYE"), 200)
    link.settle()
    far.answer(request(), 200, tag="last", headers=[("Contact", "<sip:phone@192.0.2.2>")])
    link.settle()
    assert link.ladder().count("> BYE") == 6
    link.run_out()
    assert link.ua.sizes["client_transactions"] == 0


def test_recent_is_bounded_and_forgets() -> None:
    """Two generations, each for a span and of a size."""
    recent = Recent(10.0, most=3)
    for number in range(100):
        recent.remember(number, "x", 0.0)
        assert len(recent) <= 6
    assert recent.recall(99, 0.0) == "x"
    assert recent.recall(99, 9.9) == "x"
    assert recent.recall(99, 30.0) is None
    recent.remember("a", "1", 100.0)
    assert recent.recall("a", 109.0) == "1"
    assert recent.recall("a", 119.0) == "1"
    assert recent.recall("a", 121.0) is None


_HEADERS = ["Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Contact", "Require", "Record-Route", "Route"]
_LINES = st.lists(
    st.tuples(
        st.sampled_from(_HEADERS),
        st.one_of(
            st.text(max_size=30),
            st.sampled_from(
                ["SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKone", "<sip:a@b>;tag=ours", "1 INVITE", CALL, "70", "a\rb"]
            ),
        ),
    ),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(
    first=st.sampled_from(
        ["INVITE sip:a@b SIP/2.0", "BYE sip:a SIP/2.0", "SIP/2.0 200 OK", "SIP/2.0 180 R", "ACK x SIP/2.0"]
    ),
    lines=_LINES,
    body=st.binary(max_size=40),
    cut=st.integers(0, 400),
)
def test_nothing_escapes(first: str, lines: list[tuple[str, str]], body: bytes, cut: int) -> None:
    """Whatever comes, from whomever, in whatever state."""
    link = Link(Weather(delay=0))
    link.far()
    link.ua.adopt(CALL, Listener())
    link.ua.transactions.request(request(), THEM, Owner(), link.now)
    good = {
        "Via": "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKone",
        "From": "<sip:a@b>;tag=x",
        "To": "<sip:c@d>;tag=ours",
        "CSeq": "1 INVITE",
        "Call-ID": CALL,
    }
    merged = [*good.items(), *lines] if len(lines) % 2 else lines
    data = (first + "\r\n" + "".join(f"{name}: {value}\r\n" for name, value in merged) + "\r\n").encode() + body
    for flow in (THEM, OTHERS, Flow(Transport.TCP, "192.0.2.2", 1)):
        link.ua.receive_datagram(data, flow, link.now)
        link.ua.receive_datagram(data[:-cut] if cut else data, flow, link.now)
        link.ua.flow_failed(flow, "refused", link.now)
