"""What of a call follows from its attempt alone: the INVITEs that a core may have sent, and those that are guessed."""

from callstage import plan_of, stage, target
from dialerd_sip.core.digest import Credentials
from dialerd_sip.core.events import InviteReady
from dialerd_sip.taking_back import guessed
from link import OTHERS

SEED = plan_of().seed
ACCOUNT = Credentials(username="dialer", password="made up")
CHALLENGE = 'Digest realm="r", nonce="n", qop="auth"'


def test_whatever_left_last_is_guessed() -> None:
    """Whatever left last is guessed."""
    targets = (target(), target(OTHERS))
    s = stage(*targets, credentials=ACCOUNT)
    other = s.link.far(OTHERS)
    s.hear()
    s.say(407, Proxy_Authenticate=CHALLENGE)
    s.hear()
    s.say(503)
    other.answer(
        other.take("INVITE"), 407, headers=[("Proxy-Authenticate", CHALLENGE.replace('"n"', '"m"') + ", stale=true")]
    )
    s.link.settle()
    sent = [event.sent for event in s.events(InviteReady)]
    assert [(one.cseq, one.flow == OTHERS) for one in sent] == [(1, False), (2, False), (1, True), (2, True)]
    for kept in range(len(sent)):  # a crash took away the state of one INVITE, and of none
        guesses = guessed(SEED, sent[:kept], targets)
        assert sent[kept] in guesses
        assert not {one.via for one in guesses} & {one.via for one in sent[:kept]}
    s.call.hang_up("hangup", s.link.now)
    s.done()


def test_where_nothing_is_known_each_target_may_have_had_three() -> None:
    """Where nothing is known each target may have had three."""
    guesses = guessed(SEED, (), (target(), target(OTHERS)))
    assert [one.cseq for one in guesses] == [1, 2, 3, 1, 2, 3]
    assert len({one.via for one in guesses}) == 6
