"""Registrations as ladders: refresh, challenges, 423, failover, pauses, loss of the flow, de-registration."""

import pytest
from dialerd_sip.core.digest import Credentials
from dialerd_sip.core.events import RegistrationChanged
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.message import Message, Request
from dialerd_sip.core.plan import Target
from dialerd_sip.core.registration import Registration, RegistrationPlan
from ladder import times
from link import OTHERS, THEM, Far, Link

CONTACT = "<sip:alice@192.0.2.1:5060>"


def target(flow: Flow = THEM) -> Target:
    return Target(flow=flow, uri="sip:example.com", contact=CONTACT, sent_by="192.0.2.1:5060")


def begin(link: Link, *flows: Flow, expires: int = 600, password: str | None = None) -> Registration:
    credentials = None if password is None else Credentials(username="alice", password=password)
    registration = Registration(
        link.ua,
        RegistrationPlan(
            name="carrier",
            aor="sip:alice@example.com",
            targets=tuple(target(flow) for flow in flows or (THEM,)),
            credentials=credentials,
            expires=expires,
        ),
    )
    registration.start(link.now)
    link.settle()
    return registration


def told(link: Link) -> list[tuple[bool, str | None]]:
    return [(event.registered, event.reason) for event in link.events if isinstance(event, RegistrationChanged)]


def always(far: Far, status: int, *headers: tuple[str, str]) -> None:
    def script(message: Message) -> None:
        if isinstance(message, Request):
            far.answer(message, status, "So", headers=headers)

    far.script = script


def test_refreshes_before_it_expires() -> None:
    """Call-ID and tag stay, CSeq counts; the registrar's time counts, not ours; it is told once."""
    link = Link()
    far = link.far()
    always(far, 200, ("Contact", "<sip:other@192.0.2.7>;expires=7, " + CONTACT + ";expires=100"), ("Expires", "9"))
    registration = begin(link)
    assert registration.registered
    link.run(190)
    sent = [message for message in far.heard if isinstance(message, Request)]
    assert [round(at) for at in times(link.carried, "REGISTER")] == [0, 63, 126, 189]
    assert [message.cseq.number for message in sent] == [1, 2, 3, 4]
    assert len({(message.call_id, message.from_tag) for message in sent}) == 1
    assert len({message.branch for message in sent}) == 4
    assert sent[0].uri == "sip:example.com"
    assert sent[0].first("Contact") == f"{CONTACT};expires=600"
    assert sent[0].first("Expires") == "600"
    assert sent[0].to.uri == sent[0].from_.uri == "sip:alice@example.com"
    assert told(link) == [(True, None)]


def test_expires_of_the_header_and_short_times() -> None:
    """Without our Contact the header counts; at half of a short time it is refreshed."""
    link = Link()
    always(link.far(), 200, ("Expires", "40"))
    begin(link)
    link.run(45)
    assert [round(at) for at in times(link.carried, "REGISTER")] == [0, 20, 40]


def test_challenge_is_answered_and_kept() -> None:
    """401 and 407, with the next CSeq; a refresh brings credentials at once."""
    link = Link()
    far = link.far()
    begin(link, password="secret")
    for status, name in ((401, "WWW-Authenticate"), (407, "Proxy-Authenticate")):
        far.answer(far.take("REGISTER"), status, headers=[(name, f'Digest realm="r{status}", nonce="n", qop="auth"')])
        link.settle()
    last = far.take("REGISTER")
    assert 'realm="r401"' in (last.first("Authorization") or "")
    assert 'realm="r407"' in (last.first("Proxy-Authorization") or "")
    assert last.cseq.number == 3
    far.answer(last, 200)
    link.run(600)
    refresh = far.take("REGISTER")
    assert "nc=00000003" in (refresh.first("Authorization") or "")
    assert told(link) == [(True, None)]


def test_wrong_password_is_tried_once_and_then_rested() -> None:
    """No flood that locks the account."""
    link = Link()
    far = link.far()

    def script(message: Message) -> None:
        far.answer(message, 401, "No", headers=[("WWW-Authenticate", f'Digest realm="r", nonce="{len(far.heard)}"')])

    far.script = script
    begin(link, password="wrong")
    assert link.ladder().count("> REGISTER") == 2
    assert told(link) == [(False, "401 No")]
    link.run(59)
    assert link.ladder().count("> REGISTER") == 2
    link.run(2)
    assert link.ladder().count("> REGISTER") == 4
    link.run(299)
    assert link.ladder().count("> REGISTER") == 4
    link.run(3000)
    assert link.ladder().count("> REGISTER") <= 12
    assert told(link) == [(False, "401 No")]


def test_password_is_told_by_nobody() -> None:
    """Without credentials a challenge is a refusal."""
    link = Link()
    always(link.far(), 401, ("WWW-Authenticate", 'Digest realm="r", nonce="n"'))
    begin(link)
    assert link.ladder().count("> REGISTER") == 1
    assert told(link) == [(False, "401 So")]


def test_423_is_followed_once_it_asks_for_more() -> None:
    """Min-Expires (RFC 3261 section 10.2.8); what is no more than what was asked for is a refusal."""
    link = Link()
    far = link.far()
    begin(link, expires=60)
    far.answer(far.take("REGISTER"), 423, headers=[("Min-Expires", "300")])
    link.settle()
    again = far.take("REGISTER")
    assert again.first("Expires") == "300"
    far.answer(again, 423, "Too Brief", headers=[("Min-Expires", "300")])
    link.settle()
    assert told(link) == [(False, "423 Too Brief")]


