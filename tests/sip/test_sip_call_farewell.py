"""BYEs: whatever becomes of them, nobody stays up who could be told, and the call ends once."""

import pytest
from callstage import SDP, stage, target
from dialerd_sip.core.digest import Credentials
from dialerd_sip.core.events import CallOver, Ender
from dialerd_sip.core.flow import Flow, Transport
from link import THEM

ACCOUNT = Credentials(username="dialer", password="made up")


def test_a_bye_that_was_refused_is_sent_again_until_somebody_takes_it() -> None:
    """A BYE that was refused is sent again until somebody takes it."""
    s = stage()
    s.answered()
    s.link.refuse(THEM)  # the proxy is being started again
    s.call.hang_up("agent", s.link.now)
    s.link.run(6)
    assert not s.is_over
    s.link.refuse(THEM, refused=False)
    s.link.run(4)
    bye = s.far.take("BYE")
    s.far.answer(bye, 200)
    s.link.settle()
    assert (s.ending.ender, s.ending.why) == (Ender.US, "agent")
    s.done()


def test_a_bye_that_is_refused_for_good_ends_it_all_the_same() -> None:
    """A BYE that is refused for good ends it all the same."""
    s = stage()
    s.answered()
    s.link.refuse(THEM)
    s.call.hang_up("agent", s.link.now)
    s.link.run(33)
    assert s.is_over
    numbers = [one.message.cseq.number for one in s.link.carried if one.message.start_line().startswith("BYE")]
    assert len(numbers) > 3
    assert len(set(numbers)) == len(numbers)
    s.done()


def test_a_bye_whose_connection_is_lost_is_sent_over_the_next_one() -> None:
    """A BYE whose connection is lost is sent over the next one."""
    flow = Flow(Transport.TCP, "192.0.2.2", 5060)
    s = stage(target(flow))
    far = s.link.far(flow)
    s.link.settle()
    far.answer(far.take("INVITE"), 200, headers=[("Contact", "<sip:far@192.0.2.2;transport=tcp>")], body=SDP)
    s.link.settle()
    s.call.hang_up("agent", s.link.now)
    s.link.settle()
    far.take("BYE")
    s.link.ua.flow_failed(flow, "connection", s.link.now)
    assert not s.is_over
    s.link.run(5)
    far.answer(far.take("BYE"), 481)
    s.link.settle()
    assert s.is_over
    s.done()


def test_the_far_end_hangs_up_while_our_bye_waits() -> None:
    """The far end hangs up while our BYE waits."""
    s = stage()
    s.answered()
    s.link.refuse(THEM)
    s.call.hang_up("agent", s.link.now)
    s.link.settle()
    s.link.refuse(THEM, refused=False)
    s.ask("BYE", 1)
    assert s.is_over
    start = len(s.link.carried)
    s.done()
    assert "> BYE" not in s.link.ladder(start)


@pytest.mark.parametrize("status", [400, 401, 407, 408, 481, 500, 503, 603])
@pytest.mark.parametrize("value", ["", "%%%", "Digest", 'Digest realm="', "Digest nonce=n", "Basic x", "\udcff=\udcff"])
def test_whatever_is_answered_to_a_bye_it_is_over(status: int, value: str) -> None:
    """Whatever is answered to a BYE it is over."""
    s = stage(credentials=ACCOUNT)
    s.answered()
    s.call.hang_up("agent", s.link.now)
    s.link.settle()
    headers = [("WWW-Authenticate", value), ("Proxy-Authenticate", value), ("Authentication-Info", value)]
    s.far.answer(s.far.take("BYE"), status, headers=headers)
    s.link.settle()
    assert len(s.events(CallOver)) == 1
    s.done()


@pytest.mark.parametrize(
    "value", ["", "%%%", "Digest", 'Digest realm="', "99999999999999999999999", "-1", "\udcff", "*"]
)
@pytest.mark.parametrize("status", [200, 401, 407, 422, 491, 500])
@pytest.mark.parametrize(
    "name",
    ["WWW-Authenticate", "Proxy-Authenticate", "Session-Expires", "Min-SE", "Contact", "Allow", "Content-Type"],
)
def test_whatever_is_answered_to_a_refresh_it_goes_on_or_ends(status: int, name: str, value: str) -> None:
    """Whatever is answered to a refresh it goes on or ends."""
    s = stage(credentials=ACCOUNT, session_expires=90, talk_for=3_600.0)
    s.answered(Session_Expires="90;refresher=uac", Allow="UPDATE")
    s.link.run(45.5)
    update = s.far.take("UPDATE")
    s.far.answer(update, status, headers=[(name, value)], body=SDP if status == 200 else b"")
    s.link.settle()
    s.far.script = lambda message: s.far.answer(message, 200) if message.start_line().startswith("BYE") else None
    ending = s.done()  # nobody answers any further refresh
    assert ending.why == "session_expired" or (status == 200 and ending.why == "max_duration")
