"""What trunks expect of every message, and of a call as a whole: the production checklist's odds and ends."""

import pytest
from callstage import SDP, Stage, stage
from dialerd_sip.core.digest import Credentials
from dialerd_sip.core.events import Ender, KeysRefused
from dialerd_sip.core.message import Request
from dialerd_sip.core.refusing import SPOKEN
from dialerd_sip.options import SipOptions
from dialerd_sip.trunk import length_of
from link import US

METHODS = ", ".join(SPOKEN)


def up(**headers: str) -> Stage:
    """An answered call."""
    s = stage()
    s.answered(**headers)
    return s


def agents(s: Stage) -> dict[str, list[str]]:
    """What our messages said of their sender, by method or status: User-Agent and Server."""
    found: dict[str, list[str]] = {}
    for carried in s.link.carried:
        message = carried.message
        if carried.source != US:
            continue
        name = message.method if isinstance(message, Request) else str(message.status)
        header = "User-Agent" if isinstance(message, Request) else "Server"
        found.setdefault(name, []).extend(message.all(header))
    return found


def test_every_request_and_answer_of_a_call_says_whose_it_is() -> None:
    """User-Agent and Server stand in them once, in copies as well; an ACK needs none."""
    s = stage()
    s.hear()
    s.say(183, Require="100rel", RSeq="1")
    s.say(200, body=SDP)
    s.ask("INFO", 1)
    s.ask("INVITE", 2, body=SDP)
    s.acknowledge(2)
    s.call.hang_up("agent", s.link.now)
    s.link.settle()
    found = agents(s)
    assert set(found) == {"INVITE", "PRACK", "ACK", "BYE", "200"}
    assert not found.pop("ACK")
    for name, said in found.items():
        assert set(said) == {"dialerd"}, name
    for carried in s.link.carried:
        assert len(carried.message.all("User-Agent") + carried.message.all("Server")) <= 1, carried.message.to_bytes()


def test_a_cancel_and_a_refresh_say_whose_they_are() -> None:
    """CANCEL is made from the INVITE, UPDATE within the dialog: both have it once."""
    s = stage()
    s.hear()
    s.say(180)
    s.call.hang_up("hangup", s.link.now)
    s.link.settle()
    assert s.far.take("CANCEL").all("User-Agent") == ["dialerd"]
    s = up(Session_Expires="1800;refresher=uac", Supported="timer", Allow="UPDATE")
    s.link.run(901)
    assert s.far.take("UPDATE").all("User-Agent") == ["dialerd"]


def test_what_is_allowed_is_the_same_everywhere() -> None:
    """INVITE, refresh, answers in and out of calls, 405: one list, PRACK in it as 100rel is offered (RFC 3262)."""
    s = stage()
    assert s.hear().first("Allow") == METHODS
    s.say(200, body=SDP)
    for number, (method, status) in enumerate({"OPTIONS": 200, "INVITE": 200, "REFER": 405}.items(), 1):
        s.ask(method, number)
        answer = s.last(status)
        assert answer.first("Allow") == METHODS, method
    assert "PRACK" in METHODS


def test_whatever_ends_a_call_the_far_end_is_told_why() -> None:
    """BYE and CANCEL have a Reason (RFC 3326), a BYE after a CANCEL that crossed the answer the CANCEL's own."""
    s = up()
    s.call.hang_up("agent", s.link.now)
    s.link.settle()
    assert "cause=16" in (s.far.take("BYE").first("Reason") or "")
    s = stage()
    s.hear()
    s.say(180)
    s.call.hang_up("hangup", s.link.now)
    s.link.settle()
    assert "cause=16" in (s.far.take("CANCEL").first("Reason") or "")
    s = stage(ring_for=20.0)
    s.hear()
    s.say(180)
    s.link.run(21)
    said = s.far.take("CANCEL").first("Reason")
    s.say(200, body=SDP)
    assert said is not None
    assert "cause=19" in said
    assert s.far.take("BYE").first("Reason") == said
    s = up()
    s.ask("INVITE", 1, body=SDP)
    s.link.run(40)
    assert "cause=102" in (s.far.take("BYE").first("Reason") or "")


@pytest.mark.parametrize("options", [{}, {"username": "customer1234", "password": "secret"}])
def test_the_length_of_an_invite_is_not_taken_for_less_than_it_is(options: dict[str, str]) -> None:
    """What is above 1,300 bytes goes over TCP (RFC 3261 section 18.1.1): so nothing may be taken for shorter."""
    credentials = Credentials(username="customer1234", password="secret", realm=None) if options else None
    seed = "0190a5c2-7c1e-7abc-8def-0123456789ab"
    own = (("P-Asserted-Identity", "<sip:+12125550100@sip.example.com>"), ("Privacy", "id"))
    s = stage(
        credentials=credentials,
        seed=seed,
        call_id=f"{seed}@dialerd",
        from_="<sip:+12125550100@sip.example.com>",
        to="<sip:+447111000001@sip.example.com>",
        headers=own,
    )
    invite = s.hear()
    if credentials is not None:
        nonce = "Z1xj2WdcYi0AAAAAn6l0+J1fP4tRzT0zAAAAAAAAAAAAAAAAAAA="
        s.say(
            407,
            Proxy_Authenticate=f'Digest realm="sip.example.com", nonce="{nonce}", qop="auth", algorithm=SHA-256',
        )
        invite = s.hear()
    length = length_of(SipOptions(server="sip.example.com", **options), own)
    assert len(invite.to_bytes()) <= length <= 1_300


