"""A call at the scripted callee: it rings, is answered, talks and ends, whatever becomes of the caller."""

import itertools
from collections.abc import Sequence
from typing import Any, Final

import callee_sdp
import trio
from attrs import define, field
from callee_behaviour import Ask, Behaviour
from callee_rtp import Sound
from callee_text import Message, Uri, parameter
from callee_wire import Served, Wire

_SERIAL: Final = itertools.count(1)
_ALLOW: Final = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, NOTIFY"


@define(eq=False)
class Leg:
    """One dialog of a call: there are several where a call forked.

    Attributes:
        up: it was answered and nobody has said BYE.
        acked: set when the 2xx was acknowledged.
        ended_by: `caller`, `callee`, or empty.
    """

    tag: str
    route: list[str]
    target: str
    remote_cseq: int
    up: bool = True
    acked: trio.Event = field(factory=trio.Event)
    reacked: dict[int, trio.Event] = field(factory=dict)
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    ended_by: str = ""
    cseq: int = 0


@define(eq=False)
class Call:
    """A call, by its Call-ID.

    Attributes:
        number: user part of the Request-URI that was called.
        first: the INVITE that rang (the last one that did, where several came).
        invites: how many different INVITEs began it: challenged ones are counted, repeated ones are not.
        rang: how often the phone rang or was answered.
        state: `new` (challenged or refused so far, or nothing was answered), `ringing`, `up` or `ended`.
        cancelled: a CANCEL was heeded.
        acks: ACKs to 2xx, repeated ones included.
        byes: BYEs of the caller, repeated ones not included.
        status: the final answer, 0 until there is one.
        answered_at: trio's time of the answer, None until then.
        refreshes: re-INVITEs and UPDATEs of the caller.
        infos: bodies of INFO requests.
        asked: what the caller answered to our requests: method and status, 0 where nothing came.
        sound: what was heard and said, where the behaviour has RTP.
    """

    wire: Wire
    behaviour: Behaviour
    number: str
    first: Message
    sink_port: int
    invites: int = 0
    rang: int = 0
    ringing: bool = False
    over: bool = False
    cancelled: bool = False
    acks: int = 0
    byes: int = 0
    status: int = 0
    answered_at: float | None = None
    refreshes: int = 0
    infos: list[bytes] = field(factory=list)
    asked: list[tuple[str, int]] = field(factory=list)
    legs: dict[str, Leg] = field(factory=dict)
    sound: Sound | None = None
    serial: int = field(factory=lambda: next(_SERIAL))
    version: int = 0
    _unheard: int = 0

    @property
    def state(self) -> str:
        """Where the call is."""
        if any(leg.up for leg in self.legs.values()):
            return "up"
        if self.ringing:
            return "ringing"
        return "ended" if self.over else "new"

    @property
    def acked(self) -> bool:
        """Whether every 2xx was acknowledged."""
        return all(leg.acked.is_set() for leg in self.legs.values())

    @property
    def contact(self) -> str:
        """Our Contact, one for each call: what goes to another is a fault of the caller."""
        return f"sip:callee-{self.serial}@{self.wire.place}"

    async def live(self, served: Served) -> None:
        """Let an INVITE have its way, from the first ring to the final answer."""
        wish, self.first = self.behaviour, served.request
        if wish.silent:
            return
        self.ringing, self.rang, self.over = True, self.rang + 1, False
        tag = f"tag{self.serial}-{self.rang}"
        ends = trio.current_time() + wish.ring_s
        if wish.rings:
            self.wire.reply(served, 100)
            if not await self._ring(served, tag):
                self.end(served, 504)
                return
        with trio.move_on_at(ends):
            await served.cancelled.wait()
        if served.cancelled.is_set() and not wish.late:
            self.cancelled = True
            self.end(served, 487, tag=tag)
        elif not 200 <= wish.status < 300:
            headers = list(wish.headers)
            headers += [("Retry-After", str(wish.retry_after))] if wish.retry_after is not None else []
            self.end(served, wish.status, tag=tag, phrase=wish.phrase, headers=headers)
        else:
            await self._answer(served, tag)

    def end(self, served: Served, status: int, **more: Any) -> None:
        """Give a final answer that is no 2xx."""
        self.ringing, self.over, self.status = False, True, status
        self.wire.reply(served, status, lost=self._lose(), **{"tag": f"tag{self.serial}"} | more)

    def _lose(self) -> bool:
        self._unheard += 1
        return self._unheard <= self.behaviour.drop_answers

    async def _ring(self, served: Served, tag: str) -> bool:
        """Say that it rings; return whether that was acknowledged, where it has to be."""
        wish = self.behaviour
        ring_tag = {"same": tag, "other": f"{tag}-early", "none": ""}[wish.ring_tag]
        headers = [("Contact", f"<{self.contact}>")]
        body = self.describe(served.request) if wish.early_sdp else b""
        asks = served.request.tokens("supported") | served.request.tokens("require")
        reliable = wish.reliable and "100rel" in asks
        if reliable:
            headers += [("Require", "100rel"), ("RSeq", str(1000 + self.serial))]
        data = self.wire.reply(served, wish.rings, tag=ring_tag, headers=headers, body=body)
        if not reliable:
            return True
        where = callee_target(served)
        pracked = False
        async with trio.open_nursery() as nursery:

            async def stop() -> None:
                await served.cancelled.wait()
                nursery.cancel_scope.cancel()

            self.wire.start(stop, nursery=nursery)
            pracked = await self.wire.repeat(data, where, served.pracked)
            nursery.cancel_scope.cancel()
        return pracked or served.cancelled.is_set()

    async def _answer(self, served: Served, tag: str) -> None:
        wish, request = self.behaviour, served.request
        self.status, self.answered_at = wish.status, trio.current_time()
        headers = [("Contact", f"<{self.contact}>"), ("Allow", _ALLOW), *wish.headers]
        if wish.session_expires is not None and "timer" in request.tokens("supported"):
            headers.append(("Session-Expires", f"{wish.session_expires};refresher={wish.refresher}"))
            headers.append(("Require", "timer"))
        body = self.describe(request) if wish.answer_sdp else b""
        if wish.sounds and self.sound is not None and (theirs := callee_sdp.read(request.body)) is not None:
            self.sound.to(theirs)
        async with trio.open_nursery() as nursery:
            for fork in range(wish.forks):
                leg_tag = tag if not fork else f"{tag}-fork{fork}"
                target = Uri.parse(request.get("contact")).text if request.get("contact") else ""
                leg = Leg(leg_tag, request.all("record-route"), target, request.number)
                self.legs[leg_tag] = leg
                lost = self._lose()
                data = self.wire.reply(served, wish.status, tag=leg_tag, headers=headers, body=body, lost=lost)
                self.wire.start(self._up, leg, data, callee_target(served), fork, nursery=nursery)
            self.ringing = False

    async def _up(self, leg: Leg, data: bytes, where: tuple[str, int], fork: int) -> None:
        """Keep a dialog until somebody says BYE."""
        wish = self.behaviour
        try:
            with leg.scope:
                async with trio.open_nursery() as nursery:
                    self.wire.start(self._wait_for_ack, leg, data, where, nursery=nursery)
                    if not fork:
                        for ask in wish.asks:
                            self.wire.start(self._ask_later, leg, ask, nursery=nursery)
                        if self.sound is not None:
                            self.wire.start(self.sound.hear, nursery=nursery)
                            self.wire.start(self.sound.say, wish, nursery=nursery)
                    if wish.talk_s is not None:
                        await trio.sleep(wish.talk_s)
                        await leg.acked.wait()
                        await self.hang_up(leg)
                    await trio.sleep_forever()
        finally:
            leg.up = False
            self.over = self.over or self.state == "new"
            if self.sound is not None and self.over:
                self.sound.close()

    async def _wait_for_ack(self, leg: Leg, data: bytes, where: tuple[str, int]) -> None:
        if not await self.wire.repeat(data, where, leg.acked, self._lose):
            await self.hang_up(leg)  # RFC 3261 section 13.3.1.4

    async def hang_up(self, leg: Leg) -> None:
        """Say BYE; the dialog is over for us whatever is answered."""
        leg.ended_by = leg.ended_by or "callee"
        with trio.CancelScope(shield=True):
            lost = self.behaviour.drop_byes
            answer = await self.request(leg, "BYE", self.behaviour.bye_headers, lost=lost)
        self.asked.append(("BYE", 0 if answer is None else answer.status))
        leg.scope.cancel()

    async def _ask_later(self, leg: Leg, ask: Ask) -> None:
        await trio.sleep(ask.after_s)
        await leg.acked.wait()
        headers, body = list(ask.headers), ask.body
        if ask.method in ("INVITE", "UPDATE"):
            headers.append(("Contact", f"<{self.contact}>"))
        if ask.sdp != "none":
            body = self.describe(
                None, direction="sendonly" if ask.sdp == "hold" else "sendrecv", moved=ask.sdp == "moved"
            )
        answer = await self.request(leg, ask.method, headers, body)
        self.asked.append((ask.method, 0 if answer is None else answer.status))
        if ask.method == "INVITE" and answer is not None and answer.status < 300:
            body = self.describe(answer) if ask.sdp == "none" else b""
            uri, to, headers = self._headers(leg, "ACK", leg.cseq)
            self.wire.tell("ACK", uri, to, headers, body)
        if answer is not None and answer.body and self.sound is not None:
            self.sound.to(callee_sdp.read(answer.body))

    async def request(
        self, leg: Leg, method: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"", *, lost: int = 0
    ) -> Message | None:
        """Send a request within the dialog and return the final answer, None where there is none."""
        leg.cseq += 1
        uri, to, whole = self._headers(leg, method, leg.cseq)
        return await self.wire.ask(method, uri, to, [*whole, *headers], body, lost=lost)

    def _headers(self, leg: Leg, method: str, cseq: int) -> tuple[str, tuple[str, int], list[tuple[str, str]]]:
        request = self.first
        headers = [("Route", route) for route in leg.route]
        to = request.get("to") if request.to_tag else f"{request.get('to')};tag={leg.tag}"
        headers += [("From", to), ("To", request.get("from")), ("Call-ID", request.call_id)]
        headers.append(("CSeq", f"{cseq} {method}"))
        hop = Uri.parse(leg.route[0] if leg.route else leg.target)
        return leg.target, (hop.host, hop.port), headers

    def describe(self, request: Message | None, *, direction: str = "sendrecv", moved: bool = False) -> bytes:
        """Describe our media: an answer to what a message offers, or an offer."""
        self.version += 1
        offered = callee_sdp.read(request.body) if request is not None else None
        port = self.sound.port if self.sound is not None else self.sink_port
        codec: str | None = self.behaviour.codec
        if moved:
            codec, port = callee_sdp.other(codec or "PCMU"), port if self.sound is None else self.sound.move()
        return callee_sdp.describe(
            self.wire.address[0],
            port,
            session=self.serial,
            version=self.version,
            answering=offered,
            codec=codec,
            direction=direction,
            takes_events=self.behaviour.events,
        )


def callee_target(served: Served) -> tuple[str, int]:
    """Return where answers to a request go."""
    via = served.request.all("via")[0]
    if "rport" in via.lower():
        return served.source
    sent_by = via.split(";")[0].split()[-1]
    return served.source[0], int(sent_by.partition(":")[2] or 5060)


def session_expires(message: Message) -> int:
    """Return the seconds of Session-Expires, 0 where there is none."""
    value = message.get("session-expires").split(";")[0].strip()
    return int(value) if value.isdigit() else 0


def refresher(message: Message) -> str:
    """Return who is to refresh the session by a message."""
    return parameter(message.get("session-expires"), "refresher")
