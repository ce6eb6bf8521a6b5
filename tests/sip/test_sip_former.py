"""Calls of a former life: what rings is cancelled, what is up is hung up on, and only the far end's word is proof."""

import pytest
from dialerd_sip.core.digest import Credentials
from dialerd_sip.core.events import Ender
from dialerd_sip.core.message import Request
from former_stage import CALL_ID, CHALLENGE, OTHER, TRUNK, Play, dialog, sent


def test_what_rings_is_cancelled_and_its_487_is_proof():
    """The CANCEL has the INVITE's Via, URI and number; the answer to the INVITE is acknowledged."""
    play = Play()
    ((cancel, flow),) = play.requests("CANCEL")
    assert flow == TRUNK
    assert cancel.uri == "sip:+447111000001@trunk.test"
    assert cancel.first("Via") == sent().via
    assert cancel.first("From").endswith(";tag=ours")
    assert cancel.first("To") == "<sip:+447111000001@trunk.test>"
    assert cancel.first("CSeq") == "1 CANCEL"
    play.answer(cancel, 200)
    play.answer(cancel, 487, cseq="1 INVITE")
    ((ack, _),) = play.requests("ACK")
    assert ack.first("Via") == sent().via
    assert play.word.placed is True
    assert (play.word.ending.status, play.word.ending.ender) == (487, Ender.US)


def test_an_answer_that_was_on_its_way_is_acknowledged_and_ended():
    """A 2xx crosses the CANCEL: ACK and BYE along its route set; that proves that somebody answered."""
    play = Play()
    ((cancel, _),) = play.requests("CANCEL")
    routed = ("Record-Route", "<sip:127.0.0.9;lr>"), ("Contact", "<sip:callee@127.0.0.21:6001>")
    for _ in range(3):  # it is sent again, and acknowledged again
        play.answer(cancel, 200, *routed, cseq="1 INVITE")
    acks = [message for message, _ in play.out if isinstance(message, Request) and message.method == "ACK"]
    assert len(acks) == 3
    ((bye, _),) = play.requests("BYE")
    assert bye.uri == "sip:callee@127.0.0.21:6001"
    assert bye.first("Route") == "<sip:127.0.0.9;lr>"
    assert bye.first("To").endswith(";tag=far")
    play.answer(cancel, 481)
    assert not play.told
    play.answer(bye, 200)
    assert play.word.placed is True
    assert play.word.ending.answered


def test_forks_that_both_answered_are_both_ended():
    """Each 2xx with another tag is another phone that somebody picked up."""
    play = Play()
    ((cancel, _),) = play.requests("CANCEL")
    for tag in ("one", "two"):
        play.answer(cancel, 200, ("Contact", f"<sip:{tag}@127.0.0.21:6001>"), tag=tag, cseq="1 INVITE")
    byes = play.requests("BYE")
    assert {bye.uri for bye, _ in byes} == {"sip:one@127.0.0.21:6001", "sip:two@127.0.0.21:6001"}
    play.answer(cancel, 481)
    for bye, _ in byes:
        play.answer(bye, 200)
    assert play.word.placed is True


def test_what_is_up_is_hung_up_on():
    """An established dialog gets a BYE with a number beyond any that a refresh had; whatever is said, it was placed."""
    for status in (200, 481, None):
        play = Play(dialog=dialog(), answered=True)
        assert not play.requests("CANCEL")
        ((bye, flow),) = play.requests("BYE")
        assert flow == TRUNK
        assert bye.first("To") == "<sip:+447111000001@trunk.test>;tag=far"
        assert bye.cseq.number > 100
        if status is None:
            play.wait(40)
        else:
            play.answer(bye, status)
        assert play.word.placed is True
        assert play.word.ending.answered
        assert play.word.heard is (status is not None)


def test_a_challenged_bye_is_sent_with_credentials():
    """A trunk that asks who hangs up is told."""
    play = Play(dialog=dialog(), answered=True, credentials=Credentials(username="u", password="p"))
    ((bye, _),) = play.requests("BYE")
    play.answer(bye, 407, ("Proxy-Authenticate", CHALLENGE))
    assert not play.told
    _, (again, _) = play.requests("BYE")
    assert again.first("Proxy-Authorization").startswith("Digest ")
    play.answer(again, 200)
    assert play.word.placed is True


