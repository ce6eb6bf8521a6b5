"""A call over the in-memory link: its plan, what was told of it, and the far end's words in short."""

from typing import Any

from attrs import define, field
from dialerd_sip.core.call import Call
from dialerd_sip.core.events import CallOver, Ending, Event
from dialerd_sip.core.flow import Flow
from dialerd_sip.core.message import Message, Request, Response
from dialerd_sip.core.plan import CallPlan, Target
from dialerd_sip.core.sdp import Codec, LocalMedia, offer
from dialerd_sip.core.timing import Timing
from link import THEM, US, Far, Link, Weather

CALL_ID = "call-1@dialer.example.com"
SDP = offer(LocalMedia(host="192.0.2.2", port=7000, session_id=7))
NO_COMMON_CODEC = SDP.replace(b"RTP/AVP 0 8 101", b"RTP/AVP 3")


def sdp(port: int = 7000, *, codec: Codec | None = None, held: bool = False, version: int = 1) -> bytes:
    """A description of the far end's."""
    codecs = (codec,) if codec else (Codec.PCMU, Codec.PCMA)
    text = offer(LocalMedia(host="192.0.2.2", port=port, session_id=7, codecs=codecs), version)
    return text.replace(b"a=sendrecv", b"a=sendonly") if held else text


def target(flow: Flow = THEM, **more: Any) -> Target:
    """A place to send INVITEs to."""
    told = {"uri": f"sip:+447111000001@{flow.host}:{flow.port}", "contact": f"<sip:dialer@{US.host}:5060>"}
    return Target(flow=flow, sent_by=f"{US.host}:5060", **(told | more))


def plan_of(*targets: Target, **more: Any) -> CallPlan:
    """A call of thirty seconds' ringing at most."""
    told: dict[str, Any] = {
        "seed": "0190-attempt",
        "call_id": CALL_ID,
        "from_": "<sip:+12125550100@dialer.example.com>",
        "to": "<sip:+447111000001@192.0.2.2>",
        "targets": targets or (target(),),
        "media": LocalMedia(host="192.0.2.1", port=6000),
        "ring_for": 60.0,
        "talk_for": 7200.0,
    }
    return CallPlan(**(told | more))


@define
class Stage:
    """A user agent, one call, one far end."""

    link: Link
    call: Call
    far: Far
    invite: Message | None = None
    routes: list[tuple[str, str]] = field(factory=list)

    def events(self, kind: type[Event]) -> list[Any]:
        """All events of a kind."""
        return [event for event in self.link.events if isinstance(event, kind)]

    @property
    def ending(self) -> Ending:
        """How it ended; once, or this fails."""
        (over,) = self.events(CallOver)
        return over.ending

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return bool(self.events(CallOver))

    def hear(self) -> Request:
        """The next INVITE at the far end."""
        self.link.settle()
        invite = self.far.take("INVITE")
        assert isinstance(invite, Request)
        self.invite = invite
        return invite

    def say(self, status: int, *, tag: str | None = "far", body: bytes = b"", **headers: str) -> None:
        """Answer the INVITE, and let the answer arrive."""
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        if 100 < status < 300 and "Contact" not in headers:
            named.append(("Contact", "<sip:far@192.0.2.2:5060>"))
        assert self.invite is not None
        self.far.answer(self.invite, status, "Words", tag=tag, headers=self.routes + named, body=body)
        self.link.settle()

    def ask(
        self, method: str, cseq: int, *, tag: str | None = "far", body: bytes = b"", kind: str = "", **headers: str
    ) -> Request:
        """Ask something within the dialog, and let it arrive."""
        request = self.asking(method, cseq, tag=tag, body=body, kind=kind, **headers)
        self.far.send(request)
        self.link.settle()
        return request

    def asking(
        self, method: str, cseq: int, *, tag: str | None = "far", body: bytes = b"", kind: str = "", **headers: str
    ) -> Request:
        """A request of the far end within the dialog."""
        invite = self.invite
        assert isinstance(invite, Request)
        remote = invite.first("To") or ""
        pairs = [
            ("Via", f"SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKfar{method}{cseq}"),
            ("Max-Forwards", "70"),
            ("From", f"{remote};tag={tag}" if tag else remote),
            ("To", invite.first("From") or ""),
            ("Call-ID", invite.call_id),
            ("CSeq", f"{cseq} {method}"),
            ("Contact", "<sip:far@192.0.2.2:5060>"),
        ]
        pairs += [(name.replace("_", "-"), value) for name, value in headers.items()]
        if body:
            pairs.append(("Content-Type", kind or "application/sdp"))
        return Request(method, "sip:dialer@192.0.2.1:5060", pairs, body)

    def acknowledge(self, cseq: int, body: bytes = b"") -> None:
        """Acknowledge a 2xx of ours to a re-INVITE."""
        ack = self.asking("ACK", cseq, body=body)
        ack.set("Via", f"SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKfarACK{cseq}")
        self.far.send(ack)
        self.link.settle()

    def answered(self, **headers: str) -> Request:
        """Have it ring and answered; return its ACK."""
        self.hear()
        self.say(180)
        self.say(200, body=SDP, **headers)
        ack = self.far.take("ACK")
        assert isinstance(ack, Request)
        return ack

    def last(self, status: int) -> Response:
        """The answer with a status that the far end has heard."""
        response = self.far.take(status)
        assert isinstance(response, Response)
        return response

    def done(self) -> Ending:
        """Let all timers run out, and see that nothing stays behind."""
        self.link.run_out(20_000)
        sizes = self.link.ua.sizes
        assert not any(sizes[name] for name in ("client_transactions", "calls", "timers")), sizes
        return self.ending


def stage(*targets: Target, weather: Weather | None = None, seed: int = 0, t1: float = 0.5, **more: Any) -> Stage:
    """Place a call."""
    link = Link(weather, seed=seed, timing=Timing(t1=t1))
    far = link.far()
    call = Call(link.ua, plan_of(*targets, **more), link.now)
    return Stage(link, call, far)
