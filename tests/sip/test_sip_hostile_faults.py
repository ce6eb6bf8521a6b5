"""What a hostile peer once brought about: a ladder for each, so that it does not come again."""

import pytest
from callstage import CALL_ID, SDP, plan_of, stage, target
from dialerd_sip.core import next_hop
from dialerd_sip.core.call import Call
from dialerd_sip.core.call_forks import MOST_LEGS
from dialerd_sip.core.digest import NonceCache
from dialerd_sip.core.events import CallOver, DialogState, Ender, Established, FormerTold, Sent
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.former import Former
from dialerd_sip.core.former_call import FormerCall
from dialerd_sip.core.message import Response
from dialerd_sip.core.next_hop import flow_towards
from dialerd_sip.state import CallState, from_bytes, to_bytes
from hostile_trace import CHALLENGE, PASSWORD
from ladder import Owner, request
from link import OTHERS, THEM, Link

STRANGER = Flow(Transport.UDP, "192.0.2.66", 5060)
BYE_WITHOUT_TAG = request("BYE", call_id=CALL_ID, from_tag="far")


def accepted(tag="guess"):
    """Return a 2xx of somebody who knows the Call-ID of the call, but not its tag."""
    asked = request(call_id=CALL_ID, from_tag=tag, branch="z9hG4bKguess")
    answer = Response.to_request(asked, 200, "OK", to_tag="far")
    answer.add("Contact", "<sip:victim@192.0.2.99>")
    return answer.to_bytes()


def told_nobody(link, data):
    """Let a stranger's message come; return whether nothing left and nothing was told."""
    link.ua.receive_datagram(data, STRANGER, link.now)
    return not link.ua.datagrams_to_send(link.now) and link.ua.next_event() is None


def test_who_knows_the_call_id_alone_cannot_answer():
    """A 2xx without our tag is nobody's: while it rings, when it is answered, and when it is over."""
    play = stage()
    play.hear()
    play.say(180)
    assert told_nobody(play.link, accepted())
    play.say(200, body=SDP)
    assert play.events(Established)
    assert told_nobody(play.link, accepted())
    play.ask("BYE", 1)
    assert play.is_over
    assert told_nobody(play.link, accepted())
    assert play.link.ua.counts == {"no_transaction": 3}


def former(link, **changes):
    """Take a call of a former life back."""
    via = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKformer;rport"
    known = {
        "seed": "0190-attempt",
        "call_id": CALL_ID,
        "from_": "<sip:+12125550100@dialer.example.com>;tag=ours",
        "to": "<sip:+447111000001@192.0.2.2>",
        "sent": (Sent(cseq=1, uri="sip:x@192.0.2.2", via=via, flow=THEM),),
        "contact": "<sip:dialer@192.0.2.1>",
        "sent_by": "192.0.2.1:5060",
    }
    return Former(link.ua, FormerCall(**known | changes), link.now)


def test_a_former_calls_tag_must_be_known_whole():
    """Neither a request without a To tag nor one with the tag's first letter is let in, nor a 2xx without it."""
    link = Link()
    link.far()
    former(link)
    link.settle()
    beginning = request("BYE", call_id=CALL_ID, from_tag="far", to_tag="o")
    for data in (BYE_WITHOUT_TAG.to_bytes(), beginning.to_bytes(), accepted()):
        assert told_nobody(link, data)
    assert link.ua.counts == {"unknown_source": 2, "no_transaction": 1}


def test_an_invite_of_a_former_life_that_only_rings_is_forgotten():
    """Its CANCEL finds nothing, and no final answer ever comes: nothing stays."""
    link = Link()
    far = link.far()
    former(link)
    link.settle()
    cancel = far.take("CANCEL")
    ringing = Response.to_request(cancel, 180, "Ringing", to_tag="far")
    ringing.set("CSeq", "1 INVITE")
    far.send(ringing)
    far.answer(cancel, 481)
    link.run_out()
    assert [type(event) for event in link.events] == [FormerTold]
    assert link.ua.sizes["client_transactions"] == 0


