"""Calls of a former life that were ringing when it ended, and may have been answered and acknowledged since."""

from former_stage import CHALLENGE, TRUNK, Play, dialog, sent


def test_an_early_dialog_that_was_acknowledged_at_last_is_hung_up_on():
    """The ACK left, and the kill came before it was durable that somebody had answered: no 200 is sent again."""
    play = Play(sent(1), dialog=dialog())
    ((cancel, _),) = play.requests("CANCEL")
    play.answer(cancel, 200)
    assert not play.requests("BYE")  # a 487 may be on its way
    play.wait(1.5)
    ((bye, flow),) = play.requests("BYE")
    assert flow == TRUNK
    assert (bye.uri, bye.first("To")) == ("sip:callee@127.0.0.21:6001", dialog().to)
    assert bye.cseq.number > 2
    play.answer(bye, 200)
    assert play.word.placed
    assert play.word.ending.answered


def test_an_early_dialog_whose_cancel_comes_too_late_is_hung_up_on_at_once():
    """The far end knows the INVITE no more: it was answered, or is over."""
    play = Play(sent(1), dialog=dialog())
    ((cancel, _),) = play.requests("CANCEL")
    play.answer(cancel, 481)
    ((bye, _),) = play.requests("BYE")
    play.answer(bye, 481)
    play.wait(10)
    assert play.word.placed is None
    assert play.word.heard


def test_an_early_dialog_whose_far_end_drops_the_cancel_is_hung_up_on():
    """It answers OPTIONS, and says nothing to the CANCEL."""
    play = Play(sent(1), dialog=dialog())
    play.wait(1.6)
    ((question, flow),) = play.requests("OPTIONS")
    play.answer(question, 200, flow=flow)
    play.wait(4)
    ((bye, _),) = play.requests("BYE")
    play.answer(bye, 200)
    assert play.word.placed


def test_an_early_dialog_whose_invite_was_cancelled_gets_no_bye():
    """Its 487 is the end of it."""
    play = Play(sent(1), dialog=dialog())
    ((cancel, _),) = play.requests("CANCEL")
    play.answer(cancel, 200)
    play.answer(cancel, 487, cseq="1 INVITE")
    play.wait(10)
    assert not play.requests("BYE")
    assert play.word.ending.status == 487


def test_an_early_dialog_is_not_over_by_a_challenge():
    """A 407 that came before says nothing of the INVITE that followed it."""
    play = Play(sent(1), sent(2), dialog=dialog())
    first, second = (cancel for cancel, _ in play.requests("CANCEL"))
    play.answer(first, 407, ("Proxy-Authenticate", CHALLENGE), cseq="1 INVITE")
    play.answer(second, 481)
    ((bye, _),) = play.requests("BYE")
    play.answer(bye, 200)
    play.wait(10)
    assert play.word.ending.answered


def test_an_early_dialog_gets_no_bye_where_nobody_is_there():
    """All is tried again then, and takes no longer than the CANCEL alone."""
    play = Play(sent(1), dialog=dialog())
    play.wait(33)
    assert not play.requests("BYE")
    assert not play.word.heard
