"""Ladders: what a far end asks of an answered call, and the session timer."""

import pytest
from callstage import NO_COMMON_CODEC, Stage, sdp, stage
from dialerd_sip.core.events import Ender, KeysPressed, MediaChanged
from dialerd_sip.core.message import Request
from dialerd_sip.core.sdp import Codec
from link import OTHERS


def up(**headers: str) -> Stage:
    """An answered call."""
    s = stage()
    s.answered(**headers)
    return s


def version_of(body: bytes) -> int:
    """The version in an o= line."""
    line = next(line for line in body.decode().splitlines() if line.startswith("o="))
    return int(line.split()[2])


# re-INVITE and UPDATE


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_hold_and_resume(method: str) -> None:
    """Hold stops what we send, resuming starts it, and each answer is a new version of our description (RFC 3264)."""
    s = up()
    s.ask(method, 1, body=sdp(held=True, version=2))
    held = s.last(200)
    assert b"a=recvonly" in held.body
    if method == "INVITE":
        s.acknowledge(1)
    s.ask(method, 2, body=sdp(version=3))
    resumed = s.last(200)
    if method == "INVITE":
        s.acknowledge(2)
    assert version_of(resumed.body) == version_of(held.body) + 1
    assert [event.media.sends for event in s.events(MediaChanged)] == [False, True]
    s.link.run(40)
    assert not s.is_over


def test_codec_and_port_change_and_the_same_again_is_no_change() -> None:
    """A re-INVITE may move the media; one that only repeats itself tells of nothing."""
    s = up()
    for cseq, expected in ((1, 1), (2, 1)):
        s.ask("INVITE", cseq, body=sdp(7400, codec=Codec.PCMA))
        s.last(200)
        s.acknowledge(cseq)
        assert len(s.events(MediaChanged)) == expected
    media = s.events(MediaChanged)[0].media
    assert (media.port, media.codec) == (7400, Codec.PCMA)


def test_offerless_reinvite_gets_our_offer_and_its_ack_brings_the_answer() -> None:
    """An offer of ours in a 200 is answered by the ACK, and until then no other offer is taken (RFC 3264 section 4)."""
    s = up()
    s.ask("INVITE", 1)
    ok = s.last(200)
    assert b"m=audio 6000" in ok.body
    s.ask("UPDATE", 2, body=sdp(7999))  # our offer is not answered yet
    s.last(491)
    s.acknowledge(1, body=sdp(7500))
    assert [event.media.port for event in s.events(MediaChanged)] == [7500]
    s.ask("UPDATE", 3, body=sdp(7600))
    s.last(200)


def test_what_cannot_be_accepted_is_refused_and_the_call_goes_on() -> None:
    """488 to an offer without a codec of ours leaves the media as they were (RFC 3261 section 14.2)."""
    s = up()
    for method, cseq in (("INVITE", 1), ("UPDATE", 2)):
        s.ask(method, cseq, body=NO_COMMON_CODEC)
        refused = s.last(488)
        assert refused.first("Warning")
    s.link.run(40)
    assert not s.events(MediaChanged)
    assert not s.is_over


def test_a_target_refresh_is_followed_and_a_refused_one_is_not() -> None:
    """BYE goes to the Contact of the last request that was accepted."""
    s = up()
    s.link.far(OTHERS)
    s.ask("UPDATE", 1, Contact="<sip:x@192.0.2.3>")
    refused = s.asking("INVITE", 2, body=NO_COMMON_CODEC)
    refused.set("Contact", "<sip:y@192.0.2.2>")
    s.far.send(refused)
    request = s.asking("UPDATE", 3)
    request.set("Contact", "<sip:x@192.0.2.3>")
    s.far.send(request)
    s.link.settle()
    refused = s.asking("INVITE", 4, body=NO_COMMON_CODEC)
    refused.set("Contact", "<sip:y@192.0.2.2>")
    s.far.send(refused)
    s.link.settle()
    s.call.hang_up("hangup", s.link.now)
    s.link.settle()
    bye = s.link.carried[-1]
    assert isinstance(bye.message, Request)
    assert (bye.message.method, bye.message.uri, bye.target) == ("BYE", "sip:x@192.0.2.3", OTHERS)


def test_a_reinvite_that_nobody_acknowledges_ends_the_call() -> None:
    """A 2xx of ours without an ACK is the end of the session (RFC 3261 section 13.3.1.4)."""
    s = up()
    s.ask("INVITE", 1, body=sdp(7400))
    s.link.run(33)
    s.far.answer(s.far.take("BYE"), 200)
    assert s.done().why == "timeout"


