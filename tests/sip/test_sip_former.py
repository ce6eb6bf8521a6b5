"""Calls of a former life: what rings is cancelled, what is up is hung up on, and only the far end's word is proof."""

from dialerd_sip.core.digest import Credentials
from dialerd_sip.core.events import DialogState, Ender, FormerTold, Sent
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.former import Former, FormerCall
from dialerd_sip.core.identifiers import branch_of
from dialerd_sip.core.message import Request, Response, parse_message
from dialerd_sip.core.timing import Timing
from dialerd_sip.core.ua import UserAgent

SEED = "019f0000-0000-7000-8000-000000000001"
TRUNK = Flow(Transport.UDP, "127.0.0.9", 5060)
OTHER = Flow(Transport.UDP, "127.0.0.10", 5060)
CALL_ID = "5f@dialerd"
CHALLENGE = 'Digest realm="trunk.test", nonce="n1", qop="auth", algorithm=MD5'


def sent(cseq=1, flow=TRUNK):
    """Return an INVITE that left in a former life."""
    branch = branch_of(SEED, "INVITE", cseq, f"{flow.host}")
    return Sent(
        cseq=cseq,
        branch=branch,
        uri="sip:+447111000001@trunk.test",
        via=f"SIP/2.0/UDP 127.0.0.1:5060;branch={branch};rport",
        flow=flow,
    )


def dialog(tag="far"):
    """Return an established dialog of a former life, through a proxy that record-routes."""
    return DialogState(
        local_tag="ours",
        remote_tag=tag,
        remote_target="sip:callee@127.0.0.21:6001",
        routes=("<sip:127.0.0.9;lr>",),
        local_cseq=2,
        flow=TRUNK,
        to=f"<sip:+447111000001@trunk.test>;tag={tag}",
        from_="<sip:+12125550100@trunk.test>;tag=ours",
    )


class Play:
    """A user agent that takes one call back, and a far end that a test speaks for."""

    def __init__(self, *invites, **changes):
        self.now = 100.0
        self.ua = UserAgent(Timing())
        self.ua.trust("trunk", frozenset({TRUNK.host}))
        self.out = []
        self.told = []
        known = {
            "seed": SEED,
            "call_id": CALL_ID,
            "from_": "<sip:+12125550100@trunk.test>;tag=ours",
            "to": "<sip:+447111000001@trunk.test>",
            "sent": invites or (sent(),),
            "contact": "<sip:dialerd@127.0.0.1:5060>",
            "sent_by": "127.0.0.1:5060",
        }
        Former(self.ua, FormerCall(**known | changes), self.now)
        self.pump()

    def pump(self):
        """Gather what is sent and told."""
        self.out += [(parse_message(data), flow) for data, flow in self.ua.datagrams_to_send(self.now)]
        while (event := self.ua.next_event()) is not None:
            self.told.append(event)

    def wait(self, seconds):
        """Let time pass."""
        until = self.now + seconds
        while (deadline := self.ua.next_deadline()) is not None and deadline <= until:
            self.now = deadline
            self.ua.handle_timer(self.now)
            self.pump()
        self.now = until

    def requests(self, method):
        """Return what was sent of a method, once each however often it was sent again."""
        found = {}
        for message, flow in self.out:
            if isinstance(message, Request) and message.method == method:
                found.setdefault(message.via.branch, (message, flow))
        return list(found.values())

    def answer(self, request, status, *headers, tag="far", flow=TRUNK, cseq=None):
        """Answer a request, or the INVITE that a CANCEL is of."""
        response = Response.to_request(request, status, "So", to_tag=tag)
        if cseq is not None:
            text = response.to_bytes().decode().replace("1 CANCEL", cseq).replace("2 CANCEL", cseq)
            response = parse_message(text.encode())
        for name, value in headers:
            response.add(name, value)
        self.ua.receive_datagram(response.to_bytes(), flow, self.now)
        self.pump()

    @property
    def word(self):
        """Return what was told, once."""
        (told,) = self.told
        assert isinstance(told, FormerTold)
        assert told.call_id == CALL_ID
        assert self.ua.sizes["calls"] == 0
        return told


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
    assert ack.via.branch == sent().branch
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
    play = Play(sent(1), dialog=dialog())
    ((cancel, _),) = play.requests("CANCEL")
    play.answer(cancel, 481)
    ((bye, _),) = play.requests("BYE")
    play.answer(bye, 481)
    play.wait(10)
    assert play.word.placed is None
    assert play.word.heard


def test_an_early_dialog_whose_far_end_drops_the_cancel_is_hung_up_on():
    play = Play(sent(1), dialog=dialog())
    play.wait(1.6)
    ((question, flow),) = play.requests("OPTIONS")
    play.answer(question, 200, flow=flow)
    play.wait(4)
    ((bye, _),) = play.requests("BYE")
    play.answer(bye, 200)
    assert play.word.placed


def test_an_early_dialog_whose_invite_was_cancelled_gets_no_bye():
    play = Play(sent(1), dialog=dialog())
    ((cancel, _),) = play.requests("CANCEL")
    play.answer(cancel, 200)
    play.answer(cancel, 487, cseq="1 INVITE")
    play.wait(10)
    assert not play.requests("BYE")
    assert play.word.ending.status == 487


def test_an_early_dialog_is_not_over_by_a_challenge():
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
