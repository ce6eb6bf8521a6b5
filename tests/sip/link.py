"""An in-memory link between a user agent and far ends, with a virtual clock; it loses, doubles, delays and reorders.

Ends are told apart by flow: each has one, which is its address. A user agent is driven by its five verbs; a far end
either is a user agent too, or a `Far`, which a test scripts by sending literal messages. Nothing here sleeps.

    link = Link()                                  # a user agent, at US; its clock starts at 100 s
    far = link.far()                               # a scripted far end, at THEM; the user agent trusts it
    link.ua.transactions.request(invite, THEM, owner, link.now)
    link.settle()                                  # until nothing is on its way
    asked = far.take("INVITE")                     # the oldest INVITE that it has not yet taken
    far.answer(asked, 180, "Ringing", tag="far")
    link.settle()
    far.answer(asked, 200, "OK", tag="far", headers=[("Contact", "<sip:far@192.0.2.2>")])
    link.run(2.0)                                  # two seconds, timers and all
    assert link.ladder() == ["> INVITE", "< 180 INVITE", "< 200 INVITE"]

`link.run_out()` goes on until no timer is left. A message that goes where no end is, is lost; `link.refuse(flow)` has
ICMP come back instead. What the user agent told is in `link.events`.
"""

import heapq
from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from typing import Protocol

from attrs import frozen
from dialerd_sip.core.events import Event
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.message import Message, Request, Response, parse_message
from dialerd_sip.core.timing import Timing
from dialerd_sip.core.ua import UserAgent

US = Flow(Transport.UDP, "192.0.2.1", 5060)
THEM = Flow(Transport.UDP, "192.0.2.2", 5060)
OTHERS = Flow(Transport.UDP, "192.0.2.3", 5060)


@frozen(kw_only=True)
class Weather:
    """What becomes of messages on their way.

    Args:
        loss: share of messages that never arrive, 0 to 1.
        doubling: share that arrives twice.
        delay: seconds that each takes at the least.
        jitter: seconds that each may take longer; with more of it than lies between two messages they change places.
    """

    loss: float = 0.0
    doubling: float = 0.0
    delay: float = 0.01
    jitter: float = 0.0


@frozen
class Carried:
    """A message that was sent: when, from where to where, and whether it got lost."""

    at: float
    source: Flow
    target: Flow
    message: Message
    lost: bool


class End(Protocol):
    """What can be driven: the five verbs."""

    def receive_datagram(self, data: bytes, flow: Flow, now: float) -> None:
        """Take a message."""

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Flow]]:
        """Return what goes out."""

    def next_deadline(self) -> float | None:
        """Return when the next timer is due."""

    def handle_timer(self, now: float) -> None:
        """Do what is due."""

    def next_event(self) -> Event | None:
        """Return what happened."""

    def flow_failed(self, flow: Flow, why: str, now: float) -> None:
        """Take it that a flow leads nowhere."""


