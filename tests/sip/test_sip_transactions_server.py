"""Server transactions as ladders: each arrow of RFC 3261's figures 7 and 8 with RFC 6026's changes."""

import pytest
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.transactions import ServerTransaction
from ladder import Listener, request, times
from link import THEM, US, Far, Link, Weather

TCP = Flow(Transport.TCP, "192.0.2.2", 40000)
CALL = "call@192.0.2.1"


def asking(method: str = "INVITE", **more: object) -> Request:
    """Return a request of the far end within our dialog."""
    return request(method, sent_by="192.0.2.2:5060", from_tag="far", to_tag="ours", **more)


def begin(method: str = "INVITE", flow: Flow = THEM) -> tuple[Link, Far, Listener, ServerTransaction, Request]:
    link = Link()
    far = link.far(flow)
    user = Listener()
    link.ua.adopt(CALL, user)
    asked = asking(method, transport=flow.transport.value.upper())
    far.send(asked)
    link.settle()
    return link, far, user, user.asks[0], asked


def say(link: Link, transaction: ServerTransaction, asked: Request, status: int, **more: object) -> None:
    transaction.answer(Response.to_request(asked, status, "So"), link.now, **more)
    link.settle()


def ack_to(asked: Request, branch: str | None = None) -> Request:
    ack = asking("ACK", cseq=asked.cseq.number)
    if branch is not None:
        ack = asking("ACK", cseq=asked.cseq.number, branch=branch)
    return ack


def test_invite_that_comes_again_gets_the_last_provisional_answer() -> None:
    """Proceeding: nothing before there is an answer; the user is asked once."""
    link, far, user, transaction, asked = begin()
    far.send(asked)
    link.settle()
    assert link.ladder() == ["< INVITE", "< INVITE"]
    say(link, transaction, asked, 100)
    say(link, transaction, asked, 180)
    far.send(asked)
    link.settle()
    assert link.ladder()[2:] == ["> 100 INVITE", "> 180 INVITE", "< INVITE", "> 180 INVITE"]
    assert len(user.asks) == 1


def test_refusal_is_sent_again_by_timer_g_until_its_ack() -> None:
    """Proceeding to Completed to Confirmed to Terminated; the ACK is not the call's."""
    link, far, user, transaction, asked = begin()
    say(link, transaction, asked, 488)
    link.run(8)
    assert times(link.carried, "488", 100.01) == [0, 0.5, 1.5, 3.5, 7.5]
    far.send(asked)
    link.settle()
    assert link.ladder()[-1] == "> 488 INVITE"
    far.send(ack_to(asked))
    link.run(1)
    far.send(ack_to(asked))
    far.send(asked)
    link.run(3)
    assert link.ladder()[-4:] == ["> 488 INVITE", "< ACK", "< ACK", "< INVITE"]
    assert user.acks == []
    assert link.ua.sizes["server_transactions"] == 1
    link.run(2)
    assert link.ua.sizes["server_transactions"] == 0


def test_refusal_that_nobody_acknowledges_ends_with_timer_h() -> None:
    """G grows to T2; H tells the user."""
    link, _, _, transaction, asked = begin()
    told: list[float] = []
    say(link, transaction, asked, 488, unacknowledged=told.append)
    link.run_out()
    assert times(link.carried, "488", 100.01) == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert told == [pytest.approx(132.01)]
    assert link.ua.sizes["server_transactions"] == 0


def test_2xx_is_sent_again_until_its_ack_and_the_call_gets_that() -> None:
    """Accepted: the ACK has a branch of its own; retransmitted INVITEs are swallowed until timer L."""
    link, far, user, transaction, asked = begin()
    told: list[float] = []
    say(link, transaction, asked, 200, unacknowledged=told.append)
    link.run(2)
    assert times(link.carried, "200", 100.01) == [0, 0.5, 1.5]
    far.send(ack_to(asked, "z9hG4bKack"))
    link.settle()
    assert len(user.acks) == 1
    far.send(asked)
    far.send(ack_to(asked, "z9hG4bKack"))
    link.run(29)
    assert times(link.carried, "200", 100.01) == [0, 0.5, 1.5]
    assert len(user.asks) == 1
    link.run_out()
    assert told == []
    assert link.now == pytest.approx(132.01)
    assert link.ua.sizes["server_transactions"] == 0


def test_ack_to_a_2xx_with_the_invites_branch_is_taken_too() -> None:
    """Peers of RFC 2543 have no other; the call still gets it."""
    link, far, user, transaction, asked = begin()
    say(link, transaction, asked, 200)
    far.send(ack_to(asked))
    link.run(10)
    assert times(link.carried, "200", 100.01) == [0]
    assert len(user.acks) == 1


def test_ack_of_another_invite_does_not_stop_a_2xx() -> None:
    """CSeq ties them together (RFC 3261 section 13.2.2.4)."""
    link, far, _, transaction, asked = begin()
    say(link, transaction, asked, 200)
    far.send(asking("ACK", cseq=7, branch="z9hG4bKack"))
    link.run(1)
    assert len(times(link.carried, "200")) == 2


def test_2xx_that_nobody_acknowledges_is_told() -> None:
    """RFC 3261 section 13.3.1.4: the user should end the dialog."""
    link, _, _, transaction, asked = begin()
    told: list[float] = []
    say(link, transaction, asked, 200, unacknowledged=told.append)
    link.run_out()
    assert len(told) == 1
    assert len(times(link.carried, "200")) == 11


