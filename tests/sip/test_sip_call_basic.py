"""Ladders: a call from INVITE to BYE, its routes, its forks, its races."""

import pytest
from callstage import CALL_ID, NO_COMMON_CODEC, SDP, sdp, stage, target
from dialerd_sip.core.events import CallOver, Ender, Established, InviteReady, Progress
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.message import Request
from link import OTHERS, THEM, US
from msgspec.structs import replace


def test_an_answered_call_is_acknowledged_and_hung_up() -> None:
    """From INVITE to the answer to our BYE, and what is told of it."""
    s = stage()
    invite = s.hear()
    s.say(100, tag=None)
    s.say(180)
    s.say(200, body=SDP)
    s.call.hang_up("hangup", s.link.now, ('Q.850;cause=16;text="done"',))
    s.link.settle()
    bye = s.far.take("BYE")
    s.far.answer(bye, 200)
    s.link.settle()
    assert s.link.ladder() == [
        "> INVITE", "< 100 INVITE", "< 180 INVITE", "< 200 INVITE", "> ACK", "> BYE", "< 200 BYE",
    ]  # fmt: skip
    assert [type(event) for event in s.link.events] == [InviteReady, Progress, Established, CallOver]
    assert bye.first("Reason") == 'Q.850;cause=16;text="done"'
    assert bye.cseq.number == 2
    assert bye.to.params["tag"] == "far"
    assert (s.ending.ender, s.ending.why, s.ending.status, s.ending.answered) == (Ender.US, "hangup", 200, True)
    ready = s.events(InviteReady)[0]
    assert ready.sent.via == invite.first("Via")
    established = s.events(Established)[0]
    assert (established.media.port, established.dialog.remote_tag) == (7000, "far")
    s.done()


def test_the_invite_says_what_we_can() -> None:
    """Supported, Allow, Session-Expires, own headers and the offer stand in it."""
    s = stage(headers=(("P-Asserted-Identity", "<sip:+12125550100@example.com>"),))
    invite = s.hear()
    assert invite.values("Supported") == ["timer", "100rel"]
    assert invite.first("Session-Expires") == "1800"
    assert invite.first("Max-Forwards") == "70"
    assert invite.first("P-Asserted-Identity") == "<sip:+12125550100@example.com>"
    assert {"BYE", "CANCEL", "UPDATE", "INFO"} <= set(invite.values("Allow"))
    assert invite.body.startswith(b"v=0")


def test_the_ack_goes_along_the_route_set_to_the_contact() -> None:
    """Record-Route is turned round, the Contact becomes the request's URI (RFC 3261 section 12.1.2)."""
    s = stage()
    routes = [f"<sip:192.0.2.{last};lr>" for last in (9, 8, 2)]  # the far end lists the nearest proxy last
    s.routes = [("Record-Route", route) for route in routes]
    s.hear()
    s.say(200, body=SDP, Contact="<sip:far@198.51.100.7:5070;transport=udp>")
    ack = s.far.take("ACK")
    assert isinstance(ack, Request)
    assert ack.uri == "sip:far@198.51.100.7:5070;transport=udp"
    assert ack.values("Route") == list(reversed(routes))
    assert s.events(Established)[0].dialog.flow == THEM


def test_a_strict_router_gets_its_own_uri() -> None:
    """A first route without lr becomes the request's URI, the Contact the last route (RFC 3261 section 12.2.1.1)."""
    s = stage()
    s.routes = [("Record-Route", "<sip:192.0.2.8;lr>"), ("Record-Route", "<sip:strict@192.0.2.2>")]
    s.hear()
    s.say(200, body=SDP)
    ack = s.far.take("ACK")
    assert isinstance(ack, Request)
    assert ack.uri == "sip:strict@192.0.2.2"
    assert ack.values("Route") == ["<sip:192.0.2.8;lr>", "<sip:far@192.0.2.2:5060>"]


