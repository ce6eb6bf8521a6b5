"""Ladders: challenges, refusals that can be met, the next target, and taking an INVITE back."""

import pytest
from callstage import SDP, Stage, stage, target
from dialerd_sip.core.digest import Credentials
from dialerd_sip.core.events import Ender, Established
from dialerd_sip.core.flow import Flow, Transport
from link import OTHERS, THEM, Far

ACCOUNT = Credentials(username="dialer", password="secret")
CHALLENGE = 'Digest realm="example.com", nonce="n{}", algorithm=MD5, qop="auth"'


def both() -> tuple[Stage, Far]:
    """A call with a second target."""
    s = stage(target(), target(OTHERS), ring_for=120.0)
    return s, s.link.far(OTHERS)


# challenges


@pytest.mark.parametrize(
    ("status", "asks", "answers"),
    [(401, "WWW-Authenticate", "Authorization"), (407, "Proxy-Authenticate", "Proxy-Authorization")],
)
def test_a_challenge_is_answered_once(status: int, asks: str, answers: str) -> None:
    """The same call, the next CSeq, a new branch, and credentials in the ACK as well."""
    s = stage(credentials=ACCOUNT)
    first = s.hear()
    s.say(status, **{asks: CHALLENGE.format(1)})
    second = s.hear()
    assert second.cseq.number == first.cseq.number + 1
    assert second.via.branch != first.via.branch
    assert (second.call_id, second.from_.params["tag"]) == (first.call_id, first.from_.params["tag"])
    assert second.to.params.get("tag") is None
    assert 'username="dialer"' in (second.first(answers) or "")
    s.say(200, body=SDP)
    s.far.take("ACK")  # to the challenge
    assert s.far.take("ACK").first(answers) == second.first(answers)  # RFC 3261 section 22.1
    assert s.events(Established)


def test_a_wrong_password_makes_no_flood() -> None:
    """A second challenge to the same credentials is the end."""
    s = stage(credentials=ACCOUNT)
    for number in (1, 2):
        s.hear()
        s.say(401, WWW_Authenticate=CHALLENGE.format(number))
    assert s.link.ladder().count("> INVITE") == 2
    assert (s.done().why, s.ending.status) == ("credentials", 401)


def test_a_server_that_always_says_stale_makes_no_flood() -> None:
    """Stale nonces are met so often and no more."""
    s = stage(credentials=ACCOUNT)
    for number in range(9):
        if not s.is_over:
            s.hear()
            s.say(407, Proxy_Authenticate=CHALLENGE.format(number) + ", stale=true")
    assert s.link.ladder().count("> INVITE") <= 4
    assert s.done().why == "credentials"


def test_without_credentials_a_challenge_is_the_end() -> None:
    """A trunk that asks where no account is set is told apart."""
    s = stage()
    s.hear()
    s.say(401, WWW_Authenticate=CHALLENGE.format(1))
    assert (s.done().why, s.ending.certain) == ("credentials", True)


def test_a_challenge_after_ringing_is_the_end() -> None:
    """A phone that has rung is not rung again."""
    s = stage(credentials=ACCOUNT)
    s.hear()
    s.say(180)
    s.say(407, Proxy_Authenticate=CHALLENGE.format(1))
    assert s.link.ladder().count("> INVITE") == 1
    assert s.done().status == 407


@pytest.mark.parametrize("method", ["BYE", "UPDATE"])
def test_challenges_within_the_dialog_are_answered(method: str) -> None:
    """BYE and UPDATE come again with credentials and the next CSeq."""
    s = stage(credentials=ACCOUNT)
    s.answered(Session_Expires="100;refresher=uac", Allow="UPDATE")
    if method == "BYE":
        s.call.hang_up("hangup", s.link.now)
    s.link.run(51 if method == "UPDATE" else 0)
    s.link.settle()
    s.far.answer(s.far.take(method), 407, headers=[("Proxy-Authenticate", CHALLENGE.format(1))])
    s.link.settle()
    again = [one for one in s.far.inbox if one.first("Proxy-Authorization")][-1]
    assert again.cseq.method == method
    assert again.cseq.number == 3
    s.far.answer(again, 200)
    s.link.settle()
    assert s.is_over is (method == "BYE")


# refusals that can be met


def test_422_has_the_session_asked_for() -> None:
    """Min-SE is met once (RFC 4028 section 7.1)."""
    s = stage(session_expires=100)
    s.hear()
    s.say(422, Min_SE="300")
    again = s.hear()
    assert (again.first("Session-Expires"), again.first("Min-SE")) == ("300", "300")
    s.say(422, Min_SE="300")
    assert s.done().status == 422


def test_420_leaves_the_option_out() -> None:
    """An option that is not supported is left out once (RFC 3261 section 8.1.3.5)."""
    s = stage()
    s.hear()
    s.say(420, Unsupported="timer")
    again = s.hear()
    assert again.values("Supported") == ["100rel"]
    assert again.first("Session-Expires") is None
    s.say(420, Unsupported="timer")
    assert s.done().status == 420


