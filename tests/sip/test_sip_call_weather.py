"""Calls over a link that loses, doubles, delays and reorders, to far ends that do as they like: a property of all."""

from random import Random

import pytest
from attrs import define, field
from callstage import CALL_ID, SDP, plan_of, sdp, stage, target
from dialerd_sip.core.call import Call
from dialerd_sip.core.events import CallOver, Ender, Established
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.message import Message, Request, Response, parse_message
from hypothesis import given, settings
from hypothesis import strategies as st
from link import OTHERS, THEM, US, Carried, Link, Weather


@define(eq=False)
class Phone:
    """A far end that keeps SIP's rules over a bad link, by timers of its own, and does as its seed has it.

    Attributes:
        rang: whether it told of a phone that rings.
        up: whether it believes that a call is up.
    """

    link: Link
    flow: Flow
    chance: Random
    rang: bool = False
    up: bool = False
    invite: Request | None = None
    final: bytes | None = None
    acknowledged: bool = False
    silent: bool = False
    branches: set[str] = field(factory=set)
    timers: list[tuple[float, str]] = field(factory=list)
    out: list[tuple[bytes, Flow]] = field(factory=list)
    answers: dict[tuple[str, str], bytes] = field(factory=dict)
    bye: bytes | None = None
    tries: int = 0
    last: bytes = b""

    @property
    def told(self) -> list[Carried]:
        """All answers of this phone to INVITEs that arrived."""
        return [one for one in self.link.carried if one.source == self.flow and not one.lost and is_told(one.message)]

    def __attrs_post_init__(self) -> None:
        self.silent = self.chance.random() < 0.1

    def later(self, seconds: float, what: str) -> None:
        self.timers.append((self.link.now + seconds, what))

    def reply(self, request: Request, status: int, body: bytes = b"", *, tag: bool = True) -> bytes:
        response = Response.to_request(
            request, status, "Words", to_tag=f"t{self.flow.host}" if tag else None, body=body
        )
        response.add("Contact", f"<sip:far@{self.flow.host}:5060>")
        if body:
            response.add("Content-Type", "application/sdp")
        data = response.to_bytes()
        self.out.append((data, US))
        return data

    def receive_datagram(self, data: bytes, flow: Flow, now: float) -> None:
        message: Message = parse_message(data)
        if self.silent:
            return
        if isinstance(message, Response):
            if message.cseq.method == "BYE":
                self.bye = None
            return
        key = (message.via.branch or "", message.method)
        if key in self.answers:
            self.out.append((self.answers[key], US))
            return
        if message.method == "INVITE":
            self.take_invite(message, key[0])
        elif message.method == "ACK":
            self.acknowledged = True
        elif message.method == "CANCEL":
            self.answers[key] = self.reply(message, 200)
            if self.final is None and self.invite is not None:
                self.finish(487)
        elif message.method == "BYE":
            self.answers[key] = self.reply(message, 200 if self.up else 481)
            self.up, self.final = False, None
            self.acknowledged = True

    def take_invite(self, invite: Request, branch: str) -> None:
        if self.invite is not None and branch not in self.branches:
            self.branches.add(branch)
            self.reply(invite, 482)
            return
        if self.invite is not None:
            self.out.append((self.final or self.last, US))
            return
        self.branches.add(branch)
        self.invite = invite
        fate = self.chance.choice(["answer", "answer", "busy", "ring", "503", "late", "bye"])
        self.last = self.reply(invite, 100, tag=False)
        if fate in ("busy", "503"):
            self.later(self.chance.random(), fate)
            return
        self.later(self.chance.random(), "180")
        if fate != "ring":
            self.later(1 + self.chance.random() * (45 if fate == "late" else 3), "200")
        if fate == "bye":
            self.later(4 + self.chance.random() * 8, "bye")

    def finish(self, status: int) -> None:
        assert self.invite is not None
        self.final = self.reply(self.invite, status, SDP if status == 200 else b"")
        self.up = status == 200
        self.tries = 0
        self.later(0.5, "again")

    def handle_timer(self, now: float) -> None:
        due = sorted(timer for timer in self.timers if timer[0] <= now)
        self.timers = [timer for timer in self.timers if timer[0] > now]
        for _, what in due:
            self.do(what)

    def do(self, what: str) -> None:
        assert self.invite is not None
        if what == "180" and self.final is None:
            self.rang = True
            self.last = self.reply(self.invite, 180)
        elif what in ("200", "503", "busy") and self.final is None and not self.answers:
            self.rang = self.rang or what == "200"
            self.finish({"200": 200, "503": 503, "busy": 486}[what])
        elif what == "again" and self.final is not None and not self.acknowledged and self.tries < 12:
            self.tries += 1
            self.out.append((self.final, US))
            self.later(min(0.5 * 2**self.tries, 4.0), "again")
        elif what == "bye" and self.up and self.bye is None:
            to, from_ = self.invite.first("To") or "", self.invite.first("From") or ""
            headers = [
                ("Via", f"SIP/2.0/UDP {self.flow.host}:5060;branch=z9hG4bKbye"),
                ("From", f"{to};tag=t{self.flow.host}"),
                ("To", from_),
                ("Call-ID", CALL_ID),
                ("CSeq", "1 BYE"),
            ]
            self.bye = Request("BYE", "sip:dialer@192.0.2.1", headers).to_bytes()
            self.up, self.tries, self.acknowledged = False, 0, True
            self.later(0.0, "bye again")
        elif what == "bye again" and self.bye is not None and self.tries < 12:
            self.tries += 1
            self.out.append((self.bye, US))
            self.later(min(0.5 * 2**self.tries, 4.0), "bye again")

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Flow]]:
        out, self.out = self.out, []
        return out

    def next_deadline(self) -> float | None:
        return min((at for at, _ in self.timers), default=None)

    def next_event(self) -> None:
        return None

    def flow_failed(self, flow: Flow, why: str, now: float) -> None:
        """Take no notice."""