class Link:
    """A user agent and its far ends.

    Args:
        weather: what becomes of messages.
        seed: seed of the chance with which it does.
        timing: timers of the user agent.

    Attributes:
        now: the instant, in seconds.
        ua: the user agent at `US`.
        events: what it told, oldest first.
        carried: all messages, in the order of their leaving.
    """

    def __init__(self, weather: Weather | None = None, *, seed: int = 0, timing: Timing | None = None) -> None:
        self.weather = weather or Weather()
        self.now = 100.0
        self.timing = timing or Timing()
        self.ua = UserAgent(self.timing)
        self.events: list[Event] = []
        self.carried: list[Carried] = []
        self._ends: dict[Flow, End] = {US: self.ua}
        self._under_way: list[tuple[float, int, bytes, Flow, Flow]] = []
        self._ids = count()
        self._chance = Random(seed)
        self._refused: set[Flow] = set()
        self._dropped: list[Callable[[Message], bool]] = []

    def join(self, flow: Flow, end: End) -> None:
        """Put a further end at an address."""
        self._ends[flow] = end

    def far(self, flow: Flow = THEM, *, trusted: bool = True) -> "Far":
        """Put a scripted far end at an address and return it; the user agent trusts it unless told otherwise."""
        far = Far(self, flow)
        self._ends[flow] = far
        if trusted:
            self.ua.trust(flow, frozenset((flow.host,)))
        return far

    def refuse(self, flow: Flow, *, refused: bool = True) -> None:
        """Have ICMP come back for each message to an address, or no more."""
        (self._refused.add if refused else self._refused.discard)(flow)

    def lose(self, which: Callable[[Message], bool]) -> None:
        """Lose the next message of which `which` says so; each call of this loses one."""
        self._dropped.append(which)

    def settle(self) -> None:
        """Go on until nothing is on its way; timers run only as far as they are due meanwhile."""
        self._collect()
        while self._under_way:
            self._advance(self._under_way[0][0])

    def run(self, seconds: float) -> None:
        """Go on for some seconds, with all that is due meanwhile."""
        end = self.now + seconds
        self._collect()
        while (at := self._next()) is not None and at <= end:
            self._advance(at)
        self.now = end

    def run_out(self, most: float = 1000.0) -> None:
        """Go on until nothing is on its way and no timer waits.

        Args:
            most: seconds after which this is an error.
        """
        end = self.now + most
        self._collect()
        while (at := self._next()) is not None:
            assert at <= end, "something goes on for ever"
            self._advance(at)

    def ladder(self, start: int = 0) -> list[str]:
        """Return what was sent from the `start`th message on, as lines such as `> INVITE` (ours) and `< 180 INVITE`."""
        return [rung(one) for one in self.carried[start:]]

    # driving

    def _next(self) -> float | None:
        instants = [end.next_deadline() for end in self._ends.values()]
        if self._under_way:
            instants.append(self._under_way[0][0])
        return min((at for at in instants if at is not None), default=None)

    def _advance(self, at: float) -> None:
        self.now = max(self.now, at)
        while self._under_way and self._under_way[0][0] <= self.now:
            _, _, data, source, target = heapq.heappop(self._under_way)
            end = self._ends.get(target)
            if end is not None:
                end.receive_datagram(data, source, self.now)
        for end in self._ends.values():
            deadline = end.next_deadline()
            if deadline is not None and deadline <= self.now:
                end.handle_timer(self.now)
        self._collect()

    def _collect(self) -> None:
        while True:
            while (event := self.ua.next_event()) is not None:
                self.events.append(event)
            sent = False
            for source, end in tuple(self._ends.items()):
                for data, target in end.datagrams_to_send(self.now):
                    sent = True
                    self._carry(data, source, target, end)
            if not sent:
                break

    def _carry(self, data: bytes, source: Flow, target: Flow, end: End) -> None:
        weather, chance = self.weather, self._chance
        message = parse_message(data)
        if target in self._refused:
            self.carried.append(Carried(self.now, source, target, message, True))
            end.flow_failed(target, "refused", self.now)
            return
        named = next((which for which in self._dropped if which(message)), None)
        if named is not None:
            self._dropped.remove(named)
        lost = named is not None or chance.random() < weather.loss
        self.carried.append(Carried(self.now, source, target, message, lost))
        if lost:
            return
        for _ in range(2 if chance.random() < weather.doubling else 1):
            at = self.now + weather.delay + chance.random() * weather.jitter
            heapq.heappush(self._under_way, (at, next(self._ids), data, source, target))


def rung(carried: Carried) -> str:
    """Return one line of a ladder: `>` for what the user agent sent, `x` behind what got lost."""
    message = carried.message
    name = message.method if isinstance(message, Request) else f"{message.status} {message.cseq.method}"
    return f"{'>' if carried.source == US else '<'} {name}{' x' if carried.lost else ''}"


class Far:
    """A scripted far end: it keeps what it hears, and sends what a test has it send.

    Attributes:
        inbox: what it heard and was not taken yet.
        heard: all that it heard.
        script: called with each message that it hears, if it is set.
    """

    def __init__(self, link: Link, flow: Flow) -> None:
        self.link = link
        self.flow = flow
        self.script: Callable[[Message], None] | None = None
        self.inbox: list[Message] = []
        self.heard: list[Message] = []
        self._out: list[tuple[bytes, Flow]] = []

    def take(self, what: str | int) -> Message:
        """Return the oldest message of a method, or answer of a status, and forget it; an error where there is none."""
        for message in self.inbox:
            if what == (message.method if isinstance(message, Request) else message.status):
                self.inbox.remove(message)
                return message
        names = [each.start_line() for each in self.inbox]
        raise AssertionError(f"no {what} among {names}")

    def send(self, message: Message | bytes | str, to: Flow = US) -> None:
        """Send a message; of text the line ends are made right, and an empty line is put behind it."""
        if isinstance(message, str):
            head = "\r\n".join(line.strip() for line in message.strip().splitlines())
            message = f"{head}\r\n\r\n".encode()
        self._out.append((message if isinstance(message, bytes) else message.to_bytes(), to))

    def answer(
        self,
        request: Message,
        status: int,
        phrase: str = "Whatever",
        *,
        tag: str | None = "far",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Response:
        """Answer a request and return what was sent; a body is SDP unless a header says otherwise."""
        assert isinstance(request, Request)
        response = Response.to_request(request, status, phrase, to_tag=None if status == 100 else tag, body=body)
        for name, value in headers:
            response.add(name, value)
        if body and response.first("Content-Type") is None:
            response.add("Content-Type", "application/sdp")
        self.send(response)
        return response

    # the verbs

    def receive_datagram(self, data: bytes, flow: Flow, now: float) -> None:
        """Take a message."""
        message = parse_message(data)
        self.inbox.append(message)
        self.heard.append(message)
        if self.script is not None:
            self.script(message)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Flow]]:
        """Return what goes out."""
        out, self._out = self._out, []
        return out

    def next_deadline(self) -> float | None:
        """Return None: a script has no timers."""
        return None

    def handle_timer(self, now: float) -> None:
        """Do nothing."""

    def next_event(self) -> Event | None:
        """Return None: a script tells its test what it tells."""
        return None

    def flow_failed(self, flow: Flow, why: str, now: float) -> None:
        """Take no notice."""