def test_a_redirection_is_refused_unless_followed() -> None:
    """302 is a final answer where redirections are not followed."""
    s = stage()
    s.hear()
    s.say(302, Contact="<sip:+447111000002@192.0.2.2>")
    assert s.done().status == 302


def test_a_redirection_leads_to_hosts_of_ours_only_and_never_twice_to_one() -> None:
    """The best Contact of a known host is tried, a stranger's never: it would be toll fraud."""
    s = stage(redirects=True)
    s.hear()
    s.say(302, Contact="<sip:spy@192.0.2.66>;q=1, <sip:b@192.0.2.2>;q=0.2, <sip:a@192.0.2.2>;q=0.7")
    assert s.hear().uri == "sip:a@192.0.2.2"
    s.say(302, Contact="<sip:a@192.0.2.2>")
    assert s.link.ladder().count("> INVITE") == 2
    assert s.done().status == 302


def test_redirections_come_to_an_end() -> None:
    """Three are followed."""
    s = stage(redirects=True)
    for number in range(4):
        s.hear()
        s.say(302, Contact=f"<sip:{number}@192.0.2.2>")
    assert s.link.ladder().count("> INVITE") == 4
    s.done()


@pytest.mark.parametrize("status", [404, 408, 415, 486, 488, 491, 500, 504, 600, 603])
def test_final_answers_never_lead_to_the_next_target(status: int) -> None:
    """An answer that may stand for a phone is the end, and what it says is told."""
    s, _ = both()
    s.hear()
    s.say(status, Reason="Q.850;cause=17", Warning='399 x "y"', Retry_After="12 (later);duration=3")
    ending = s.done()
    assert (ending.status, ending.tried, ending.certain) == (status, 1, True)
    assert (ending.reasons, ending.warning, ending.retry_after) == (("Q.850;cause=17",), '399 x "y"', 12)
    assert ending.ender is (Ender.CALLEE if status in (486, 600, 603) else Ender.NETWORK)


# the next target


def test_503_is_acknowledged_and_leads_on() -> None:
    """The next target gets the same call with the next CSeq (RFC 3263 section 4.3)."""
    s, other = both()
    s.hear()
    s.say(503, Retry_After="5")
    assert s.link.ladder()[-2:] == ["> ACK", "> INVITE"]
    second = other.take("INVITE")
    assert (second.cseq.number, second.call_id) == (1, s.invite.call_id if s.invite else "")
    other.answer(second, 486)
    assert (s.done().status, s.ending.tried, s.ending.certain) == (486, 2, True)


def test_503_after_ringing_is_the_end() -> None:
    """After 183 nothing else is tried."""
    s, _ = both()
    s.hear()
    s.say(183)
    s.say(503)
    assert (s.done().tried, s.ending.rang) == (1, True)


def test_silence_leads_on_and_silence_of_all_is_uncertain() -> None:
    """Timer B leads to the next target; a request that nobody answered may have arrived."""
    s, other = both()
    s.link.run(31)
    assert not other.heard
    s.link.run(2)
    assert other.take("INVITE")
    ending = s.done()
    assert (ending.why, ending.certain, ending.tried, ending.status) == ("timeout", False, 2, None)


def test_silence_then_trouble_is_uncertain_and_silence_then_busy_is_busy() -> None:
    """What a later target says settles it only if a phone says it."""
    for status, certain in ((503, False), (486, True)):
        s, other = both()
        s.link.run(33)
        other.answer(other.take("INVITE"), status)
        assert s.done().certain is certain


def test_all_must_fit_into_the_ringing_time() -> None:
    """A second target adds nothing to how long a call may take."""
    s = stage(target(), target(OTHERS), ring_for=20.0)
    other = s.link.far(OTHERS)
    ending = s.done()
    assert not other.heard
    assert (ending.why, ending.certain, ending.ender) == ("ring_timeout", False, Ender.US)


def test_refused_everywhere_is_certain() -> None:
    """ICMP says that nothing has arrived."""
    s = stage(target(), target(OTHERS))
    s.link.refuse(THEM)
    s.link.refuse(OTHERS)
    ending = s.done()
    assert (ending.why, ending.certain, ending.tried) == ("refused", True, 2)


@pytest.mark.parametrize(("why", "certain", "tried"), [("connection", False, 1), ("refused", True, 2)])
def test_a_connection_that_is_lost_is_uncertain_and_one_never_there_is_not(why: str, certain: bool, tried: int) -> None:
    """What has left on a connection may have arrived; what never left has not."""
    flows = [Flow(Transport.TCP, host, 5060) for host in ("192.0.2.2", "192.0.2.3")]
    s = stage(target(flows[0]), target(flows[1]))
    for flow in flows:
        s.link.settle()
        s.link.ua.flow_failed(flow, why, s.link.now)
    ending = s.done()
    assert (ending.why, ending.certain, ending.tried) == (why, certain, tried)