def test_glare() -> None:
    """Of two re-INVITEs that cross both get 491; ours comes again after 2.1 to 4 s (RFC 3261 section 14.1)."""
    s = up(Session_Expires="100;refresher=uac")
    s.link.run(50.2)
    ours = s.far.take("INVITE")
    s.ask("INVITE", 1, body=sdp(7400))
    s.last(491)
    s.far.answer(ours, 491)
    s.link.settle()
    at = s.link.now
    start = len(s.link.carried)
    s.link.run(5)
    ladder = s.link.ladder(start)
    again = s.link.carried[start + ladder.index("> INVITE")]
    assert 2.1 <= again.at - at <= 4.0
    s.far.take("INVITE")


def test_a_refresh_of_the_far_end_in_a_glare_is_ours_too() -> None:
    """The far end's refresh counts, so ours need not come again."""
    s = up(Session_Expires="100;refresher=uac")
    s.link.run(50.2)
    s.far.answer(s.far.take("INVITE"), 491)
    s.link.settle()
    s.ask("INVITE", 2, body=sdp(7400))
    assert s.last(200).first("Session-Expires") == "100;refresher=uas"
    s.acknowledge(2)
    start = len(s.link.carried)
    s.link.run(45)
    assert not s.link.ladder(start)


# order and repetition


def test_a_lower_cseq_is_refused_and_a_retransmission_gets_the_same_answer() -> None:
    """What is out of order gets 500 (RFC 3261 section 12.2.2), and no key is counted twice."""
    s = up()
    info = s.ask("INFO", 5, body=b"Signal=5\r\nDuration=160\r\n", kind="application/dtmf-relay")
    first = s.last(200)
    s.far.send(info)
    s.link.settle()
    assert s.last(200).to_bytes() == first.to_bytes()
    s.ask("INFO", 4, body=b"Signal=6\r\n", kind="application/dtmf-relay")
    s.last(500)
    assert [event.digits for event in s.events(KeysPressed)] == ["5"]


# other requests


@pytest.mark.parametrize(
    ("kind", "body", "status", "keys"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", 200, ["5"]),
        ("application/dtmf-relay", b"Signal= *\r\n", 200, ["*"]),
        ("application/dtmf-relay", b"Signal=11\r\n", 200, ["#"]),
        ("application/dtmf", b"7", 200, ["7"]),
        ("application/dtmf-relay", b"nonsense", 200, []),
        ("application/media_control+xml", b"<x/>", 415, []),
        ("", b"", 200, []),
    ],
)
def test_info(kind: str, body: bytes, status: int, keys: list[str]) -> None:
    """INFO carries keys in the two forms that gateways use; what else it carries harms nothing."""
    s = up()
    s.ask("INFO", 1, body=body, kind=kind)
    s.last(status)
    assert [event.digits for event in s.events(KeysPressed)] == keys


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("OPTIONS", {}, 200),
        ("NOTIFY", {"Event": "refer"}, 481),
        ("NOTIFY", {"Event": "talk"}, 489),
        ("MESSAGE", {}, 405),
        ("REFER", {"Refer-To": "<sip:x@192.0.2.2>"}, 405),
        ("PRACK", {"RAck": "1 1 INVITE"}, 481),
        ("INFO", {"Info-Package": "x"}, 469),
        ("UPDATE", {"Require": "magic"}, 420),
        ("UPDATE", {"Supported": "timer", "Session-Expires": "60"}, 422),
    ],
)
def test_other_requests(method: str, headers: dict[str, str], status: int) -> None:
    """Each request within the call has its answer, and the call goes on."""
    s = up()
    s.ask(method, 1, **{name.replace("-", "_"): value for name, value in headers.items()})
    answer = s.last(status)
    if status == 405:
        assert answer.first("Allow")
    if status == 422:
        assert answer.first("Min-SE") == "90"
    s.link.run(40)
    assert not s.is_over


# the session timer


def test_we_refresh_at_half_by_update_where_it_is_allowed() -> None:
    """UPDATE without a body, at half of the interval, by whom Allow names it to (RFC 4028 section 7.2)."""
    s = up(Session_Expires="100;refresher=uac", Allow="INVITE, UPDATE")
    for count in range(3):
        s.link.run(49.5)
        assert not [one for one in s.far.inbox if isinstance(one, Request)]
        s.link.run(0.7)
        update = s.far.take("UPDATE")
        assert (update.first("Session-Expires"), update.cseq.number) == ("100;refresher=uac", 2 + count)
        assert not update.body
        s.far.answer(update, 200, headers=[("Session-Expires", "100;refresher=uac")])
        s.link.settle()
    s.ask("BYE", 1)
    s.done()