def test_next_target_is_tried_and_kept() -> None:
    """503, timeout and ICMP lead on; where all have failed, pauses grow."""
    link = Link()
    first, second = link.far(), link.far(OTHERS)
    always(first, 503)
    always(second, 200)
    begin(link, THEM, OTHERS)
    link.run(700)
    assert len(first.heard) == 1
    assert len(second.heard) == 2
    assert told(link) == [(True, None)]

    link = Link()
    link.refuse(THEM)
    link.refuse(OTHERS)
    begin(link, THEM, OTHERS)
    link.run(120)
    at = [round(at) for at in times(link.carried, "REGISTER")]
    assert at == [0, 0, 2, 2, 7, 7, 22, 22, 52, 52, 112, 112]
    assert told(link) == [(False, "nobody listens there (ICMP)")]

    link = Link()
    begin(link, THEM)
    link.run(33)
    assert told(link) == [(False, "it does not answer")]


def test_lost_connection_is_made_good_at_once() -> None:
    """Calls come by the flow of the registration (RFC 5626): without it there is none."""
    tcp = Flow(Transport.TCP, "192.0.2.2", 5060)
    link = Link()
    far = link.far(tcp)
    always(far, 200)
    begin(link, tcp)
    link.run(10)
    link.ua.flow_failed(OTHERS, "connection", link.now)
    link.settle()
    assert len(far.heard) == 1
    link.ua.flow_failed(tcp, "connection", link.now)
    link.settle()
    assert len(far.heard) == 2
    lost = "its connection cannot be opened, or was lost"
    assert told(link) == [(True, None), (False, lost), (True, None)]
    far.script = None
    link.ua.flow_failed(tcp, "connection", link.now)
    link.settle()
    for _ in range(5):
        link.ua.flow_failed(tcp, "connection", link.now)
        link.settle()
    assert len(far.heard) == 3  # a pause goes on
    link.run(3)
    assert len(far.heard) == 4
    assert told(link)[3:] == [(False, lost)]


@pytest.mark.parametrize(("said", "rest"), [("40 (busy);duration=9", 40.0), ("86400", 300.0), ("soon", 2.0)])
def test_retry_after_lengthens_the_pause_up_to_a_bound(said: str, rest: float) -> None:
    """A registrar that is out of order says when to come again (RFC 3261 section 20.33), but not for how many days."""
    link = Link()
    far = link.far()
    always(far, 503, ("Retry-After", said))
    begin(link)
    link.run(rest - 0.5)
    assert len(far.heard) == 1
    link.run(1)
    assert len(far.heard) == 2


def test_registration_that_cannot_be_refreshed_expires() -> None:
    """It is told when it is gone, not before; and when it is back."""
    link = Link()
    far = link.far()
    always(far, 200)
    begin(link)
    far.script = None
    link.run(599)
    assert told(link) == [(True, None)]
    link.run(2)
    assert told(link)[1:] == [(False, "it expired before it could be refreshed")]
    always(far, 200)
    link.run(200)
    assert told(link)[-1] == (True, None)


def test_stop_takes_it_back() -> None:
    """Expires 0, with credentials if they are asked for; nothing is sent after that."""
    link = Link()
    far = link.far()
    always(far, 200)
    registration = begin(link, password="secret")
    far.script = None
    registration.stop(link.now)
    link.settle()
    far.take("REGISTER")
    last = far.take("REGISTER")
    assert last.first("Contact") == f"{CONTACT};expires=0"
    assert last.first("Expires") == "0"
    assert told(link) == [(True, None)]
    far.answer(last, 401, headers=[("WWW-Authenticate", 'Digest realm="r", nonce="n"')])
    link.settle()
    assert told(link) == [(True, None)]
    again = far.take("REGISTER")
    assert again.first("Authorization")
    far.answer(again, 200)
    link.run_out()
    assert told(link) == [(True, None), (False, None)]
    assert len(far.heard) == 3
    assert link.ua.sizes["timers"] == 0


def test_stop_ends_though_nobody_answers() -> None:
    """After timer F."""
    link = Link()
    always(link.far(), 200)
    registration = begin(link)
    link.far().script = None
    registration.stop(link.now)
    link.run_out()
    assert told(link) == [(True, None), (False, None)]


def test_new_targets_are_registered_with_at_once() -> None:
    """Where the DNS has moved the registrar; the same one again changes nothing."""
    link = Link()
    first, second = link.far(), link.far(OTHERS)
    always(first, 200)
    always(second, 200)
    registration = begin(link)
    registration.retarget((target(OTHERS), target(THEM)), link.now)
    link.settle()
    assert len(second.heard) == 0
    registration.retarget((target(OTHERS),), link.now)
    link.settle()
    assert len(second.heard) == 1
    link.run(700)
    assert len(first.heard) == 1


def test_stop_of_what_was_refused_sends_nothing() -> None:
    """There is nothing to take back; what is under way may have arrived, and is taken back."""
    link = Link()
    always(link.far(), 403)
    registration = begin(link)
    registration.stop(link.now)
    link.run_out()
    assert link.ladder() == ["> REGISTER", "< 403 REGISTER"]
    assert told(link) == [(False, "403 So"), (False, None)]

    link = Link()
    far = link.far()
    begin(link).stop(link.now)
    link.settle()
    far.take("REGISTER")
    assert far.take("REGISTER").first("Expires") == "0"