def test_a_phone_that_answers_after_its_target_was_given_up_is_the_call() -> None:
    """A late 200 is kept, and the second target is taken back."""
    s, other = both()
    s.hear()
    s.link.run(33)
    second = other.take("INVITE")
    other.answer(second, 180)
    s.link.settle()
    s.say(200, body=SDP)
    assert s.events(Established)
    s.far.take("ACK")
    assert s.link.ladder()[-1] == "> CANCEL"
    other.answer(other.take("CANCEL"), 200)
    other.answer(second, 200, headers=[("Contact", "<sip:far@192.0.2.3>")], body=SDP)
    s.link.settle()
    assert s.link.ladder()[-2:] == ["> ACK", "> BYE"]
    other.answer(other.take("BYE"), 200)
    s.ask("BYE", 1)
    assert s.done().ender is Ender.CALLEE


# taking back


def test_cancel_waits_for_a_provisional_answer() -> None:
    """CANCEL may not overtake its INVITE (RFC 3261 section 9.1)."""
    s = stage()
    s.hear()
    s.call.hang_up("hangup", s.link.now, ("SIP;cause=487",))
    s.link.run(3)
    assert "> CANCEL" not in s.link.ladder()
    s.say(100, tag=None)
    cancel = s.far.take("CANCEL")
    invite = s.invite
    assert invite is not None
    assert (cancel.via.branch, cancel.cseq.number) == (invite.via.branch, invite.cseq.number)
    assert cancel.first("Reason") == "SIP;cause=487"
    s.far.answer(cancel, 200)
    s.say(487)
    assert s.link.ladder()[-1] == "> ACK"
    ending = s.done()
    assert (ending.ender, ending.why, ending.status, ending.certain) == (Ender.US, "hangup", 487, True)


def test_it_is_taken_back_when_it_has_rung_long_enough() -> None:
    """The ringing time ends in CANCEL with Q.850 cause 19."""
    s = stage(ring_for=20.0)
    s.hear()
    s.say(180)
    s.link.run(19)
    assert "> CANCEL" not in s.link.ladder()
    s.link.run(1.1)
    cancel = s.far.take("CANCEL")
    assert "cause=19" in (cancel.first("Reason") or "")
    s.far.answer(cancel, 200)
    s.say(487)
    assert (s.done().why, s.ending.rang) == ("ring_timeout", True)


def test_a_200_that_crosses_the_cancel_is_acknowledged_and_hung_up() -> None:
    """ACK and BYE, and it was placed."""
    s = stage()
    s.hear()
    s.say(180)
    s.call.hang_up("hangup", s.link.now)
    s.say(200, body=SDP)
    assert s.link.ladder()[-2:] == ["> ACK", "> BYE"]
    assert not s.events(Established)
    s.far.answer(s.far.take("BYE"), 200)
    s.far.answer(s.far.take("CANCEL"), 481)
    ending = s.done()
    assert (ending.ender, ending.why, ending.answered) == (Ender.US, "hangup", True)


@pytest.mark.parametrize("taken", [False, True])
def test_an_invite_that_is_not_ended_after_its_cancel_comes_to_an_end(taken: bool) -> None:
    """64 T1 after CANCEL it is given up (RFC 3261 section 9.1), and a 200 after that is still hung up."""
    s = stage()
    s.hear()
    s.say(180)
    s.call.hang_up("hangup", s.link.now)
    s.link.settle()
    if taken:  # and no 487 follows: the INVITE's own answer is what counts
        s.far.answer(s.far.take("CANCEL"), 200)
    s.link.run(31)
    assert not s.is_over
    s.link.run(2)
    assert (s.ending.why, s.ending.certain) == ("hangup", False)
    assert s.ending.detail == "no final answer came after the CANCEL"
    s.say(200, body=SDP)  # much later
    assert s.link.ladder()[-2:] == ["> ACK", "> BYE"]
    s.far.answer(s.far.take("BYE"), 200)
    s.done()


def test_a_refusal_that_crosses_the_cancel_ends_it_as_ours_and_one_before_it_does_not() -> None:
    """Who ended it is told by whether CANCEL has left."""
    for provisional, why in ((True, "hangup"), (False, None)):
        s = stage()
        s.hear()
        if provisional:
            s.say(180)
        s.call.hang_up("hangup", s.link.now)
        s.say(486)
        assert s.ending.why == why


def test_no_invite_leaves_once_it_is_taken_back() -> None:
    """Neither a challenge nor a refusal that could be met nor another target gets one."""
    for status in (401, 422, 503, 302):
        s = stage(target(), target(OTHERS), credentials=ACCOUNT, redirects=True)
        s.hear()
        s.call.hang_up("hangup", s.link.now)
        headers = {"WWW_Authenticate": CHALLENGE.format(1), "Min_SE": "9000", "Contact": "<sip:a@192.0.2.2>"}
        s.say(status, **headers)
        assert s.link.ladder().count("> INVITE") == 1
        assert s.done().why == "hangup"