def test_an_invite_that_was_answered_elsewhere_is_forgotten():
    """The first target, given up, answers after all; the second rings on, and its CANCEL is not answered."""
    link = Link()
    far, other = link.far(), link.far(OTHERS)
    first, second = (target(flow) for flow in (THEM, OTHERS))
    call = Call(link.ua, plan_of(first, second), link.now)
    link.settle()
    invite = far.take("INVITE")
    far.answer(invite, 503)
    link.settle()
    other.answer(other.take("INVITE"), 100)
    link.settle()
    far.answer(invite, 200, body=SDP, headers=[("Contact", "<sip:far@192.0.2.2>")])
    link.settle()
    call.hang_up("hangup", link.now)
    link.settle()
    if call.over is False and any(message.start_line().startswith("BYE") for message in far.inbox):
        far.answer(far.take("BYE"), 200)
    link.run_out()
    assert sum(isinstance(event, CallOver) for event in link.events) == 1
    assert link.ua.sizes["client_transactions"] == 0


def test_an_invite_that_was_answered_past_its_transaction_is_forgotten():
    """Its 2xx has another address in Via, and a 180 comes when the call is over: nothing stays."""
    play = stage()
    invite = play.hear()
    answer = Response.to_request(invite, 200, "OK", to_tag="far", body=SDP)
    answer.set("Via", (invite.first("Via") or "").replace("192.0.2.1:5060", "192.0.2.1:5099"))
    play.far.send(answer)
    play.link.settle()
    assert play.events(Established)
    play.ask("BYE", 1)
    assert play.is_over
    play.say(180)
    play.done()


def test_an_invite_that_was_stopped_is_forgotten_though_it_rings_then():
    """A 180 to an INVITE of which nobody wants to hear does not keep it for ever."""
    link = Link()
    far = link.far()
    transaction = link.ua.transactions.request(request(), THEM, Owner(), link.now)
    link.settle()
    transaction.stop()
    far.answer(far.take("INVITE"), 180)
    link.run_out()
    assert link.ua.sizes["client_transactions"] == 0


def test_a_nonce_of_whatever_bytes_does_not_stop_calls():
    """It is hashed as it came; the calls after it, which share it, are placed."""
    nonces = NonceCache()
    for number in range(3):
        play = stage(credentials=PASSWORD, nonces=nonces)
        play.hear()
        if number == 0:
            play.say(407, tag="x", Proxy_Authenticate=CHALLENGE.replace("n1", "n\udcff"))
            assert 'nonce="n\udcff"' in (play.hear().first("Proxy-Authorization") or "")
        play.say(200, body=SDP)
        play.ask("BYE", 1)
        assert play.ending.answered


@pytest.mark.parametrize("parting", [False, True])
def test_a_bye_with_a_reason_that_cannot_be_read_ends_the_call(parting):
    """Why somebody hangs up is one thing, that they do another."""
    play = stage()
    play.answered()
    if parting:
        play.call.hang_up("hangup", play.link.now)
    play.ask("BYE", 1, Reason='Q.850;text="a, b')
    assert play.ending.reasons == ()
    assert play.ending.ender is (Ender.US if parting else Ender.CALLEE)
    assert play.last(200)
    assert play.link.ua.counts == {}


def test_a_refusal_with_a_reason_that_cannot_be_read_is_one():
    """The call ends at once, not when it has rung too long."""
    play = stage()
    play.hear()
    play.say(486, Reason='SIP;text="a, b')
    assert (play.ending.status, play.ending.reasons) == (486, ())


