"""What proves that a call of a former life was placed, and whether whoever picked up was reached."""

import pytest
from dialerd_sip.core.digest import Credentials
from dialerd_sip.core.events import Ender
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.message import Request, parse_message
from dialerd_sip.verdicts import former_end
from former_stage import CALL_ID, CHALLENGE, OTHER, TRUNK, Play, dialog, sent

from dialerd.model.states import AtFault, Outcome

THIRD = Flow(Transport.UDP, "127.0.0.11", 5060)
PHONE = ("Contact", "<sip:callee@127.0.0.21:6001>")


def bye(tag="far"):
    """Return a BYE of the far end."""
    headers = [
        ("Via", "SIP/2.0/UDP 127.0.0.9:5060;branch=z9hG4bKfar1"),
        ("Max-Forwards", "70"),
        ("From", f"<sip:+447111000001@trunk.test>;tag={tag}"),
        ("To", "<sip:+12125550100@trunk.test>;tag=ours"),
        ("Call-ID", CALL_ID),
        ("CSeq", "1 BYE"),
    ]
    return Request("BYE", "sip:dialerd@127.0.0.1:5060", headers).to_bytes()


def missed(play):
    """Check that nobody counts as reached, on our account, and return who ended it."""
    ending = play.word.ending
    assert (ending.answered, ending.crossed) == (True, True)
    end = former_end(ending)
    assert (end.outcome, end.cause.fault) == (Outcome.CANCELLED, AtFault.US)
    assert "restarted" in end.cause.detail
    return ending.ender


def reached(play):
    """Check that somebody counts as reached, and return who ended it."""
    ending = play.word.ending
    assert (ending.answered, ending.crossed) == (True, False)
    end = former_end(ending)
    assert (end.outcome, end.cause) == (Outcome.ANSWERED, None)
    return ending.ender


# who was reached


@pytest.mark.parametrize("early", [None, dialog()])
def test_whoever_answered_after_the_end_of_a_life_heard_nothing(early):
    """Their 200 is sent again, so it was never acknowledged: silence, and then they are hung up on."""
    play = Play(dialog=early)
    ((cancel, _),) = play.requests("CANCEL")
    play.answer(cancel, 200, PHONE, cseq="1 INVITE")
    play.answer(play.requests("BYE")[0][0], 200)
    assert missed(play) is Ender.US


def test_whoever_answered_an_invite_of_which_nothing_is_known_heard_nothing():
    """No state was kept, and no INVITE of the 200's branch is guessed."""
    play = Play()
    ((cancel, _),) = play.requests("CANCEL")
    other = parse_message(cancel.to_bytes())
    other.set("Via", other.first("Via").replace("branch=", "branch=z9hG4bKother"))
    play.answer(other, 200, PHONE, cseq="2 INVITE")
    play.answer(play.requests("BYE")[0][0], 200)
    play.answer(cancel, 481)
    assert missed(play) is Ender.US


def test_an_early_dialog_that_takes_a_bye_heard_next_to_nothing():
    """That it was answered would have been on the disk a moment later."""
    play = Play(dialog=dialog())
    ((cancel, _),) = play.requests("CANCEL")
    play.answer(cancel, 481)
    play.answer(play.requests("BYE")[0][0], 200)
    assert missed(play) is Ender.US


@pytest.mark.parametrize("early", [None, dialog()])
def test_whoever_hangs_up_without_an_ack_heard_nothing(early):
    """Their BYE ends what they believed to be up: RFC 3261 section 13.3.1.4."""
    play = Play(dialog=early)
    ((cancel, _),) = play.requests("CANCEL")
    play.ua.receive_datagram(bye(), TRUNK, play.now)
    play.answer(cancel, 481)
    play.wait(10)
    assert missed(play) is Ender.CALLEE


@pytest.mark.parametrize("tag", ["far", "fork"])
def test_whoever_was_up_was_reached(tag):
    """Neither their 200 that comes once more, the ACK being lost, nor another fork's takes that away."""
    play = Play(dialog=dialog(), answered=True)
    ((farewell, _),) = play.requests("BYE")
    play.answer(
        Request("CANCEL", "sip:x", [(name, farewell.first(name)) for name in ("Via", "From", "To", "Call-ID")]
                + [("CSeq", "1 CANCEL")]),
        200, PHONE, cseq="1 INVITE", tag=tag,
    )  # fmt: skip
    for one, _ in play.requests("BYE"):
        play.answer(one, 200)
    assert len(play.requests("ACK")) == 1
    assert reached(play) is Ender.US


def test_whoever_was_up_and_hangs_up_was_reached():
    """Their BYE crosses ours."""
    play = Play(dialog=dialog(), answered=True)
    play.ua.receive_datagram(bye(), TRUNK, play.now)
    play.pump()
    assert reached(play) is Ender.CALLEE
    before = len(play.out)
    play.wait(40)
    assert len(play.out) == before  # ours goes on no more


def test_a_bye_that_is_under_way_is_waited_for():
    """A proxy has taken it, and the phone has not answered yet."""
    play = Play(dialog=dialog())
    ((cancel, _),) = play.requests("CANCEL")
    play.answer(cancel, 481)
    ((farewell, _),) = play.requests("BYE")
    play.answer(farewell, 100, tag=None)
    play.wait(8)
    assert not play.told
    play.answer(farewell, 200)
    assert missed(play) is Ender.US


