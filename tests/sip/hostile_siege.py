"""A user agent under siege: live calls in every state, and peers that know all about them and mean no good.

A far end that knows Call-IDs, tags and branches answers and asks what it likes, mutated or not; others know a Call-ID
alone, or nothing. The clock stands still in bursts, creeps, and jumps. What must hold all the while is checked at
every step; a seed tells the whole story.
"""

from collections import Counter
from random import Random
from typing import Final

from attrs import define, field
from dialerd_sip.core.call import Call
from dialerd_sip.core.digest import NonceCache
from dialerd_sip.core.events import CallOver, DialogState, FormerTold, InviteReady, Progress, Sent
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.former import Former
from dialerd_sip.core.former_call import FormerCall
from dialerd_sip.core.health import Health
from dialerd_sip.core.identifiers import branch_of, call_id_of, tag_of
from dialerd_sip.core.plan import CallPlan
from dialerd_sip.core.registration import Registration, RegistrationPlan
from dialerd_sip.core.sdp import LocalMedia
from dialerd_sip.core.timing import Timing
from dialerd_sip.core.ua import UserAgent
from hostile_mutation import mutated, seasoned
from hostile_trace import PASSWORD, TRUNK, target_at, traces
from hostile_words import BODIES, EXTRAS, KIND_STATUSES, METHODS, STATUSES, written
from link import THEM, US

STRANGER: Final = Flow(Transport.UDP, "192.0.2.66", 5060)
SECOND: Final = Flow(Transport.UDP, "192.0.2.3", 5060)
OVER_TCP: Final = Flow(Transport.TCP, THEM.host, 5060)
LONGEST_CALL_S: Final = 400.0
"""Ringing, talking, and all the waits around them: no call may last longer, whatever is sent."""
_MOST_WAITING: Final = 120
"""Requests of ours under way for one call, at the worst: a PRACK and a BYE for each fork, INVITEs, a refresh."""


@define(eq=False)
class Subject:
    """Something of ours that is alive, and what a peer knows of it."""

    call_id: str
    tag: str
    born: float
    call: Call | None = None
    heard: list[dict[str, str]] = field(factory=list)
    tags: list[str] = field(factory=lambda: ["far"])
    cseq: int = 0
    gentle: bool = False
    progressed: bool = False


