"""A scripted callee: a SIP user agent server on a real UDP socket in the event loop of the test.

What becomes of a call is told by the number that is called. A call goes on here when its caller has vanished: the 200
is repeated until it is acknowledged, 64 T1 at most, and BYE follows. It is written apart from `dialerd_sip`, as plain
text handling, so that a mistake of one is not made by both; what a caller does against the RFC is noted in `faults`.

    callee = Callee({"+447111000101": Behaviour(ring_s=2, talk_s=10)})
    async with callee.serve() as address:
        ...
    assert callee.placed("+447111000101") == 1
    assert not callee.faults
"""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

import trio
from attrs import define, field
from callee_behaviour import Ask, Auth, Behaviour
from callee_call import Call, Leg, session_expires
from callee_digest import Guard
from callee_rtp import Sound
from callee_text import Message, Uri
from callee_wire import Served, Wire

__all__ = ["Ask", "Auth", "Behaviour", "Call", "Callee"]

_ALLOW = ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, NOTIFY")
_FIND_THEMSELVES = ("ACK", "CANCEL", "PRACK")  # what they mean; all else within dialogs means a leg that is up


@define(eq=False)
class Callee:
    """A far end.

    Args:
        behaviours: by called number, with or without the + in front; a number that is not here gets 404.
        auth: what is asked of every call whose behaviour has no `auth` of its own, and of registrations.
        host: address to be at.
        loss: share of messages that are lost, each way.

    Attributes:
        calls: by Call-ID.
        registered: seconds by Contact, 0 = given back.
        registers: how many REGISTERs came, repeated ones not counted.
        pinged: how many OPTIONS came from outside calls.
        options_status: what they are answered.
        guard: what became of credentials.
        wire: its socket; `wire.deaf` cuts it off, `wire.counts` counts messages.
    """

    behaviours: Mapping[str, Behaviour] = field(factory=dict)
    auth: Auth | None = None
    host: str = "127.0.0.1"
    loss: float = 0.0
    calls: dict[str, Call] = field(factory=dict)
    registered: dict[str, int] = field(factory=dict)
    registers: int = 0
    pinged: int = 0
    options_status: int = 200
    guard: Guard = field(factory=Guard)
    wire: Wire = field(factory=Wire)
    _lost: dict[str, int] = field(factory=dict)
    _sink: int = 0

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator[str]:
        """Be there, and yield host:port.

        Args:
            port: the port to be at; 0 = any.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink, trio.socket.socket(type=socket.SOCK_DGRAM) as at:
            sink.bind((self.host, 0))  # RTP of calls that do not listen goes here, so that no ICMP error comes back
            self._sink = sink.getsockname()[1]
            at.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
            await at.bind((self.host, port))
            async with trio.open_nursery() as nursery:
                self.wire.sock, self.wire.nursery, self.wire.loss = at, nursery, self.loss
                self.wire.address = at.getsockname()
                self.wire.start(self.wire.listen, self._take, self._heard)
                try:
                    yield self.wire.place
                finally:
                    nursery.cancel_scope.cancel()

    def tasks(self) -> int:
        """Return how many tasks of the event loop are this callee's."""
        return self.wire.living

    @property
    def faults(self) -> list[str]:
        """What callers did against the RFC."""
        return self.wire.faults

    def placed(self, number: str) -> int:
        """Return how often a number's phone rang or was answered."""
        return sum(call.rang for call in self.calls.values() if call.number.lstrip("+") == number.lstrip("+"))

    def alive(self) -> list[Call]:
        """Return the calls that ring or are up; whoever has said BYE is not any more (RFC 3261 section 15.1.1)."""
        alive = [call for call in self.calls.values() if call.state in ("ringing", "up")]
        return [
            call for call in alive if call.state == "ringing" or not all(leg.ended_by for leg in call.legs.values())
        ]

    def _behaviour(self, user: str) -> Behaviour | None:
        wanted = user.lstrip("+")
        return next((found for number, found in self.behaviours.items() if number.lstrip("+") == wanted), None)

    def _heard(self, message: Message) -> bool:
        """Whether a message of a caller is not lost by the called number's behaviour."""
        call = self.calls.get(message.call_id)
        if message.method == "CANCEL" and call is not None and call.behaviour.deaf_to_cancel:
            return False
        wish = call.behaviour if call is not None else self._behaviour(_user(message))
        if wish is None or message.method in ("REGISTER", "OPTIONS"):
            return True
        lost = self._lost.get(message.call_id, 0)
        self._lost[message.call_id] = lost + 1
        return lost >= wish.drop_requests

    def _take(self, served: Served) -> None:
        request = served.request
        within = request.to_tag or request.method == "ACK"
        handler = getattr(self, f"_{request.method.lower()}_{'within' if within else 'new'}", None)
        if within and request.method not in _FIND_THEMSELVES:
            found = self._leg(served)
            if found is None:
                self.wire.reply(served, 481)
                return
            handler = handler and partial(handler, *found)
        if handler is not None:
            handler(served)
        else:
            status = 200 if within and request.method == "NOTIFY" else 405
            self.wire.reply(served, status, tag="none", headers=[_ALLOW])

    def _admitted(self, served: Served, auth: Auth | None) -> bool:
        """Whether a request shows what it has to; otherwise it is challenged."""
        if auth is None:
            return True
        request = served.request
        shown = request.get("proxy-authorization" if auth.status == 407 else "authorization")
        fits, stale = self.guard.judge(auth, shown, request.method, request.uri)
        if not fits:
            self.wire.reply(served, auth.status, tag="auth", headers=self.guard.challenges(auth, stale=stale))
        return fits

    # outside of dialogs

    def _invite_new(self, served: Served) -> None:
        request, user = served.request, _user(served.request)
        ours = (request.call_id, request.from_tag, request.number)
        for other in self.wire.served.values():
            asked = other.request
            same = (asked.call_id, asked.from_tag, asked.number) == ours and asked.method == "INVITE"
            if other is not served and same and other.ongoing:
                self.wire.reply(served, 482, tag="merged")  # RFC 3261 section 8.2.2.2
                return
        if not request.get("contact"):
            self.faults.append("INVITE has no Contact (RFC 3261 section 8.1.1.8)")
        wish = self._behaviour(user) or Behaviour(status=404, rings=0)
        call = self.calls.get(request.call_id)
        if call is None:
            call = self.calls[request.call_id] = Call(self.wire, wish, user, request, self._sink)
        call.invites += 1
        if wish.silent:
            return
        if not self._admitted(served, wish.auth or self.auth):
            return
        if "timer" in request.tokens("supported") and 0 < session_expires(request) < wish.min_se:
            self.wire.reply(served, 422, tag="small", headers=[("Min-SE", str(wish.min_se))])
            return
        if wish.sounds and call.sound is None:
            call.sound = Sound(self.host)
        self.wire.start(call.live, served)

    def _cancel_new(self, served: Served) -> None:
        request = served.request
        branch, sent_by, _ = request.key()
        invite = self.wire.served.get((branch, sent_by, "INVITE"))
        if invite is None:
            self.wire.reply(served, 481, tag="none")
            return
        if request.uri != invite.request.uri or request.get("to") != invite.request.get("to"):
            self.faults.append("CANCEL differs from its INVITE in Request-URI or To (RFC 3261 section 9.1)")
        if not invite.last:
            self.faults.append("CANCEL was sent before any provisional answer (RFC 3261 section 9.1)")
        self.wire.reply(served, 200, tag="cancelled")
        if not invite.final:
            invite.cancelled.set()

    _cancel_within = _cancel_new

    def _bye_new(self, served: Served) -> None:
        self.wire.reply(served, 481, tag="none")

    def _options_new(self, served: Served) -> None:
        self.pinged += 1
        self.wire.reply(served, self.options_status, tag="ping", headers=[_ALLOW])

    def _register_new(self, served: Served) -> None:
        self.registers += 1
        request = served.request
        if not self._admitted(served, self.auth):
            return
        for contact in request.all("contact"):
            asked = contact.rpartition("expires=")[2] if "expires=" in contact else request.get("expires") or "3600"
            self.registered[Uri.parse(contact).text] = int(asked.split(";")[0])
        bindings = [("Contact", f"<{uri}>;expires={seconds}") for uri, seconds in self.registered.items() if seconds]
        self.wire.reply(served, 200, tag="registered", headers=bindings)

    # within dialogs

    def _leg(self, served: Served) -> tuple[Call, Leg] | None:
        request = served.request
        call = self.calls.get(request.call_id)
        leg = call.legs.get(request.to_tag) if call is not None else None
        if call is None or leg is None or not leg.up or request.from_tag != call.first.from_tag:
            return None
        if Uri.parse(request.uri).text.split(";")[0] != call.contact:
            self.faults.append(f"{request.method} went to {request.uri}, not to our Contact {call.contact}")
        if request.method != "ACK":
            if request.number <= leg.remote_cseq:
                self.faults.append(f"CSeq of {request.method} did not rise (RFC 3261 section 12.2.1.1)")
            leg.remote_cseq = request.number
        return call, leg

    def _ack_within(self, served: Served) -> None:
        request = served.request
        found = self._leg(served)
        if found is None:
            call = self.calls.get(request.call_id)
            if call is not None and request.to_tag in call.legs:
                call.acks += 1  # it crossed our BYE
                call.legs[request.to_tag].acked.set()
            else:
                self.wire.counts["unmatched"] += 1
            return
        call, leg = found
        call.acks += 1
        again = leg.reacked.get(request.number)
        if again is not None:
            again.set()
        elif request.number == call.first.number:
            leg.acked.set()
        else:
            self.faults.append("ACK has another CSeq than its INVITE (RFC 3261 section 13.2.2.4)")

    def _bye_within(self, call: Call, leg: Leg, served: Served) -> None:
        call.byes += 1
        leg.ended_by = leg.ended_by or "caller"
        leg.up = False
        leg.scope.cancel()
        self.wire.reply(served, 200)

    def _invite_within(self, call: Call, leg: Leg, served: Served) -> None:
        call.refreshes += 1
        acked = leg.reacked[served.request.number] = trio.Event()
        headers = [("Contact", f"<{call.contact}>"), *self._timer(call, served.request)]
        data = self.wire.reply(served, 200, headers=headers, body=call.describe(served.request))
        self.wire.start(self.wire.repeat, data, served.source, acked)

    def _update_within(self, call: Call, _leg: Leg, served: Served) -> None:
        call.refreshes += 1
        body = call.describe(served.request) if served.request.body else b""
        headers = [("Contact", f"<{call.contact}>"), *self._timer(call, served.request)]
        self.wire.reply(served, 200, headers=headers, body=body)

    def _timer(self, call: Call, request: Message) -> list[tuple[str, str]]:
        seconds = session_expires(request)
        if call.behaviour.session_expires is None or not seconds:
            return []
        return [("Session-Expires", f"{seconds};refresher={call.behaviour.refresher}"), ("Require", "timer")]

    def _info_within(self, call: Call, _leg: Leg, served: Served) -> None:
        call.infos.append(served.request.body)
        self.wire.reply(served, 200)

    def _options_within(self, _call: Call, _leg: Leg, served: Served) -> None:
        self.wire.reply(served, 200, headers=[_ALLOW])

    def _prack_within(self, served: Served) -> None:
        """Take the acknowledgement of a reliable provisional answer (RFC 3262 section 3)."""
        request = served.request
        wanted = request.get("rack").split()
        for other in self.wire.served.values():
            asked = other.request
            if asked.call_id != request.call_id or asked.method != "INVITE" or other.final or not other.last:
                continue
            said = Message.parse(other.last)
            if wanted == [said.get("rseq"), str(asked.number), "INVITE"]:
                other.pracked.set()
                self.wire.reply(served, 200)
                return
        self.wire.reply(served, 481)


def _user(message: Message) -> str:
    try:
        return Uri.parse(message.uri).user
    except ValueError:
        return ""
