"""Client transactions as ladders: each arrow of RFC 3261's figures 5 and 6 with RFC 6026's changes."""

import pytest
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.machines import CLIENT, CLIENT_INVITE, SERVER, SERVER_INVITE, Input, State
from dialerd_sip.core.message import Request, Response
from dialerd_sip.core.timing import Timing
from ladder import Owner, request, times
from link import THEM, Link, Weather

TCP = Flow(Transport.TCP, "192.0.2.2", 5060)


def opened(link: Link, asked: Request, flow: Flow = THEM) -> tuple[Owner, object]:
    owner = Owner()
    return owner, link.ua.transactions.request(asked, flow, owner, link.now)


def test_invite_is_sent_again_by_timer_a_until_timer_b() -> None:
    """Calling: A doubles without a cap, B ends it and the owner is told once."""
    link = Link()
    owner, transaction = opened(link, request())
    link.run_out()
    assert times(link.carried, "INVITE") == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert owner.told == ["timeout"]
    assert owner.at == [132.0]
    assert link.ua.sizes == dict.fromkeys(link.ua.sizes, 0)
    assert not transaction.heard


def test_invite_is_sent_no_more_after_a_provisional_answer() -> None:
    """Calling to Proceeding: neither A nor B runs; provisional answers are told, retransmitted ones are not."""
    link = Link()
    far = link.far()
    owner, transaction = opened(link, request())
    link.settle()
    invite = far.take("INVITE")
    for status in (100, 180, 180, 183):
        far.answer(invite, status)
        link.settle()
        assert link.ua.sizes["timers"] == 0
    link.run(200)
    assert owner.told == [100, 180, 183]
    assert times(link.carried, "INVITE") == [0]
    assert link.ua.next_deadline() is None
    assert transaction.heard


@pytest.mark.parametrize("first", [None, 180])
def test_refusal_is_acknowledged_and_told_once(first: int | None) -> None:
    """Calling and Proceeding to Completed: ACK at once, again for each retransmission, until timer D after 32 s."""
    link = Link(timing=Timing(t1=0.1))
    far = link.far()
    invite = request(headers=(("Route", "<sip:192.0.2.2;lr>"), ("Route", "<sip:192.0.2.9;lr>")))
    owner, _ = opened(link, invite)
    link.settle()
    asked = far.take("INVITE")
    if first is not None:
        far.answer(asked, first)
    far.answer(asked, 486, "Busy Here")
    link.settle()
    ack = far.take("ACK")
    assert isinstance(ack, Request)
    assert ack.uri == invite.uri
    assert ack.all("Via") == invite.all("Via")
    assert ack.all("Route") == invite.all("Route")
    assert (ack.first("To") or "").endswith(";tag=far")
    assert ack.first("From") == invite.first("From")
    assert ack.first("CSeq") == "1 ACK"
    for _ in range(3):
        link.run(9)
        far.answer(asked, 486, "Busy Here")
        link.settle()
        far.take("ACK")
    assert owner.told == ([first] if first else []) + [486]
    link.run_out()
    assert link.now == pytest.approx(132.02, abs=0.03)
    far.answer(asked, 486, "Busy Here")
    link.settle()
    assert link.ladder()[-1] == "< 486 INVITE"
    assert link.ua.counts == {"no_transaction": 1}


@pytest.mark.parametrize("first", [None, 180])
def test_each_2xx_is_told_until_timer_m(first: int | None) -> None:
    """Calling and Proceeding to Accepted: retransmitted and forked 2xx are told, refusals of other forks are not."""
    link = Link()
    far = link.far()
    owner, transaction = opened(link, request())
    link.settle()
    asked = far.take("INVITE")
    if first is not None:
        far.answer(asked, first)
    far.answer(asked, 200, tag="one")
    link.settle()
    link.run(20)
    far.answer(asked, 200, tag="one")
    far.answer(asked, 200, tag="two")
    far.answer(asked, 180, tag="two")
    far.answer(asked, 486, tag="three")
    link.settle()
    assert owner.told == ([first] if first else []) + [200, 200, 200]
    assert transaction.state is State.ACCEPTED
    link.run_out()
    assert link.now == pytest.approx(132.02, abs=0.01)
    assert "> ACK" not in link.ladder()
    assert link.ua.sizes["client_transactions"] == 0


def test_2xx_after_a_refusal_is_not_swallowed() -> None:
    """A phone answered although another fork refused: it goes to the call, which hangs up."""
    link = Link()
    far = link.far()
    owner, _ = opened(link, request())
    link.settle()
    asked = far.take("INVITE")
    far.answer(asked, 486)
    far.answer(asked, 200, tag="other")
    link.settle()
    assert owner.told == [486]
    assert link.ua.counts == {"no_transaction": 1}