def test_we_refresh_by_reinvite_with_our_description_unchanged() -> None:
    """Without UPDATE our re-INVITE repeats the last description, whichever it was."""
    s = up(Session_Expires="100")
    s.link.run(50.2)
    again = s.far.take("INVITE")
    assert s.invite is not None
    assert again.body == s.invite.body
    for _ in range(2):
        answer = [("Session-Expires", "100;refresher=uac"), ("Contact", "<sip:far@192.0.2.2>")]
        s.far.answer(again, 200, headers=answer, body=sdp())
        s.link.settle()
        assert s.far.take("ACK").cseq.number == 2
    assert not s.events(MediaChanged)
    s.ask("UPDATE", 1, body=sdp(held=True, version=2))
    held = s.last(200)
    s.link.run(50.2)
    assert s.far.take("INVITE").body == held.body


def test_405_to_an_update_has_us_refresh_by_reinvite() -> None:
    """Whoever names UPDATE in Allow and does not know it gets a re-INVITE."""
    s = up(Session_Expires="100;refresher=uac", Allow="UPDATE")
    s.link.run(50.2)
    s.far.answer(s.far.take("UPDATE"), 405)
    s.link.settle()
    assert s.far.take("INVITE")


def test_422_to_a_refresh_has_the_interval_asked_for() -> None:
    """The far end's Min-SE is met at once (RFC 4028 section 7.1)."""
    s = up(Session_Expires="100;refresher=uac", Allow="UPDATE")
    s.link.run(50.2)
    s.far.answer(s.far.take("UPDATE"), 422, headers=[("Min-SE", "400")])
    s.link.settle()
    again = s.far.take("UPDATE")
    assert (again.first("Session-Expires"), again.first("Min-SE")) == ("400;refresher=uac", "400")


@pytest.mark.parametrize("status", [None, 481, 408])
def test_a_refresh_without_reply_ends_the_call(status: int | None) -> None:
    """Silence, 481 and 408 say that nobody holds the call any longer (RFC 4028 section 7.2)."""
    s = up(Session_Expires="100;refresher=uac", Allow="UPDATE")
    s.link.run(50.2)
    if status is not None:
        s.far.answer(s.far.take("UPDATE"), status)
    s.link.run(33)
    s.far.answer(s.far.take("BYE"), 200)
    assert (s.done().why, s.ending.ender) == ("session_expired", Ender.NETWORK)


def test_a_refresh_that_is_refused_is_tried_again_until_the_expiry() -> None:
    """Another refusal is no end: the next refresh may be taken."""
    s = up(Session_Expires="100;refresher=uac", Allow="UPDATE")
    s.link.run(50.2)
    s.far.answer(s.far.take("UPDATE"), 500)
    s.link.settle()
    s.link.run(12)
    s.far.answer(s.far.take("UPDATE"), 200, headers=[("Session-Expires", "100;refresher=uac")])
    s.link.run(45)
    assert not s.is_over


def test_a_missing_refresh_of_the_far_end_ends_the_call_shortly_before_the_expiry() -> None:
    """BYE leaves a third of the interval, 32 s at most, before it (RFC 4028 section 10)."""
    s = up(Session_Expires="120;refresher=uas")
    s.link.run(87)
    assert "> BYE" not in s.link.ladder()
    s.link.run(2)
    s.far.answer(s.far.take("BYE"), 200)
    assert s.done().why == "session_expired"


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_refresh_of_the_far_end_counts(method: str) -> None:
    """Each request that refreshes begins the interval anew, and changes no media."""
    s = up(Session_Expires="120;refresher=uas")
    for cseq in range(1, 4):
        s.link.run(60)
        body = sdp() if method == "INVITE" else b""
        s.ask(method, cseq, body=body, Supported="timer", Session_Expires="120;refresher=uac")
        ok = s.last(200)
        assert (ok.first("Session-Expires"), ok.first("Require")) == ("120;refresher=uac", "timer")
        if method == "INVITE":
            s.acknowledge(cseq)
    assert not s.is_over
    assert not s.events(MediaChanged)


def test_whoever_knows_no_session_timer_has_us_refresh() -> None:
    """A far end that does not support the timer cannot be the refresher (RFC 4028 section 9)."""
    s = up(Session_Expires="120;refresher=uas")
    s.ask("UPDATE", 1, body=sdp(), Allow="UPDATE")
    assert s.last(200).first("Session-Expires") == "120;refresher=uas"
    s.link.run(61)
    assert s.far.take("UPDATE")


def test_without_session_expires_nothing_expires() -> None:
    """A far end without the timer gets no refresh, and its call no end."""
    s = up()
    s.link.run(4000)
    assert s.link.ladder()[-1] == "> ACK"