def test_what_is_cancelled_while_it_rings_is_our_doing():
    """It would ring on but for the restart."""
    play = Play()
    ((cancel, _),) = play.requests("CANCEL")
    play.answer(cancel, 487, cseq="1 INVITE")
    end = former_end(play.word.ending)
    assert (end.outcome, end.cause.fault, end.detail["sip_status"]) == (Outcome.CANCELLED, AtFault.US, 487)


# what another INVITE may have followed


def play_at(*flows, **changes):
    """Return a play of INVITEs to several places, and their CANCELs by place."""
    play = Play(*[sent(flow=flow) for flow in flows], **changes)
    return play, {flow: cancel for cancel, flow in play.requests("CANCEL")}


def proven(play):
    """Let all that is waited for pass, and return the answer that is proof, or None."""
    play.wait(40)
    word = play.word
    assert word.heard
    assert (word.placed is True) is (word.ending is not None)
    return None if word.ending is None else word.ending.status


@pytest.mark.parametrize("status", [503, 482])
def test_a_single_place_that_is_full_is_the_end(status):
    """There was nowhere else to go."""
    play, at = play_at(TRUNK)
    play.answer(at[TRUNK], status, cseq="1 INVITE")
    assert play.word.ending.status == status


@pytest.mark.parametrize("status", [503, 482])
@pytest.mark.parametrize("said", [481, 200, None])
def test_a_place_that_is_full_is_no_proof_while_another_has_had_no_last_word(status, said):
    """Our ACK may have been lost, and the next place have rung, whose state a crash took away."""
    for first, other in ((TRUNK, OTHER), (OTHER, TRUNK)):
        play, at = play_at(TRUNK, OTHER)
        play.answer(at[first], status, cseq="1 INVITE", flow=first)
        if said is not None:
            play.answer(at[other], said, flow=other)
        assert proven(play) is None


@pytest.mark.parametrize("status", [503, 482])
def test_several_places_that_are_all_full_are_proof(status):
    """Each has said that nothing rings there."""
    play, at = play_at(TRUNK, OTHER, THIRD)
    for flow in (TRUNK, THIRD):
        play.answer(at[flow], 503, cseq="1 INVITE", flow=flow)
    assert not play.told
    play.answer(at[OTHER], status, cseq="1 INVITE", flow=OTHER)
    assert play.word.ending.status == status


@pytest.mark.parametrize("status", [503, 482])
def test_what_followed_a_place_that_is_full_has_the_word(status):
    """482 after 503 is the same server's other address, and the third place may ring."""
    play, at = play_at(TRUNK, OTHER, THIRD)
    play.answer(at[OTHER], status, cseq="1 INVITE", flow=OTHER)
    play.answer(at[THIRD], 487, cseq="1 INVITE", flow=THIRD)
    play.answer(at[TRUNK], 503, cseq="1 INVITE", flow=TRUNK)
    assert proven(play) == 487


@pytest.mark.parametrize(("status", "changes"), [
    (407, {"credentials": Credentials(username="u", password="p")}),
    (420, {}),
    (302, {"redirects": True}),
])  # fmt: skip
def test_a_place_that_asks_for_more_has_not_had_its_last_word(status, changes):
    """Whatever another one says: what was asked for may have left."""
    play, at = play_at(TRUNK, OTHER, **changes)
    play.answer(at[TRUNK], status, ("Proxy-Authenticate", CHALLENGE), cseq="1 INVITE")
    play.answer(at[OTHER], 503, cseq="1 INVITE", flow=OTHER)
    assert proven(play) is None


@pytest.mark.parametrize("status", [407, 302])
def test_what_cannot_be_met_is_a_last_word_too(status):
    """Without credentials, and where redirections are not followed."""
    play, at = play_at(TRUNK, OTHER)
    play.answer(at[OTHER], status, ("Proxy-Authenticate", CHALLENGE), cseq="1 INVITE", flow=OTHER)
    play.answer(at[TRUNK], 503, cseq="1 INVITE")
    assert proven(play) == 503


def test_a_bye_that_is_answered_late_does_not_end_the_wait_for_others():
    """It was waited for no longer; another place has taken its CANCEL, and its 487 is on its way."""
    play, at = play_at(TRUNK, OTHER)
    play.answer(at[TRUNK], 200, PHONE, cseq="1 INVITE")
    play.answer(at[OTHER], 200, flow=OTHER)
    ((farewell, _),) = play.requests("BYE")
    play.wait(1.6)
    ((question, flow),) = play.requests("OPTIONS")
    play.answer(question, 200, flow=flow)
    play.wait(1.5)
    play.answer(farewell, 200)
    assert not play.told
    play.answer(at[OTHER], 487, cseq="1 INVITE", flow=OTHER)
    assert missed(play) is Ender.US


@pytest.mark.parametrize("status", [300, 302, 380])
def test_a_redirection_is_the_end_where_none_is_followed(status):
    """Where they are followed nobody can tell: what it led to is not known, so that it cannot even be cancelled."""
    play, at = play_at(TRUNK)
    play.answer(at[TRUNK], status, ("Contact", "<sip:b@127.0.0.9:5070>"), cseq="1 INVITE")
    assert proven(play) == status
    play, at = play_at(TRUNK, redirects=True)
    play.answer(at[TRUNK], status, ("Contact", "<sip:b@127.0.0.9:5070>"), cseq="1 INVITE")
    assert proven(play) is None