def test_other_request_is_sent_again_by_timer_e_until_timer_f() -> None:
    """Trying: E doubles up to T2, F ends it."""
    link = Link()
    owner, _ = opened(link, request("OPTIONS"))
    link.run_out()
    assert times(link.carried, "OPTIONS") == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert owner.told == ["timeout"]
    assert owner.at == [132.0]


def test_other_request_is_sent_every_t2_after_a_provisional_answer() -> None:
    """Trying to Proceeding: E is T2, F ends it all the same."""
    link = Link(Weather(delay=0.1))
    far = link.far()
    owner, _ = opened(link, request("BYE"))
    link.run(0.1)
    far.answer(far.take("BYE"), 100)
    link.run_out()
    assert times(link.carried, "BYE") == [0, 0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]
    assert owner.told == [100, "timeout"]


@pytest.mark.parametrize("first", [None, 100])
@pytest.mark.parametrize("status", [200, 481])
def test_other_request_is_told_its_final_answer_once(first: int | None, status: int) -> None:
    """Trying and Proceeding to Completed: retransmitted answers are swallowed until timer K."""
    link = Link()
    far = link.far()
    owner, _ = opened(link, request("BYE"))
    link.settle()
    asked = far.take("BYE")
    if first is not None:
        far.answer(asked, first)
    far.answer(asked, status)
    far.answer(asked, status)
    link.settle()
    assert owner.told == ([first] if first else []) + [status]
    assert link.ladder().count("> BYE") == 1
    link.run(4.9)
    assert link.ua.sizes["client_transactions"] == 1
    link.run(0.2)
    assert link.ua.sizes["client_transactions"] == 0


def test_over_a_connection_nothing_is_sent_again_and_nothing_lingers() -> None:
    """Timers A and E do not run; B and F do; D and K are 0."""
    link = Link()
    far = link.far(TCP)
    invite, bye = request(transport="TCP"), request("BYE", transport="TCP", branch="z9hG4bKtwo")
    first, _ = opened(link, invite, TCP)
    second, _ = opened(link, bye, TCP)
    link.run(31)
    assert link.ladder() == ["> INVITE", "> BYE"]
    far.answer(far.take("INVITE"), 503)
    far.answer(far.take("BYE"), 200)
    link.settle()
    assert (first.told, second.told) == ([503], [200])
    link.run(0)
    assert link.ua.sizes["client_transactions"] == 0
    third, _ = opened(link, request(transport="TCP"), TCP)
    link.run_out()
    assert third.told == ["timeout"]


def test_icmp_ends_what_nobody_has_answered() -> None:
    """Calling and Trying to Terminated; an INVITE that was answered provisionally goes on."""
    link = Link()
    far = link.far()
    answered, invite = opened(link, request())
    link.settle()
    far.answer(far.take("INVITE"), 180)
    link.settle()
    link.refuse(THEM)
    second, _ = opened(link, request(branch="z9hG4bKtwo"))
    third, _ = opened(link, request("OPTIONS", branch="z9hG4bKthree"))
    link.settle()
    assert (second.told, third.told) == (["refused"], ["refused"])
    assert answered.told == [180]
    assert invite.state is State.PROCEEDING
    link.refuse(THEM, refused=False)
    far.answer(request(), 200)
    link.settle()
    assert answered.told == [180, 200]
    link.ua.flow_failed(THEM, "refused", link.now)
    assert answered.told == [180, 200]


@pytest.mark.parametrize("answered", [False, True])
def test_lost_connection_ends_all_that_waits(answered: bool) -> None:
    """Also an INVITE in Proceeding: its answer cannot come back."""
    link = Link()
    far = link.far(TCP)
    owner, _ = opened(link, request(transport="TCP"), TCP)
    link.settle()
    if answered:
        far.answer(far.take("INVITE"), 180)
        link.settle()
    link.ua.flow_failed(TCP, "connection", link.now)
    assert owner.told[-1] == "connection"
    assert link.ua.next_deadline() is None
    link.ua.flow_failed(TCP, "connection", link.now)
    assert owner.told.count("connection") == 1