class Siege:
    """A siege.

    Args:
        seed: of all chance.
        calls: how many are kept alive.

    Attributes:
        sent: messages that came to the user agent.
        seen: what was there at the most, and how often what was reached.
    """

    def __init__(self, seed: int, *, calls: int = 24) -> None:
        self.chance = Random(seed)
        self.now = 100.0
        self.ua = UserAgent(Timing())
        self.ua.trust("trunk", frozenset((THEM.host, SECOND.host)))
        self.sent = 0
        self.seen: Counter[str] = Counter()
        self._calls = calls
        self._made = 0
        self._ended: dict[str, None] = {}  # of late, to tell a second ending
        self._nonces = NonceCache()
        self._traces = traces()
        self._burst = 0
        self._target: Subject | None = None
        self.subjects: dict[str, Subject] = {}
        plan = RegistrationPlan(name="main", aor="sip:dialer@example.com", targets=(TRUNK,), credentials=PASSWORD)
        self.registration = Registration(self.ua, plan, random=self._random)
        self.registration.start(self.now)
        self.health = Health(self.ua, 30.0, random=self._random)
        self.health.watch({TRUNK.flow: TRUNK}, self.now)
        self.pump()

    def _random(self) -> str:
        return f"{self.chance.getrandbits(64):x}"

    # ours

    def place(self) -> None:
        """Place a call, or take one of a former life back."""
        self._made += 1
        chance, seed = self.chance, f"attempt {self._made} {self.chance.random()}"
        call_id, tag = call_id_of(seed, "dialer.example.com"), tag_of(seed)
        subject = self.subjects[call_id] = Subject(call_id, tag, self.now, gentle=chance.random() < 0.6)
        if chance.random() < 0.15:
            self._take_back(subject, seed)
            return
        flows = (THEM, SECOND, OVER_TCP) if chance.random() < 0.8 else (OVER_TCP, THEM)
        plan = CallPlan(
            seed=seed,
            call_id=call_id,
            from_="<sip:+12125550100@dialer.example.com>",
            to="<sip:+447111000001@192.0.2.2>",
            targets=tuple(target_at(flow) for flow in flows),
            media=LocalMedia(host=US.host, port=6000),
            credentials=PASSWORD if chance.random() < 0.7 else None,
            nonces=self._nonces,
            ring_for=30.0,
            talk_for=90.0,
            session_expires=chance.choice((0, 90, 1800)),
            holds_ack=chance.random() < 0.5,
            redirects=chance.random() < 0.5,
        )
        subject.call = Call(self.ua, plan, self.now)

    def _take_back(self, subject: Subject, seed: str) -> None:
        branch = branch_of(seed, "INVITE", 1, "x")
        via = f"SIP/2.0/UDP {US.host}:5060;branch={branch};rport"
        uri = "sip:+447111000001@192.0.2.2"
        own, to = f"<sip:+12125550100@dialer.example.com>;tag={subject.tag}", "<sip:+447111000001@192.0.2.2>"
        up = self.chance.random() < 0.3
        state = DialogState(
            local_tag=subject.tag,
            remote_tag="far",
            remote_target="sip:far@192.0.2.2:5060",
            routes=(),
            local_cseq=1,
            flow=THEM,
            to=f"{to};tag=far",
            from_=own,
        )
        former = FormerCall(
            seed=seed,
            call_id=subject.call_id,
            from_=own,
            to=to,
            sent=(Sent(cseq=1, uri=uri, via=via, flow=THEM),),
            contact=f"<sip:dialer@{US.host}:5060>",
            sent_by=f"{US.host}:5060",
            dialog=state if up else None,
            answered=up,
            credentials=PASSWORD,
        )
        subject.heard.append({"Via": via, "From": own, "To": to, "CSeq": "1 INVITE", "Call-ID": subject.call_id})
        Former(self.ua, former, self.now)

    # a step

    def step(self) -> None:
        """Let something happen, and see that all is well."""
        chance = self.chance
        while len(self.subjects) < self._calls:
            self.place()
            self.pump()
        draw = chance.random()
        if draw < 0.02:
            self._ours_acts()
        elif draw < 0.021:
            flow = chance.choice((THEM, SECOND, OVER_TCP, OVER_TCP))
            self.ua.flow_failed(flow, "refused" if flow.transport is Transport.UDP else "connection", self.now)
            self.pump()
        self._attack()
        if self._burst:
            self._burst -= 1
            return
        if draw > 0.9998:
            self._burst, self._target = 1_500, chance.choice(list(self.subjects.values()))
        self._target = self._target if self._burst else None
        self._pass(chance.expovariate(40.0) if draw < 0.9995 else chance.uniform(1.0, 70.0))

    def _pass(self, seconds: float) -> None:
        until = self.now + seconds
        while (deadline := self.ua.next_deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.ua.handle_timer(self.now)
            self.pump()
        self.now = until

    def _ours_acts(self) -> None:
        subject = self.chance.choice(list(self.subjects.values()))
        call = subject.call
        if call is None:
            return
        draw = self.chance.random()
        if draw < 0.6:
            call.acknowledge(self.now)
        elif draw < 0.9:
            call.hang_up("hangup", self.now, ("Q.850;cause=16",))
        else:
            call.media_failed("nothing is heard", self.now)
        self.pump()

    def _attack(self) -> None:
        chance = self.chance
        draw = chance.random()
        if draw < 0.2 and not self._burst:
            self._blind()
            return
        known = list(self.subjects.values())
        subject = self._target if self._target is not None else chance.choice(known)
        if draw < 0.3 and not self._burst:
            self._half_blind(subject)
            return
        if draw < 0.37 and not self._burst:
            subject = chance.choice((self._keeper("REGISTER"), self._keeper("OPTIONS"), subject))
        answers = bool(subject.heard) and chance.random() < 0.6
        data = self._answer(subject) if answers else self._question(subject)
        how = chance.random()
        if how < 0.3:
            data = seasoned(data, chance)
        elif how < 0.55:
            data = mutated(data, chance)
        flow = chance.choice((THEM, THEM, THEM, SECOND, OVER_TCP, STRANGER))
        self._receive(data, flow)
        self.pump()

    def _blind(self) -> None:
        """A stranger knows nothing: not a byte comes back, and each message is counted once."""
        chance = self.chance
        if chance.random() < 0.1:
            data = chance.randbytes(chance.choice((1, 8, 60, 1_400)))
        else:
            data = chance.choice(self._traces)
            data = data if chance.random() < 0.1 else mutated(data, chance)
        self._for_nothing(data)

    def _half_blind(self, subject: Subject) -> None:
        """A stranger knows the Call-ID, and the far end's tag, but neither our tag nor a branch."""
        chance = self.chance
        ours = chance.choice(("", ";tag=", ";tag=guess", f";tag={subject.tag[:1]}"))
        own = f"<sip:+12125550100@dialer.example.com>{ours}"
        theirs = f"<sip:+447111000001@192.0.2.2>;tag={chance.choice(subject.tags)}"
        if chance.random() < 0.5:
            method = chance.choice(("INVITE", "INVITE", "BYE", "CANCEL", "OPTIONS"))
            start, from_, to = f"SIP/2.0 {chance.choice(STATUSES)} OK", own, theirs
            via = f"SIP/2.0/UDP {US.host}:5060;branch=z9hG4bKguess;rport"
            number = chance.choice((1, 1, 2, 3))
        else:
            method = chance.choice(METHODS)
            start, from_, to = f"{method} sip:dialer@{US.host} SIP/2.0", theirs, own
            via, number = "SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bKguess", chance.randrange(100)
        data = written(
            start,
            via=via,
            from_=from_,
            to=to,
            call_id=subject.call_id,
            cseq=f"{number} {method}",
            extras=[],
            body=chance.choice(BODIES),
        )
        self._for_nothing(data if chance.random() < 0.7 else seasoned(data, chance))

    def _for_nothing(self, data: bytes) -> None:
        before = sum(self.ua.counts.values())
        self._receive(data, STRANGER)
        answers = self.ua.datagrams_to_send(self.now)
        assert not answers, ("a stranger was answered", data, answers)
        assert self.ua.next_event() is None, ("a stranger was believed", data)
        assert sum(self.ua.counts.values()) == before + 1, ("not counted once", data)

    def _keeper(self, method: str) -> Subject:
        return self.subjects.get(method) or self.chance.choice(list(self.subjects.values()))

    def _answer(self, subject: Subject) -> bytes:
        chance = self.chance
        asked = chance.choice(subject.heard)
        status = chance.choice(KIND_STATUSES if subject.gentle and chance.random() < 0.97 else STATUSES)
        if chance.random() < (0.01 if subject.gentle else 0.15):
            subject.tags = [*subject.tags[-3:], f"t{chance.randrange(10**6)}"]
        to = asked["To"]
        if ";tag=" not in to and status != 100 and chance.random() < 0.95:
            to += f";tag={chance.choice(subject.tags)}"
        extras = self._extras() if chance.random() < 0.5 else []
        if status in (401, 407) and chance.random() < 0.7:
            name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
            extras.append(f'{name}: Digest realm="r{chance.randrange(3)}", nonce="{chance.random()}", qop="auth"')
        if "contact" not in "".join(extras).lower() and chance.random() < 0.8:
            extras.append(
                f"Contact: <sip:far@{chance.choice((THEM.host, SECOND.host, '192.0.2.99', 'name.test'))}:5060>"
            )
        return written(
            f"SIP/2.0 {status} Words",
            via=asked["Via"],
            from_=asked["From"],
            to=to,
            call_id=subject.call_id,
            cseq=asked["CSeq"],
            extras=extras,
            body=chance.choice(BODIES) if status < 300 else b"",
        )

    def _question(self, subject: Subject) -> bytes:
        chance = self.chance
        method = chance.choice(METHODS[1:] if subject.gentle and chance.random() < 0.99 else METHODS)
        subject.cseq += chance.choice((0, 1, 1, 1, 5, -1))
        branch = f"z9hG4bK{chance.randrange(10**9)}" if chance.random() < 0.9 else "z9hG4bKsame"
        remote = f"<sip:+447111000001@192.0.2.2>;tag={chance.choice(subject.tags)}"
        own = f"<sip:+12125550100@dialer.example.com>;tag={subject.tag}"
        via = f"SIP/2.0/UDP 192.0.2.2:5060;branch={branch}{chance.choice((';rport', ''))}"
        return written(
            f"{method} sip:dialer@{US.host}:5060 SIP/2.0",
            via=via,
            from_=remote,
            to=own,
            call_id=subject.call_id,
            cseq=f"{max(subject.cseq, 0)} {method}",
            extras=[*self._extras(), "Contact: <sip:far@192.0.2.2:5060>"],
            body=chance.choice(BODIES),
        )

    def _extras(self) -> list[str]:
        chance = self.chance
        number = str(chance.choice((0, 1, 2, 3, 90, 91, 1800, chance.randrange(10**5))))
        return [extra.replace("{n}", number) for extra in chance.choices(EXTRAS, k=chance.choice((0, 1, 2)))]

    def _receive(self, data: bytes, flow: Flow) -> None:
        self.sent += 1
        self.ua.receive_datagram(data, flow, self.now)

    # what comes of it

    def pump(self) -> None:
        """Take events and messages, and see that they are such as may be."""
        while (event := self.ua.next_event()) is not None:
            if isinstance(event, CallOver | FormerTold):
                assert event.call_id not in self._ended, ("it ended twice", event)
                subject = self.subjects.pop(event.call_id)
                self._ended[event.call_id] = None
                if len(self._ended) > 2_000:
                    del self._ended[next(iter(self._ended))]
                self.seen["over" if isinstance(event, CallOver) else "former"] += 1
                assert self.now - subject.born < LONGEST_CALL_S, ("it lasted for ever", event)
                continue
            call_id = getattr(event, "call_id", None)
            if call_id is None:
                self.seen[type(event).__name__] += 1
                continue
            assert call_id not in self._ended, ("something after its end", event)
            subject = self.subjects[call_id]
            self.seen[type(event).__name__] += 1
            if isinstance(event, InviteReady):
                assert not subject.progressed, ("a second phone rings", event)
            elif isinstance(event, Progress):
                subject.progressed = True
        for data, _flow in self.ua.datagrams_to_send(self.now):
            self.seen["left"] += 1
            self._overheard(data)

    def _overheard(self, data: bytes) -> None:
        """Let the peer know what we send, as it does on the way."""
        if data.startswith((b"SIP/2.0", b"ACK")):
            return
        head: dict[str, str] = {}
        for line in data.partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape").split("\r\n")[1:]:
            name, _, value = line.partition(": ")
            if name in ("Via", "From", "To", "Call-ID", "CSeq"):
                head[name] = value
        subject = self.subjects.get(head["Call-ID"])
        if subject is None:
            method = head["CSeq"].partition(" ")[2]
            if method not in ("REGISTER", "OPTIONS"):
                return  # a farewell to somebody whose call is over
            subject = self.subjects.get(method)
            if subject is None or subject.call_id != head["Call-ID"]:
                subject = self.subjects[method] = Subject(head["Call-ID"], head["From"].partition(";tag=")[2], self.now)
        if all(one["CSeq"] != head["CSeq"] or one["Via"] != head["Via"] for one in subject.heard):
            subject.heard = [*subject.heard[-5:], head]

    # what must hold

    def check(self) -> None:
        """See that tables are no larger than what is alive accounts for, and that timers do not pile up."""
        sizes = self.ua.sizes
        for name, size in sizes.items():
            self.seen[f"most {name}"] = max(self.seen[f"most {name}"], size)
        assert sizes["calls"] <= self._calls + 2, sizes
        assert sizes["client_transactions"] <= _MOST_WAITING * self._calls, sizes
        waiting = sizes["client_transactions"] + sizes["server_transactions"]
        assert sizes["timers"] <= waiting + 8 * self._calls + 8, sizes
        for subject in self.subjects.values():
            assert subject.call is None or self.now - subject.born < LONGEST_CALL_S, "a call that never ends"

    def lift(self) -> None:
        """Stop everything; see that nothing at all stays behind."""
        self._calls = 0
        self.health.watch({}, self.now)
        self.registration.stop(self.now)
        self.pump()
        self._pass(2 * LONGEST_CALL_S)
        left = [key for key in self.subjects if key not in ("REGISTER", "OPTIONS")]
        sizes = self.ua.sizes
        assert not left, (left, sizes)
        assert not any(sizes[name] for name in ("client_transactions", "server_transactions", "calls", "timers")), sizes