@pytest.mark.parametrize(
    ("invite_flow", "contact", "flow"),
    [
        (THEM, "<sip:far@192.0.2.3:5060>", OTHERS),
        (THEM, "<sip:far@gateway.example.com>", THEM),
        (THEM, "<sip:far@192.0.2.3;transport=tcp>", THEM),
        (Flow(Transport.UDP, "8.8.8.8", 5060), "<sip:far@192.168.1.5:5060>", Flow(Transport.UDP, "8.8.8.8", 5060)),
        (Flow(Transport.UDP, "10.0.0.1", 5060), "<sip:far@10.0.0.9>", Flow(Transport.UDP, "10.0.0.9", 5060)),
        (Flow(Transport.TCP, "192.0.2.2", 5061), "<sip:f@192.0.2.2:9>", Flow(Transport.TCP, "192.0.2.2", 5061)),
    ],
)
def test_where_requests_of_the_dialog_go(invite_flow: Flow, contact: str, flow: Flow) -> None:
    """To the Contact where it can be reached, else where the INVITE went."""
    s = stage(target(invite_flow))
    s.far = s.link.far(invite_flow)
    s.hear()
    s.say(200, body=SDP, Contact=contact)
    assert s.link.carried[-1].target == flow
    assert s.events(Established)[0].dialog.flow == flow


def test_a_retransmitted_200_gets_the_same_ack() -> None:
    """An ACK that was lost is sent again, byte by byte (RFC 3261 section 13.2.2.4)."""
    s = stage()
    ack = s.answered()
    for _ in range(3):
        s.say(200, body=SDP)
        assert s.far.take("ACK").to_bytes() == ack.to_bytes()
    assert len(s.events(Established)) == 1


def test_a_200_that_comes_after_a_minute_is_acknowledged_all_the_same() -> None:
    """A late copy of the 200 finds its dialog after the transaction has gone."""
    s = stage()
    ack = s.answered()
    s.link.run(40)
    s.say(200, body=SDP)
    again = s.far.take("ACK")
    assert (again.cseq, again.to.params["tag"]) == (ack.cseq, "far")
    assert not s.is_over


def test_of_several_2xx_the_first_is_kept_and_the_others_are_hung_up() -> None:
    """Forks that answer too get ACK and BYE, those that come late as well."""
    s = stage()
    s.hear()
    s.say(180, tag="one")
    s.say(180, tag="two")
    s.say(200, tag="two", body=SDP)
    s.say(200, tag="one", body=SDP)
    s.say(200, tag="three", body=SDP)
    acks = [s.far.take("ACK").to.params["tag"] for _ in range(3)]
    assert acks == ["two", "one", "three"]
    for tag in ("one", "three"):
        bye = s.far.take("BYE")
        assert bye.to.params["tag"] == tag
        s.far.answer(bye, 200)
    s.say(200, tag="one", body=SDP)  # it lost our ACK
    assert s.link.ladder()[-1] == "> ACK"
    assert not s.is_over
    assert s.events(Established)[0].dialog.remote_tag == "two"
    s.ask("BYE", 1, tag="two")
    assert s.done().ender is Ender.CALLEE


def test_the_far_ends_bye_ends_it_and_its_reason_is_kept() -> None:
    """It is answered, its Reason is told, and a second BYE finds no call."""
    s = stage()
    s.answered()
    s.ask("BYE", 5, Reason='Q.850;cause=16;text="bye"')
    assert s.link.ladder()[-2:] == ["< BYE", "> 200 BYE"]
    assert s.ending.reasons == ('Q.850;cause=16;text="bye"',)
    assert (s.ending.ender, s.ending.answered) == (Ender.CALLEE, True)
    s.ask("BYE", 6)
    assert s.link.ladder()[-1] == "> 481 BYE"
    s.done()


def test_a_bye_that_overtakes_the_200_ends_it() -> None:
    """A BYE of the early dialog is answered; the 200 gets its ACK and no BYE of ours."""
    s = stage()
    s.hear()
    s.say(180)
    s.ask("BYE", 1)
    assert s.last(200).cseq.method == "BYE"
    s.say(200, body=SDP)
    s.far.take("ACK")
    assert s.ending.ender is Ender.CALLEE
    assert s.ending.answered
    assert "> BYE" not in s.link.ladder()


def test_a_bye_that_overtakes_everything_ends_it() -> None:
    """A BYE may be the first that is heard of the far end."""
    s = stage()
    s.hear()
    s.ask("BYE", 1)
    s.last(200)
    s.say(200, body=SDP)
    s.far.take("ACK")
    assert s.done().ender is Ender.CALLEE


@pytest.mark.parametrize("tags", [("early", "late"), ("far", None), (None, "far")])
def test_to_tags_that_differ_or_are_missing(tags: tuple[str | None, str | None]) -> None:
    """The 200's tag counts; what came before it, or that there is none, is borne."""
    s = stage()
    s.hear()
    s.say(180, tag=tags[0])
    s.say(200, tag=tags[1], body=SDP)
    ack = s.far.take("ACK")
    assert ack.to.params.get("tag") == tags[1]
    assert s.events(Established)[0].dialog.remote_tag == (tags[1] or "")
    s.ask("BYE", 1, tag=tags[1])
    assert s.done().ender is Ender.CALLEE


