"""Nobody is rung twice, and nobody is left ringing: what becomes of INVITEs of which nobody tells anything."""

import pytest
from callstage import SDP, Stage, stage, target
from dialerd_sip.core.digest import Credentials, NonceCache
from dialerd_sip.core.events import Established, Progress
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.message import Request
from link import OTHERS, Far

ACCOUNT = Credentials(username="dialer", password="made up")
CHALLENGE = 'Digest realm="r", nonce="n{}", qop="auth"'


def both(**more: object) -> tuple[Stage, Far]:
    s = stage(target(), target(OTHERS), **more)
    return s, s.link.far(OTHERS)


def heard(far: Far, method: str) -> list[Request]:
    return [one for one in far.heard if isinstance(one, Request) and one.method == method]


# the same CSeq number for each target


def test_a_phone_that_got_both_knows_the_second_as_merged_and_the_end_is_uncertain() -> None:
    """A phone that got both knows the second as merged and the end is uncertain."""
    s, other = both()
    first = s.hear()
    s.link.run(32.2)
    second = other.take("INVITE")
    assert (first.cseq.number, second.cseq.number) == (1, 1)
    assert first.via.branch != second.via.branch
    assert (first.call_id, first.from_.params["tag"]) == (second.call_id, second.from_.params["tag"])
    other.answer(second, 482)
    ending = s.done()
    assert (ending.status, ending.certain, ending.tried) == (482, False, 2)


def test_482_after_silence_is_uncertain_even_where_it_rang() -> None:
    """482 after silence is uncertain even where it rang."""
    s, other = both()
    s.link.run(32.2)
    second = other.take("INVITE")
    other.answer(second, 180)
    s.link.settle()
    other.answer(second, 482)
    assert not s.done().certain


def test_a_challenge_counts_up_and_the_next_target_begins_anew() -> None:
    """A challenge counts up and the next target begins anew."""
    s, other = both(credentials=ACCOUNT)
    s.hear()
    s.say(407, Proxy_Authenticate=CHALLENGE.format(1))
    assert s.hear().cseq.number == 2
    s.say(503)
    second = other.take("INVITE")
    assert second.cseq.number == 1
    other.answer(second, 407, headers=[("Proxy-Authenticate", CHALLENGE.format(2) + ", stale=true")])
    s.link.settle()
    third = other.take("INVITE")
    assert isinstance(third, Request)
    assert third.cseq.number == 2
    other.answer(third, 200, headers=[("Contact", "<sip:far@192.0.2.3>")], body=SDP)
    s.link.settle()
    assert [ack.cseq.number for ack in heard(other, "ACK")] == [1, 2]
    assert s.events(Established)


def test_482_after_503_says_what_the_503_said() -> None:
    """482 after 503 says what the 503 said."""
    s, other = both()
    s.hear()
    s.say(503, Retry_After="7")
    other.answer(other.take("INVITE"), 482)
    ending = s.done()
    assert (ending.status, ending.retry_after, ending.certain) == (503, 7, True)


def test_a_target_that_stands_there_twice_is_tried_once() -> None:
    """A target that stands there twice is tried once."""
    s = stage(target(), target())
    s.hear()
    s.say(503)
    assert s.link.ladder().count("> INVITE") == 1
    assert (s.done().status, s.ending.tried) == (503, 1)


def test_after_a_silent_one_with_credentials_no_challenge_is_answered() -> None:
    """After a silent one with credentials no challenge is answered."""
    nonces = NonceCache()
    s = stage(credentials=ACCOUNT, nonces=nonces)
    s.hear()
    s.say(407, Proxy_Authenticate=CHALLENGE.format(1))
    s.answered()
    s.ask("BYE", 1)
    s.done()
    s, other = both(credentials=ACCOUNT, nonces=nonces)
    assert s.hear().first("Proxy-Authorization")
    s.link.run(32.2)
    other.answer(other.take("INVITE"), 407, headers=[("Proxy-Authenticate", CHALLENGE.format(2))])
    ending = s.done()
    assert len(heard(other, "INVITE")) == 1
    assert not ending.certain


def test_whoever_asked_for_credentials_and_then_is_silent_is_there() -> None:
    """Whoever asked for credentials and then is silent is there."""
    s, other = both(credentials=ACCOUNT)
    s.hear()
    s.say(401, WWW_Authenticate=CHALLENGE.format(1))
    ending = s.done()
    assert not other.heard
    assert (ending.why, ending.certain, ending.tried) == ("timeout", False, 1)


@pytest.mark.parametrize(
    ("status", "name", "value"),
    [(422, "Min-SE", "9000"), (420, "Unsupported", "timer"), (302, "Contact", "<sip:a@192.0.2.3>")],
)
def test_after_silence_no_invite_leaves_that_could_not_be_known_again(status: int, name: str, value: str) -> None:
    """After silence no INVITE leaves that could not be known again."""
    s, other = both(redirects=True)
    s.link.run(32.2)
    other.answer(other.take("INVITE"), status, headers=[(name, value)])
    ending = s.done()
    assert len(heard(other, "INVITE")) == 1
    assert not ending.certain