def is_told(message: Message) -> bool:
    """Whether it is an answer to an INVITE."""
    return isinstance(message, Response) and message.cseq.method == "INVITE"


def play(seed: int, loss: float) -> None:
    chance = Random(seed)
    link = Link(Weather(loss=loss, doubling=0.2, delay=0.02, jitter=chance.choice([0.0, 0.3, 1.0])), seed=seed)
    phones = [Phone(link, flow, Random(seed * 2 + at)) for at, flow in enumerate((THEM, OTHERS))]
    for phone in phones:
        link.join(phone.flow, phone)
    link.ua.trust("trunk", frozenset((THEM.host, OTHERS.host)))
    call = Call(link.ua, plan_of(target(THEM), target(OTHERS), ring_for=40.0, talk_for=60.0), link.now)
    if chance.random() < 0.5:
        link.run(chance.random() * 8)
        call.hang_up("hangup", link.now)
    link.run_out(5_000)
    overs = [event for event in link.events if isinstance(event, CallOver)]
    assert len(overs) == 1, "each call ends exactly once"
    assert link.events[-1] is overs[0], "nothing is told after its end"
    sizes = link.ua.sizes
    assert not any(sizes[name] for name in ("client_transactions", "calls", "timers")), sizes
    second = next(
        (one.at for one in link.carried if one.target == OTHERS and one.message.cseq.method == "INVITE"), None
    )
    if second is not None:
        heard = [one.message for one in phones[0].told if one.at + 1.1 < second]
        assert not any(one.status < 300 for one in heard if one.status != 100), "no INVITE leaves after one rang"
        assert not heard or not (phones[0].rang and phones[1].rang), "nobody's phone rings twice"
    assert not any(phone.up for phone in phones), "nobody is left in a call that is believed to be up"
    ending = overs[0].ending
    if not ending.answered and ending.certain:
        assert not any(isinstance(event, Established) for event in link.events)
    if ending.status is None and ending.why != "refused":
        assert not ending.certain or ending.ender is Ender.CALLEE


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.1, 0.2, 0.3]))
@settings(max_examples=120, deadline=None)
def test_whatever_becomes_of_messages_each_call_ends_once_and_nobody_is_left(seed: int, loss: float) -> None:
    """One end, nobody up, nobody rung twice, no state left: whatever is lost, doubled or late."""
    play(seed, loss)


@pytest.mark.soak
def test_the_same_ten_thousand_times() -> None:
    """The property over many more seeds."""
    for seed in range(10_000):
        play(seed, (seed % 4) / 10)


@pytest.mark.parametrize("lost", ["INVITE", "ACK", "BYE", "CANCEL"])
def test_each_request_of_ours_may_be_lost(lost: str) -> None:
    """INVITE, BYE and CANCEL are sent again by their timers, ACK with the next copy of the 200."""
    s = stage()
    s.link.lose(lambda message: isinstance(message, Request) and message.method == lost)
    s.link.run(0.7)
    s.hear()
    s.say(180)
    if lost == "CANCEL":
        s.call.hang_up("hangup", s.link.now)
        s.link.run(0.6)
        s.far.answer(s.far.take("CANCEL"), 200)
        s.say(487)
        assert s.done().why == "hangup"
        return
    s.say(200, body=sdp())
    if lost == "ACK":
        s.say(200, body=sdp())
    s.far.take("ACK")
    s.call.hang_up("hangup", s.link.now)
    s.link.run(0.6)
    s.far.answer(s.far.take("BYE"), 200)
    assert s.done().why == "hangup"


def test_a_lost_prack_is_sent_again() -> None:
    """Timer E repeats it."""
    s = stage()
    s.link.lose(lambda message: isinstance(message, Request) and message.method == "PRACK")
    s.hear()
    s.say(183, Require="100rel", RSeq="1")
    s.link.run(0.6)
    assert s.far.take("PRACK").first("RAck") == "1 1 INVITE"