def test_second_final_answer_is_not_sent() -> None:
    """After a refusal there is no 2xx and the other way round."""
    link, _, _, transaction, asked = begin()
    say(link, transaction, asked, 488)
    say(link, transaction, asked, 200)
    say(link, transaction, asked, 180)
    assert link.ladder() == ["< INVITE", "> 488 INVITE"]


@pytest.mark.parametrize("first", [None, 100])
def test_other_request_gets_its_answer_again(first: int | None) -> None:
    """Trying, Proceeding, Completed until timer J after 64*T1."""
    link, far, user, transaction, asked = begin("BYE")
    far.send(asked)
    link.settle()
    assert link.ladder() == ["< BYE", "< BYE"]
    if first is not None:
        say(link, transaction, asked, first)
        far.send(asked)
        link.settle()
        assert link.ladder().count("> 100 BYE") == 2
    say(link, transaction, asked, 200)
    say(link, transaction, asked, 200)
    far.send(asked)
    link.run(31)
    far.send(asked)
    link.settle()
    assert link.ladder().count("> 200 BYE") == 3
    assert len(user.asks) == 1
    link.run_out()
    assert link.ua.sizes["server_transactions"] == 0
    far.send(asked)
    link.settle()
    assert len(user.asks) == 2


def test_over_a_connection_refusals_are_sent_once_and_nothing_lingers() -> None:
    """G does not run, H does; I and J are 0; a 2xx is sent again all the same."""
    link, far, _, transaction, asked = begin(flow=TCP)
    say(link, transaction, asked, 488)
    link.run(10)
    assert link.ladder() == ["< INVITE", "> 488 INVITE"]
    far.send(ack_to(asked))
    link.settle()
    link.run(0)
    assert link.ua.sizes["server_transactions"] == 0
    link, far, _, transaction, asked = begin("BYE", TCP)
    say(link, transaction, asked, 200)
    link.run(0)
    assert link.ua.sizes["server_transactions"] == 0
    link, far, _, transaction, asked = begin(flow=TCP)
    say(link, transaction, asked, 200)
    link.run(1)
    assert link.ladder().count("> 200 INVITE") == 2


def test_cancel_ends_an_invite_that_waits() -> None:
    """RFC 3261 section 9.2: 200 to the CANCEL, 487 to the INVITE; an unknown one gets 481."""
    link, far, _, transaction, asked = begin()
    far.send(asking("CANCEL"))
    link.settle()
    assert link.ladder()[1:] == ["< CANCEL", "> 200 CANCEL", "> 487 INVITE"]
    assert not transaction.open
    far.send(ack_to(asked))
    far.send(asking("CANCEL"))
    far.send(asking("CANCEL", branch="z9hG4bKunknown"))
    link.settle()
    assert link.ladder()[-2:] == ["> 200 CANCEL", "> 481 CANCEL"]


def test_branches_of_rfc_2543_are_matched_by_all_the_rest() -> None:
    """No magic cookie: Request-URI, tags, Call-ID and CSeq tell requests apart (RFC 3261 section 17.2.3)."""
    link, far, user, _, _ = begin()
    old = asking("INVITE", branch="1", cseq=5)
    far.send(old)
    link.settle()
    assert len(user.asks) == 2
    far.send(old)
    far.send(asking("INVITE", branch="1", cseq=6))
    link.settle()
    assert len(user.asks) == 3
    say(link, user.asks[1], old, 488)
    far.send(asking("ACK", branch="1", cseq=5))
    link.run(6)
    assert times(link.carried, "488", 0)[1:] == []


def test_the_oldest_gives_way_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends requests without end within a dialog does not fill the memory."""
    monkeypatch.setattr("dialerd_sip.core.transactions.MOST_SERVER_TRANSACTIONS", 10)
    link = Link()
    far = link.far()
    user = Listener()
    user.at_once = lambda transaction, now: transaction.answer(Response.to_request(transaction.request, 200, "OK"), now)
    link.ua.adopt(CALL, user)
    for cseq in range(50):
        far.send(asking("INFO", branch=f"z9hG4bK{cseq}", cseq=cseq + 1))
        link.settle()
    assert len(user.asks) == 50
    assert link.ua.sizes["server_transactions"] == 10
    assert link.ua.sizes["timers"] == 10


def test_answers_go_to_the_port_in_via_unless_rport_asks_otherwise() -> None:
    """RFC 3261 section 18.2.2, RFC 3581 section 4: received is noted where the addresses differ, rport where asked."""
    link = Link(Weather(delay=0))
    behind = Flow(Transport.UDP, "192.0.2.2", 33333)
    far = link.far(behind)
    listening = link.far()
    far.send(request("OPTIONS", sent_by="10.0.0.1:5060", branch="z9hG4bKa", rport=False), US)
    link.settle()
    answer = listening.take(200)
    assert answer.via.params["received"] == "192.0.2.2"
    assert "rport" not in answer.via.params
    far.send(request("OPTIONS", sent_by="10.0.0.1:5060", branch="z9hG4bKb", call_id="other"), US)
    link.settle()
    answer = far.take(200)
    assert answer.via.params["received"] == "192.0.2.2"
    assert answer.via.params["rport"] == "33333"
    assert answer.via.host == "10.0.0.1"
