"""Calls that are taken back while something else comes: what they end as, and that nothing of them stays behind."""

import pytest
from callstage import SDP, stage
from dialerd_sip.core.digest import Credentials
from dialerd_sip.core.events import Ender, Ending
from dialerd_sip.verdicts import end_of

from dialerd.model.call import CallEnd
from dialerd.model.states import Outcome

ACCOUNT = Credentials(username="dialer", password="made up")
CHALLENGE = 'Digest realm="r", nonce="n", qop="auth"'


def told(ending: Ending) -> CallEnd:
    return end_of(ending)


@pytest.mark.parametrize("why", ["hangup", "ring_timeout"])
@pytest.mark.parametrize("status", [401, 407, 420, 422, 302])
def test_a_challenge_after_hanging_up_is_no_fault_of_the_trunk(status: int, why: str) -> None:
    """A challenge after hanging up is no fault of the trunk."""
    s = stage(credentials=ACCOUNT)
    s.hear()
    s.call.hang_up(why, s.link.now)
    s.say(status, WWW_Authenticate=CHALLENGE, Proxy_Authenticate=CHALLENGE, Min_SE="9000", Contact="<sip:a@192.0.2.2>")
    ending = s.done()
    assert s.link.ladder().count("> INVITE") == 1
    outcome = {"hangup": Outcome.CANCELLED, "ring_timeout": Outcome.NO_ANSWER}[why]
    assert told(ending).outcome is outcome


def test_487_that_nobody_asked_for_is_no_answer_of_the_network() -> None:
    """487 that nobody asked for is no answer of the network."""
    s = stage()
    s.hear()
    s.say(180)
    s.say(487)
    ending = s.done()
    assert (ending.ender, ending.why, told(ending).outcome) == (Ender.NETWORK, None, Outcome.NO_ANSWER)


def test_early_media_and_then_480_is_no_answer_and_counts() -> None:
    """Early media and then 480 is no answer and counts."""
    s = stage()
    s.hear()
    s.say(183, body=SDP)
    s.say(480)
    ending = s.done()
    assert (ending.rang, told(ending).outcome) == (True, Outcome.NO_ANSWER)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_trouble_after_ringing_is_congestion_and_counts(status: int) -> None:
    """Trouble after ringing is congestion and counts."""
    s = stage()
    s.hear()
    s.say(180)
    s.say(status, Retry_After="5")
    assert told(s.done()).outcome is Outcome.CONGESTION


def test_what_a_fork_had_that_is_over_counts_as_ringing() -> None:
    """What a fork had that is over counts as ringing."""
    s = stage()
    s.hear()
    s.say(199)  # RFC 6228: there was an early dialog; its 180 was lost
    s.say(503)
    assert s.done().rang


def test_hung_up_before_anything_was_heard_a_200_is_acknowledged_and_ended() -> None:
    """Hung up before anything was heard a 200 is acknowledged and ended."""
    s = stage()
    s.hear()
    s.call.hang_up("hangup", s.link.now)
    s.say(200, body=SDP)
    assert s.link.ladder()[-2:] == ["> ACK", "> BYE"]
    s.far.answer(s.far.take("BYE"), 200)
    assert (s.done().answered, s.ending.why) == (True, "hangup")


def test_an_answer_whose_ack_is_held_is_acknowledged_before_it_is_over() -> None:
    """An answer whose ACK is held is acknowledged before it is over."""
    s = stage(holds_ack=True)
    s.hear()
    s.say(200, body=SDP)
    s.ask("BYE", 1)
    assert s.link.ladder()[-2:] == ["> ACK", "> 200 BYE"] or s.link.ladder()[-2:] == ["> 200 BYE", "> ACK"]
    s.done()


def test_a_second_answer_is_hung_up_while_the_first_ones_ack_is_held() -> None:
    """A second answer is hung up while the first one's ACK is held."""
    s = stage(holds_ack=True)
    s.hear()
    s.say(200, tag="a", body=SDP)
    s.say(200, tag="b", body=SDP)
    assert s.link.ladder()[-2:] == ["> ACK", "> BYE"]
    bye = s.far.take("BYE")
    assert ";tag=b" in (bye.first("To") or "")
    s.far.answer(bye, 200)
    s.say(200, tag="a", body=SDP)
    assert s.link.ladder()[-1] == "< 200 INVITE"
    s.call.media_failed("no socket", s.link.now)
    s.link.settle()
    assert s.link.ladder()[-2:] == ["> ACK", "> BYE"]
    s.far.answer(s.far.take("BYE"), 200)
    s.done()


@pytest.mark.parametrize("waits", [1.0, 60.0, 200.0])
def test_whoever_answers_minutes_after_a_cancel_that_was_lost_is_hung_up(waits: float) -> None:
    """A proxy lets a phone ring for more than three minutes (RFC 3261 section 16.6, timer C)."""
    s = stage()
    s.hear()
    s.say(180)
    s.call.hang_up("hangup", s.link.now)
    s.link.run(33)
    assert not s.ending.certain
    s.link.run(waits)
    s.say(200, body=SDP)
    assert s.link.ladder()[-2:] == ["> ACK", "> BYE"]
    s.far.answer(s.far.take("BYE"), 200)
    s.done()