@pytest.mark.parametrize("header", ["Allow", "Record-Route"])
def test_an_answer_with_a_list_that_cannot_be_read_is_acknowledged(header):
    """A person is on the line: what is not needed to talk to them is left out."""
    play = stage()
    play.hear()
    play.say(200, body=SDP, **{header.replace("-", "_"): '"a, b'})
    assert play.far.take("ACK")
    assert play.events(Established)
    play.ask("BYE", 1)
    assert play.ending.answered


def test_far_ends_without_number_are_not_followed():
    """A new tag for each 18x and each 2xx: PRACKs, BYEs and what is remembered have a bound."""
    play = stage()
    play.hear()
    for number in range(500):
        play.say(183, tag=f"early{number}", Require="100rel", RSeq="1")
    assert play.link.ua.sizes["client_transactions"] <= MOST_LEGS + 1
    for number in range(500):
        play.say(200, tag=f"late{number}", body=SDP)
    assert play.link.ua.sizes["client_transactions"] <= 2 * MOST_LEGS + 2
    assert len({each.branch for each in play.far.heard if each.start_line().startswith("BYE")}) <= MOST_LEGS
    for number in range(500):
        play.far.send(play.asking("BYE", number + 1, tag=f"never{number}"))
    play.link.settle()
    assert len(play.events(Established)) == 1


def test_one_far_end_is_not_acknowledged_without_end():
    """A new RSeq for each 183 brings about so many PRACKs, and no more."""
    play = stage()
    play.hear()
    for number in range(200):
        play.say(183, Require="100rel", RSeq=str(number + 1))
    assert play.link.ua.sizes["client_transactions"] <= MOST_LEGS + 1


def test_byes_of_far_ends_that_nobody_knows_are_bounded():
    """Before the answer a BYE may overtake its 2xx; thousands of them, each of another tag, do not."""
    play = stage()
    play.hear()
    play.say(180)
    for number in range(200):
        play.far.send(play.asking("BYE", number + 1, tag=f"never{number}"))
    play.link.settle()
    refused = sum(isinstance(each, Response) and each.status == 481 for each in play.far.heard)
    assert refused >= 200 - MOST_LEGS


def test_answers_without_number_to_a_former_call():
    """Each would be hung up: so many are, and no more."""
    link = Link()
    far = link.far()
    former(link)
    link.settle()
    asked = request(call_id=CALL_ID, branch="z9hG4bKformer")
    for number in range(200):
        far.send(Response.to_request(asked, 200, "OK", to_tag=f"t{number}"))
    link.settle()
    assert link.ua.sizes["client_transactions"] <= MOST_LEGS + 2


def test_long_uris_are_not_remembered():
    """Ways are remembered for the few places that come again, not for whatever a far end makes up."""
    before = next_hop._flow_towards.cache_info().currsize
    for number in range(50):
        assert flow_towards(f"sip:{'a' * 1_000}{number}@192.0.2.7:{6_000 + number}", THEM).port == 6_000 + number
    assert next_hop._flow_towards.cache_info().currsize == before


def test_what_is_no_utf8_is_kept_for_a_later_life():
    """A Contact and a tag of whatever bytes can be stored, and are the same bytes when they are read again."""
    dialog = DialogState(
        local_tag="ours",
        remote_tag="far\udcff",
        remote_target="sip:\udce9@192.0.2.2",
        routes=(),
        local_cseq=1,
        flow=THEM,
        to="<sip:a@example.com>;tag=far\udcff",
        from_="<sip:b@example.com>;tag=ours",
    )
    sent = Sent(cseq=1, uri="sip:a@example.com", via="SIP/2.0/UDP x", flow=THEM)
    state = CallState(call_id="c", from_=dialog.from_, to=dialog.to, sent=(sent,), dialog=dialog)
    assert from_bytes(to_bytes(state)) == state
    assert from_bytes(to_bytes(state).replace(b'"cseq"', b'"more":"z9hG4bKone","cseq"')) == state
    for broken in (b"", b"{}", b"\xff", b'"\\udcff"', b"[" * 3_000):
        assert from_bytes(broken) is None