def test_answer_of_another_method_or_sent_by_is_not_its() -> None:
    """RFC 3261 sections 17.1.3 and 18.1.2."""
    link = Link()
    far = link.far()
    owner, _ = opened(link, request())
    for message in (
        Response.to_request(request("BYE"), 200, "OK", to_tag="far"),
        Response.to_request(request(branch="z9hG4bKother"), 200, "OK", to_tag="far"),
        Response.to_request(request(sent_by="192.0.2.77:5060"), 200, "OK", to_tag="far"),
        Response.to_request(request(sent_by="192.0.2.1:5061"), 200, "OK", to_tag="far"),
    ):
        far.send(message)
    link.settle()
    assert owner.told == []
    assert link.ua.counts == {"no_transaction": 4}


def test_cancel_is_made_from_its_invite() -> None:
    """RFC 3261 section 9.1: the same branch in a transaction of its own, routes and CSeq number as there."""
    link = Link()
    far = link.far()
    invite = request(headers=(("Route", "<sip:192.0.2.2;lr>"),))
    owner, transaction = opened(link, invite)
    link.settle()
    asked = far.take("INVITE")
    far.answer(asked, 180)
    link.settle()
    other = Owner()
    sent = link.ua.transactions.cancel(transaction, link.now, ('Q.850;cause=16;text="x"',), other)
    assert link.ua.transactions.cancel(transaction, link.now) is sent
    link.settle()
    cancel = far.take("CANCEL")
    assert cancel.all("Via") == invite.all("Via")
    assert cancel.first("CSeq") == "1 CANCEL"
    assert cancel.first("To") == invite.first("To")
    assert cancel.all("Route") == invite.all("Route")
    assert cancel.all("Reason") == ['Q.850;cause=16;text="x"']
    far.answer(cancel, 200)
    far.answer(asked, 487)
    link.settle()
    assert owner.told == [180, 487]
    assert other.told == [200]
    assert link.ladder()[-1] == "> ACK"
    assert link.ua.transactions.cancel(transaction, link.now) is None


def test_stopped_invite_is_silent_but_acknowledges_its_refusal() -> None:
    """Its owner hears nothing more, the far end is not left without an ACK, and it is forgotten after 64*T1."""
    link = Link()
    far = link.far()
    owner, transaction = opened(link, request())
    link.settle()
    transaction.stop()
    link.run(3)
    assert times(link.carried, "INVITE") == [0]
    far.answer(far.take("INVITE"), 487)
    link.settle()
    far.take("ACK")
    assert owner.told == []
    silent, transaction = opened(link, request(branch="z9hG4bKtwo"))
    transaction.stop()
    link.run_out()
    assert silent.told == []
    assert link.ua.sizes["client_transactions"] == 0


def test_2xx_to_a_stopped_invite_matches_nothing() -> None:
    """So that the call, or the reflex for calls that are over, hangs up."""
    link = Link()
    far = link.far()
    owner, transaction = opened(link, request())
    link.settle()
    transaction.stop()
    far.answer(far.take("INVITE"), 200)
    link.settle()
    assert owner.told == []
    assert link.ua.counts == {"no_transaction": 1}
    assert link.ua.sizes["client_transactions"] == 0


def test_stopped_bye_is_gone() -> None:
    """Nobody waits for its answer."""
    link = Link()
    owner, transaction = opened(link, request("BYE"))
    transaction.stop()
    link.run_out()
    assert owner.told == []
    assert len(link.carried) == 1


def test_invite_of_a_former_life_is_taken_up_without_sending_it() -> None:
    """Its answers are told and acknowledged, it can be cancelled at once, and timer B ends it."""
    link = Link()
    far = link.far()
    owner = Owner()
    transaction = link.ua.transactions.resume(request(), THEM, owner, link.now)
    link.ua.transactions.cancel(transaction, link.now)
    link.settle()
    assert link.ladder() == ["> CANCEL"]
    far.answer(request(), 487)
    link.settle()
    assert owner.told == [487]
    assert link.ladder()[-1] == "> ACK"
    silent = Owner()
    link.ua.transactions.resume(request(branch="z9hG4bKtwo"), THEM, silent, link.now)
    link.run_out()
    assert silent.told == ["timeout"]


def test_tables_have_an_end_for_every_state() -> None:
    """From each state a timer or a lost flow leads out, so nothing is held for ever, but for an INVITE that rings."""
    ends = {one for one in Input if one.name.startswith("TIMER_") and one.name[-1] not in "AEG"}
    for table in (CLIENT_INVITE, CLIENT, SERVER_INVITE, SERVER):
        for state, row in table.items():
            if (table, state) in ((CLIENT_INVITE, State.PROCEEDING), (SERVER_INVITE, State.PROCEEDING)) or (
                table is SERVER and state in (State.TRYING, State.PROCEEDING)
            ):
                continue
            assert any(row[one].state is State.TERMINATED for one in ends & row.keys()), state