def test_after_silence_a_challenge_is_answered_unless_the_silent_one_had_credentials() -> None:
    """After silence a challenge is answered unless the silent one had credentials."""
    s, other = both(credentials=ACCOUNT)
    s.link.run(32.2)
    other.answer(other.take("INVITE"), 407, headers=[("Proxy-Authenticate", CHALLENGE.format(1))])
    s.link.settle()
    third = other.take("INVITE")
    assert isinstance(third, Request)
    assert third.cseq.number == 2
    s.call.hang_up("hangup", s.link.now)
    other.answer(third, 486)
    s.done()


# what nobody told anything of is cancelled when the call is over


def test_a_silent_invite_is_cancelled_when_the_call_is_over_and_not_before() -> None:
    """A silent INVITE is cancelled when the call is over and not before."""
    s, other = both()
    first = s.hear()
    s.link.run(63)
    assert not heard(s.far, "CANCEL")  # its phone would forget the call, and ring for the second one
    assert len(heard(other, "INVITE"))
    s.link.run(2)
    cancel = s.far.take("CANCEL")
    assert isinstance(cancel, Request)
    assert (cancel.via.branch, cancel.cseq.number) == (first.via.branch, 1)
    assert heard(other, "CANCEL")
    assert not s.ending.certain
    s.say(200, body=SDP)  # it was answered meanwhile
    assert s.link.ladder()[-2:] == ["> ACK", "> BYE"]
    s.far.answer(s.far.take("BYE"), 200)
    s.done()


def test_what_rings_when_its_connection_is_lost_is_cancelled() -> None:
    """What rings when its connection is lost is cancelled."""
    flow = Flow(Transport.TCP, "192.0.2.2", 5060)
    s = stage(target(flow))
    far = s.link.far(flow)
    s.link.settle()
    invite = far.take("INVITE")
    far.answer(invite, 180)
    s.link.settle()
    s.link.ua.flow_failed(flow, "connection", s.link.now)
    s.link.settle()
    assert not s.ending.certain
    assert heard(far, "CANCEL")[0].via.branch == invite.via.branch
    s.done()


def test_a_silent_phone_that_rings_after_all_keeps_others_from_being_rung() -> None:
    """A silent phone that rings after all keeps others from being rung."""
    s = stage(target(), target(OTHERS), target(Flow(Transport.UDP, "192.0.2.4", 5060)))
    other, third = s.link.far(OTHERS), s.link.far(Flow(Transport.UDP, "192.0.2.4", 5060))
    s.hear()
    s.link.run(32.2)
    s.say(180)
    assert [event.status for event in s.events(Progress)] == [180]
    other.answer(other.take("INVITE"), 503)
    ending = s.done()
    assert not third.heard
    assert ending.rang
    assert heard(s.far, "CANCEL")


def test_a_silent_phone_that_rings_after_all_is_cancelled_with_the_call() -> None:
    """A silent phone that rings after all is cancelled with the call."""
    s, other = both(ring_for=90.0)
    s.hear()
    s.link.run(32.2)
    s.say(180)
    other.answer(other.take("INVITE"), 180)
    s.link.settle()
    s.call.hang_up("hangup", s.link.now)
    s.link.settle()
    assert heard(s.far, "CANCEL")
    assert heard(other, "CANCEL")
    s.say(487)
    assert s.link.ladder()[-1] == "> ACK"
    s.done()


def test_the_other_one_is_cancelled_when_one_was_answered() -> None:
    """The other one is cancelled when one was answered."""
    s, other = both()
    s.hear()
    s.link.run(32.2)
    other.answer(other.take("INVITE"), 200, headers=[("Contact", "<sip:far@192.0.2.3>")], body=SDP)
    s.link.settle()
    assert s.events(Established)
    cancel = s.far.take("CANCEL")
    assert "completed elsewhere" in (cancel.first("Reason") or "")
    s.call.hang_up("hangup", s.link.now)
    s.link.settle()
    other.answer(other.take("BYE"), 200)
    assert s.done().answered


def test_each_fork_gets_pracks_of_its_own() -> None:
    """RFC 3262 section 4: RSeq counts in each early dialog by itself."""
    s = stage()
    s.hear()
    for tag, number in (("a", 7), ("b", 7), ("b", 8), ("a", 8)):
        contact = f"<sip:{tag}@192.0.2.2>"
        s.say(183, tag=tag, Require="100rel", RSeq=str(number), Contact=contact, body=SDP)
        prack = s.far.take("PRACK")
        assert isinstance(prack, Request)
        assert (prack.uri, prack.first("RAck")) == (f"sip:{tag}@192.0.2.2", f"{number} 1 INVITE")
        assert prack.to.params["tag"] == tag
        s.far.answer(prack, 200)
        s.link.settle()
    s.say(200, tag="b", body=SDP)
    assert heard(s.far, "ACK")[0].to.params["tag"] == "b"
    s.call.hang_up("agent", s.link.now)
    s.link.settle()
    s.far.answer(s.far.take("BYE"), 200)
    s.done()