def test_sdp_in_the_200_counts_over_that_of_the_183() -> None:
    """Media move to where the answer says."""
    s = stage()
    s.hear()
    s.say(183, body=sdp(7100))
    s.say(200, body=sdp(7200))
    assert s.events(Progress)[0].media.port == 7100
    assert s.events(Established)[0].media.port == 7200


def test_a_200_without_sdp_takes_that_of_the_183() -> None:
    """An answer that came before is still the answer, also where early media are not heard."""
    s = stage(hear_early=False)
    s.hear()
    s.say(183, body=sdp(7100))
    s.say(200)
    assert s.events(Progress)[0].media is None
    assert s.events(Established)[0].media.port == 7100


@pytest.mark.parametrize("body", [b"", NO_COMMON_CODEC])
def test_a_200_without_usable_media_is_acknowledged_and_hung_up(body: bytes) -> None:
    """A call in which nothing can be said is ended by ACK and BYE."""
    s = stage()
    s.hear()
    s.say(200, body=body)
    s.far.answer(s.far.take("BYE"), 200)
    assert s.link.ladder()[-2:] == ["> ACK", "> BYE"]
    assert s.events(Established)[0].media is None
    assert s.done().why == "no_media"


def test_a_multipart_body_has_its_sdp_found() -> None:
    """SDP beside ISUP is read (RFC 5621)."""
    s = stage()
    s.hear()
    body = b"--x\r\nContent-Type: application/isup\r\n\r\n\x01\r\n--x\r\nContent-Type: application/sdp\r\n\r\n"
    s.say(200, body=body + SDP + b"\r\n--x--\r\n", Content_Type="multipart/mixed;boundary=x")
    assert s.events(Established)[0].media.port == 7000


def test_early_media_of_several_forks_are_told() -> None:
    """Each fork's media are told, and the answer's are those of the fork that answers."""
    s = stage()
    s.hear()
    s.say(183, tag="a", body=sdp(7100))
    s.say(183, tag="b", body=sdp(7200))
    s.say(199, tag="a")
    s.say(200, tag="b")
    told = s.events(Progress)
    assert [event.media.port if event.media else None for event in told] == [7100, 7200, None]
    assert s.events(Established)[0].media.port == 7200


def test_reliable_provisional_answers_get_their_pracks_in_order() -> None:
    """One PRACK for each RSeq of a dialog, in order; gaps and repetitions get none (RFC 3262 section 4)."""
    s = stage()
    s.hear()
    s.say(183, tag="a", body=sdp(7100), Require="100rel", RSeq="10")
    s.say(183, tag="b", Require="100rel", RSeq="1")
    s.say(180, tag="a", Require="100rel", RSeq="12")  # 11 is missing
    s.say(180, tag="a", Require="100rel", RSeq="11")
    s.say(183, tag="a", Require="100rel", RSeq="11")  # comes again
    pracks = [s.far.take("PRACK") for _ in range(3)]
    assert [(one.to.params["tag"], one.first("RAck")) for one in pracks] == [
        ("a", "10 1 INVITE"), ("b", "1 1 INVITE"), ("a", "11 1 INVITE"),
    ]  # fmt: skip
    assert [one.cseq.number for one in pracks] == [2, 2, 3]
    assert len(s.events(Progress)) == 3
    s.say(200, tag="a")
    assert s.events(Established)[0].media.port == 7100
    s.call.hang_up("hangup", s.link.now)
    s.link.settle()
    bye = s.far.take("BYE")
    assert bye.cseq.number == 4
    s.far.answer(bye, 200)
    s.done()


def test_an_update_may_change_early_media() -> None:
    """An UPDATE before the answer moves the media (RFC 3311)."""
    s = stage()
    s.hear()
    s.say(183, body=sdp(7100), Require="100rel", RSeq="1")
    s.ask("UPDATE", 1, body=sdp(7300, version=2))
    assert s.last(200).body.startswith(b"v=0")
    s.say(200)
    assert s.events(Established)[0].media.port == 7300