def test_481_proves_nothing():
    """Nobody knows the INVITE: it never came, or it was over; a 2xx may still be sent again for a while."""
    play = Play(sent(), sent(cseq=2), sent(flow=OTHER))
    cancels = play.requests("CANCEL")
    assert len(cancels) == 3
    for cancel, flow in cancels:
        play.answer(cancel, 481, flow=flow)
    assert not play.told
    play.wait(5)
    assert not play.told
    play.wait(2)
    assert play.word.placed is None
    assert play.word.heard


def test_a_repeated_answer_after_all_was_said_still_counts():
    """The far end sends its 2xx every four seconds until it is acknowledged."""
    play = Play()
    ((cancel, _),) = play.requests("CANCEL")
    play.answer(cancel, 481)
    play.wait(3.9)
    play.answer(cancel, 200, ("Contact", "<sip:callee@127.0.0.21:6001>"), cseq="1 INVITE")
    ((bye, _),) = play.requests("BYE")
    play.wait(3)
    assert not play.told  # its BYE is under way
    play.answer(bye, 200)
    assert play.word.placed is True


def test_a_final_answer_is_proof():
    """Busy is sent again until it is acknowledged, and says how the call ended."""
    play = Play()
    ((cancel, _),) = play.requests("CANCEL")
    play.answer(cancel, 486, ("Reason", "Q.850;cause=17"), cseq="1 INVITE")
    assert play.word.placed is True
    assert play.word.ending.status == 486
    assert play.word.ending.reasons == ("Q.850;cause=17",)
    play.answer(cancel, 481)


def test_a_cancel_that_was_taken_proves_nothing_by_itself():
    """The far end had the INVITE, and may have refused it by then: RFC 3261 section 9.2. Its 487 is waited for."""
    play = Play()
    ((cancel, _),) = play.requests("CANCEL")
    play.answer(cancel, 200)
    play.wait(10)
    assert not play.told
    play.wait(30)
    assert (play.word.placed, play.word.heard) == (None, True)
    play = Play()
    ((cancel, _),) = play.requests("CANCEL")
    play.answer(cancel, 200)
    play.wait(10)
    play.answer(cancel, 487, cseq="1 INVITE")
    assert play.word.placed is True


def test_silence_is_told_as_such():
    """Nothing was heard: it is not known, and may be asked again."""
    play = Play()
    play.wait(31)
    assert not play.told
    play.wait(10)
    assert (play.word.placed, play.word.heard) == (None, False)


def test_the_last_one_speaks_for_those_before_and_after():
    """INVITEs go one after the other: what ends one without a further one says that no other is open there."""
    play = Play(sent(), sent(cseq=2), sent(cseq=3))
    _, second, _ = play.requests("CANCEL")
    play.answer(second[0], 200)
    play.answer(second[0], 487, cseq="2 INVITE")
    assert (play.word.placed, play.word.ending.status) == (True, 487)
    before = len(play.out)
    play.wait(60)
    assert [message.via.branch for message, _ in play.out[before:]] == []  # nobody is asked any more


def test_what_went_elsewhere_before_is_still_awaited():
    """A target that was silent for all of timer B may ring by now, whoever was tried after it."""
    play = Play(sent(cseq=2, flow=OTHER), sent(), sent(cseq=2))
    *_, (second, _) = play.requests("CANCEL")
    play.answer(second, 486, cseq="2 INVITE")
    assert not play.told
    play.wait(31)
    assert not play.told
    play.wait(2)
    assert play.word.ending.status == 486


def test_a_challenge_does_not_speak_for_what_followed_it():
    """It is sent again where its ACK was lost, while what answered it rings."""
    play = Play(sent(), sent(cseq=2))
    (first, _), (second, _) = play.requests("CANCEL")
    play.answer(first, 407, ("Proxy-Authenticate", CHALLENGE), cseq="1 INVITE")
    assert not play.told
    play.answer(second, 487, cseq="2 INVITE")
    assert play.word.ending.status == 487


@pytest.mark.parametrize("status", [401, 407, 420, 422])
def test_a_challenge_that_is_the_last_word_proves_nothing(status: int):
    """It was sent again, so our ACK was lost or never left; whether what follows a challenge left, nobody tells."""
    play = Play(sent(), sent(cseq=2), credentials=Credentials(username="u", password="p"))
    (first, _), (second, _) = play.requests("CANCEL")
    play.answer(first, status, ("Proxy-Authenticate", CHALLENGE), cseq="1 INVITE")
    play.answer(first, 200)
    play.answer(second, 481)
    assert not play.told  # a 2xx of the second one may still be sent again
    play.wait(7)
    assert (play.word.placed, play.word.heard, play.word.ending) == (None, True, None)