def test_keys_are_pressed_by_info_one_after_the_other() -> None:
    """The next one leaves when the one before was taken; what is no key is left out."""
    s = up()
    s.call.send_keys("1x#", s.link.now)
    s.link.settle()
    first = s.far.take("INFO")
    assert first.first("Content-Type") == "application/dtmf-relay"
    assert first.body.split() == [b"Signal=1", b"Duration=100"]
    with pytest.raises(AssertionError):
        s.far.take("INFO")
    s.far.answer(first, 200)
    s.link.settle()
    second = s.far.take("INFO")
    assert second.body.startswith(b"Signal=#\r\n")
    assert second.cseq.number == first.cseq.number + 1
    s.far.answer(second, 200)
    s.link.run(40)
    assert not [message for message in s.far.inbox if isinstance(message, Request)]
    assert not s.is_over


@pytest.mark.parametrize("status", [405, 500, None])
def test_keys_that_nobody_takes_are_left_and_the_call_goes_on(status: int | None) -> None:
    """A refusal, or silence, ends them all; later ones are tried anew."""
    s = up()
    s.call.send_keys("12", s.link.now)
    s.link.settle()
    if status is not None:
        s.far.answer(s.far.take("INFO"), status)
    s.link.run(40)
    assert {message.body.split()[0] for message in s.far.heard if message.cseq.method == "INFO"} == {b"Signal=1"}
    assert [event.status for event in s.link.events if isinstance(event, KeysRefused)] == [status]
    assert not s.is_over
    s.far.inbox.clear()
    s.call.send_keys("9", s.link.now)
    s.link.settle()
    assert s.far.take("INFO").body.startswith(b"Signal=9")
    s.call.hang_up("agent", s.link.now)
    s.link.settle()
    s.far.answer(s.far.take("BYE"), 200)
    s.done()
    s.call.send_keys("3", s.link.now)
    assert not s.link.ua.datagrams_to_send(s.link.now)


def test_a_key_to_a_call_that_the_far_end_knows_nothing_of_ends_it() -> None:
    """481 within a dialog is its end (RFC 5057 section 5.1)."""
    s = up()
    s.call.send_keys("12", s.link.now)
    s.link.settle()
    s.far.answer(s.far.take("INFO"), 481)
    s.link.settle()
    s.far.answer(s.far.take("BYE"), 481)
    assert s.done().ender is Ender.NETWORK


def test_a_challenged_key_is_sent_with_credentials_and_a_wrong_password_once() -> None:
    """401 to an INFO is answered as to all else in a dialog."""
    s = stage(credentials=Credentials(username="customer1234", password="secret", realm=None))
    s.answered()
    s.call.send_keys("5", s.link.now)
    s.link.settle()
    for _ in range(2):
        s.far.answer(s.far.take("INFO"), 401, headers=[("WWW-Authenticate", 'Digest realm="x", nonce="n", qop="auth"')])
        s.link.settle()
    sent = {message.cseq.number: message for message in s.far.heard if message.cseq.method == "INFO"}
    assert [message.first("Authorization") is not None for message in sent.values()] == [False, True]


@pytest.mark.parametrize("status", [200, 486])
def test_a_provisional_answer_after_the_final_one_is_nothing(status: int) -> None:
    """Proxies with several workers deliver a 180 after the 200 now and then: the 200 counts."""
    s = stage()
    s.hear()
    s.say(status, body=SDP if status == 200 else b"")
    before = len(s.link.events)
    s.say(180)
    s.say(183, body=SDP, tag="other")
    assert len(s.link.events) == before
    assert s.is_over is (status == 486)


def test_keys_wait_for_the_one_under_way_and_end_with_the_call() -> None:
    """Those that come meanwhile follow in order; whoever hangs up presses no more."""
    s = up()
    s.call.send_keys("1", s.link.now)
    s.call.send_keys("2", s.link.now)
    s.link.settle()
    assert [message.body.split()[0] for message in s.far.heard if message.cseq.method == "INFO"] == [b"Signal=1"]
    s.call.hang_up("agent", s.link.now)
    s.link.settle()
    s.far.answer(s.far.take("BYE"), 200)
    s.done()
    assert [message.cseq.method for message in s.far.heard].count("INFO") == 1