@pytest.mark.parametrize("status", [481, 408, 500, 200])
def test_any_answer_to_our_bye_ends_it(status: int) -> None:
    """After BYE the call has gone, whatever is answered (RFC 3261 section 15.1.1)."""
    s = stage()
    s.answered()
    s.call.hang_up("hangup", s.link.now)
    s.link.settle()
    s.far.answer(s.far.take("BYE"), status)
    s.link.settle()
    assert s.ending.why == "hangup"
    s.done()


def test_a_bye_that_nobody_answers_ends_it() -> None:
    """Timer F ends what was hung up, and hanging up twice sends one BYE."""
    s = stage()
    s.answered()
    s.call.hang_up("hangup", s.link.now)
    s.call.hang_up("other", s.link.now)
    s.link.run(31)
    assert not s.is_over
    assert s.done().why == "hangup"


def test_both_hang_up() -> None:
    """BYEs that cross are both answered, and ours counts."""
    s = stage()
    s.answered()
    s.call.hang_up("hangup", s.link.now)
    s.ask("BYE", 1, Reason="SIP;cause=200")
    assert s.last(200)
    assert (s.ending.ender, s.ending.reasons) == (Ender.US, ("SIP;cause=200",))
    s.far.answer(s.far.take("BYE"), 481)
    s.done()


def test_it_is_ended_when_it_has_lasted_long_enough() -> None:
    """The longest duration ends it by BYE."""
    s = stage(talk_for=20.0, session_expires=0)
    s.answered()
    s.link.run(19)
    assert not s.is_over
    s.link.run(2)
    s.far.answer(s.far.take("BYE"), 200)
    assert s.done().why == "max_duration"


def test_media_that_fail_end_it() -> None:
    """What is told of the media ends it, and the words are kept."""
    s = stage()
    s.answered()
    s.call.media_failed("nothing is heard", s.link.now)
    s.link.settle()
    s.far.answer(s.far.take("BYE"), 200)
    assert (s.done().why, s.ending.detail) == ("media_failed", "nothing is heard")


def test_requests_of_the_dialog_are_known_by_both_tags() -> None:
    """Another tag, or another source, is not this call."""
    s = stage()
    s.answered()
    stranger = replace(THEM, host="192.0.2.77")
    bye = s.asking("BYE", 1)
    assert s.call.concerns(bye)
    assert not s.call.concerns(s.asking("BYE", 1, tag="other"))
    s.ask("BYE", 1, tag="other")
    s.last(481)
    s.link.ua.receive_datagram(s.asking("BYE", 2).to_bytes(), stranger, s.link.now)
    assert not s.link.ua.sizes["calls"]


def test_the_same_seed_gives_the_same_identifiers() -> None:
    """An attempt's INVITE is the same in every life of the process."""
    invites = [stage().hear() for _ in range(2)]
    assert invites[0].to_bytes() == invites[1].to_bytes()
    assert invites[0].call_id == CALL_ID
    assert invites[0].via.host == US.host


def test_an_ack_may_wait_until_it_is_asked_for() -> None:
    """The ACK to the first 2xx waits; other forks' does not, and once asked for, copies get it at once."""
    s = stage(holds_ack=True)
    s.hear()
    s.say(200, tag="one", body=SDP)
    s.say(200, tag="one", body=SDP)
    assert "> ACK" not in s.link.ladder()
    s.say(200, tag="two", body=SDP)
    s.link.settle()
    assert s.far.take("ACK").to.params["tag"] == "two"
    s.far.answer(s.far.take("BYE"), 200)
    s.call.acknowledge(s.link.now)
    s.call.acknowledge(s.link.now)
    s.link.settle()
    assert s.far.take("ACK").to.params["tag"] == "one"
    assert s.link.ladder().count("> ACK") == 2
    s.say(200, tag="one", body=SDP)
    assert s.far.take("ACK").to.params["tag"] == "one"
    s.ask("BYE", 1, tag="one")
    s.done()


@pytest.mark.parametrize("ours", [False, True])
def test_nothing_but_what_may_come_again_is_left_when_it_is_over(ours: bool) -> None:
    """Only the answer to the far end's BYE is kept, for its copies."""
    s = stage()
    s.answered(Session_Expires="1800;refresher=uac")
    if ours:
        s.call.hang_up("hangup", s.link.now)
    s.ask("BYE", 1)
    assert s.is_over
    sizes = s.link.ua.sizes
    assert (sizes["client_transactions"], sizes["server_transactions"], sizes["timers"]) == (0, 1, 1)