def test_a_challenge_that_could_not_be_met_is_the_end():
    """Without credentials no further INVITE has left, and it is told why."""
    play = Play(sent(), sent(cseq=2))
    (first, _), (second, _) = play.requests("CANCEL")
    play.answer(first, 407, ("Proxy-Authenticate", CHALLENGE), cseq="1 INVITE")
    play.answer(second, 481)
    assert (play.word.placed, play.word.ending.status) == (True, 407)


def test_a_redirection_does_not_speak_for_what_followed_it():
    """The 302 is sent again where its ACK was lost, while what it led to rings."""
    play = Play(sent(), sent(cseq=2))
    (first, _), (second, _) = play.requests("CANCEL")
    play.answer(first, 302, cseq="1 INVITE")
    play.answer(second, 487, cseq="2 INVITE")
    assert play.word.ending.status == 487


def test_who_is_there_and_says_nothing_to_a_cancel_knows_nothing():
    """Some drop it without an answer: they are asked whether they are there, and given a few more CANCELs' time."""
    play = Play()
    play.wait(1.4)
    assert not play.requests("OPTIONS")
    play.wait(0.2)
    ((question, flow),) = play.requests("OPTIONS")
    assert (question.uri, flow) == ("sip:127.0.0.9:5060", TRUNK)
    assert question.first("Call-ID") != CALL_ID
    play.answer(question, 404)
    play.wait(3.4)
    assert not play.told
    play.wait(1.2)
    assert (play.word.placed, play.word.heard) == (None, True)
    repeated = sum(message.method == "CANCEL" for message, _ in play.out)
    play.wait(40)
    assert sum(message.method == "CANCEL" for message, _ in play.out) > repeated  # it goes on, should many be lost


def test_who_is_there_and_says_nothing_to_a_bye_is_not_waited_for_long():
    """The dialog that is known is proof; the BYE goes on."""
    play = Play(dialog=dialog(), answered=True)
    play.wait(1.6)
    ((question, _),) = play.requests("OPTIONS")
    assert not play.told
    play.answer(question, 200)
    play.wait(1.1)
    assert (play.word.placed, play.word.heard) == (True, True)
    repeated = sum(message.method == "BYE" for message, _ in play.out)
    play.wait(5)
    assert sum(message.method == "BYE" for message, _ in play.out) > repeated


def test_a_late_answer_is_hung_up_on_after_the_word_was_given():
    """Whoever answers when nothing is expected any more is not left up."""
    play = Play()
    play.wait(3.6)
    ((question, _),) = play.requests("OPTIONS")
    play.answer(question, 200)
    play.wait(6)
    assert play.word.placed is None
    ((cancel, _),) = play.requests("CANCEL")
    play.answer(cancel, 200, ("Contact", "<sip:callee@127.0.0.21:6001>"), cseq="1 INVITE")
    assert play.requests("ACK")
    assert play.requests("BYE")


def test_who_heard_the_cancel_is_not_taken_for_silent():
    """A CANCEL that was answered late has its INVITE's answer awaited as ever."""
    play = Play()
    ((cancel, _),) = play.requests("CANCEL")
    play.wait(1.6)
    ((question, _),) = play.requests("OPTIONS")
    play.answer(question, 200)
    play.wait(3)
    play.answer(cancel, 200)
    play.wait(4)
    assert not play.told
    play.answer(cancel, 487, cseq="1 INVITE")
    assert play.word.placed is True


def test_the_far_end_hangs_up_itself():
    """Its BYE is answered, and proves that the call was up."""
    play = Play(dialog=dialog(), answered=True)
    headers = [
        ("Via", "SIP/2.0/UDP 127.0.0.9:5060;branch=z9hG4bKfar1"),
        ("Max-Forwards", "70"),
        ("From", "<sip:+447111000001@trunk.test>;tag=far"),
        ("To", "<sip:+12125550100@trunk.test>;tag=ours"),
        ("Call-ID", CALL_ID),
        ("CSeq", "1 BYE"),
    ]
    play.ua.receive_datagram(Request("BYE", "sip:dialerd@127.0.0.1:5060", headers).to_bytes(), TRUNK, play.now)
    play.pump()
    assert play.out[-1][0].status == 200
    assert play.word.ending.ender is Ender.CALLEE
