"""The callee's UDP socket and its transactions: answers are kept and sent again, requests are repeated until answered.

RFC 3261 section 17, as plainly as can be. Knows nothing of calls.
"""

import contextlib
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

import trio
from attrs import define, field
from callee_text import PHRASES, Message, answered, parameter, split, write

T1: Final = 0.5
T2: Final = 4.0
GIVEN_UP: Final = 64 * T1
"""RFC 3261 section 17.1.1.1: timers T1, T2 and the 64 T1 after which a transaction is given up."""

Address = tuple[str, int]


def again() -> Iterator[tuple[float, bool]]:
    """Return the intervals after which something is sent again, 64 T1 in all (timers A, E, G and section 13.3.1.4).

    With each comes whether it is to be sent then: after the last one it is given up.
    """
    interval, passed = T1, 0.0
    while passed < GIVEN_UP:
        step = min(interval, GIVEN_UP - passed)
        passed += step
        yield step, passed < GIVEN_UP
        interval = min(2 * interval, T2)


@define(eq=False)
class Served:
    """A request of the caller and what was answered: a server transaction.

    Attributes:
        final: the final status, 0 until there is one.
        last: what was answered last.
        acked: set when the final answer was acknowledged.
        cancelled: set when a CANCEL came.
        pracked: set when a reliable provisional answer was acknowledged.
    """

    request: Message
    data: bytes
    source: Address
    final: int = 0
    last: bytes = b""
    acked: trio.Event = field(factory=trio.Event)
    cancelled: trio.Event = field(factory=trio.Event)
    pracked: trio.Event = field(factory=trio.Event)

    @property
    def ongoing(self) -> bool:
        """Whether the transaction has not ended yet."""
        return not self.final or (self.final >= 300 and not self.acked.is_set())


@define(eq=False)
class Wire:
    """A UDP socket with transactions.

    Attributes:
        counts: messages by what became of them: `received`, `sent`, `lost`, `bad`, `repeated` (requests that came
            again), `resent` (what was sent again for want of an answer or ACK), `unmatched` (answers to nothing).
        faults: what callers did against the RFC.
        deaf: nothing is heard and nothing said, as if the machine were gone.
        loss: share of messages that are lost, each way.
    """

    sock: Any = None
    nursery: Any = None
    address: Address = ("", 0)
    counts: Counter[str] = field(factory=Counter)
    faults: list[str] = field(factory=list)
    served: dict[tuple[str, str, str], Served] = field(factory=dict)
    deaf: bool = False
    loss: float = 0.0
    chance: random.Random = field(factory=lambda: random.Random(1))
    living: int = 0
    _waiting: dict[tuple[str, str], Callable[[Message], None]] = field(factory=dict)
    _branches: Iterator[int] = field(factory=itertools.count)

    @property
    def place(self) -> str:
        """Host and port."""
        return f"{self.address[0]}:{self.address[1]}"

    def start(self, work: Callable[..., Awaitable[Any]], *arguments: Any, nursery: trio.Nursery | None = None) -> None:
        """Start a task of the callee's, counted in `living`.

        Args:
            work, arguments: the task.
            nursery: where it belongs; None = it lives as long as the callee.
        """
        self.living += 1
        (nursery or self.nursery).start_soon(self._work, work, arguments)

    async def _work(self, work: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...]) -> None:
        try:
            await work(*arguments)
        finally:
            self.living -= 1

    async def listen(self, take: Callable[[Served], None], heard: Callable[[Message], bool]) -> None:
        """Read for ever.

        Args:
            take: takes each new request, ACK included.
            heard: whether a request is heard at all.
        """
        while True:
            data, source = await self.sock.recvfrom(65_535)
            if self.deaf or self.chance.random() < self.loss:
                self.counts["lost"] += 1
                continue
            self.counts["received"] += 1
            if not data.strip():
                continue  # a keep-alive (RFC 5626 section 3.5.1)
            try:
                message = Message.parse(data)
                if message.status:
                    self._answer_came(message)
                elif heard(message):
                    self._asked(message, data, source, take)
                else:
                    self.counts["lost"] += 1
            except (ValueError, IndexError) as error:
                self.counts["bad"] += 1
                self.faults.append(f"{error} in {data[:200]!r}")

    def _asked(self, message: Message, data: bytes, source: Address, take: Callable[[Served], None]) -> None:
        known = self.served.get(message.key())
        if message.method == "ACK":
            if known is not None and known.final >= 300:
                known.acked.set()
            else:
                take(Served(message, data, source))
        elif known is not None:
            self.counts["repeated"] += 1
            if known.data != data:
                self.faults.append(f"{message.method} was repeated with the same branch, but is another one")
            if known.last:
                self.send(known.last, answered(message.all("via")[0], source)[1])
        else:
            if not message.branch.startswith("z9hG4bK"):
                self.faults.append(f"{message.method} has the branch {message.branch!r} (RFC 3261 section 8.1.1.7)")
            if not message.get("max-forwards"):
                self.faults.append(f"{message.method} has no Max-Forwards (RFC 3261 section 8.1.1.6)")
            served = self.served[message.key()] = Served(message, data, source)
            take(served)

    def send(self, data: bytes, to: Address) -> None:
        """Send bytes, or lose them."""
        if self.deaf or self.chance.random() < self.loss:
            self.counts["lost"] += 1
            return
        self.counts["sent"] += 1
        with contextlib.suppress(OSError):  # a full buffer or a port nobody reads is what UDP is like
            self.sock._sock.sendto(data, to)

    def reply(
        self,
        served: Served,
        status: int,
        *,
        tag: str = "",
        phrase: str = "",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        lost: bool = False,
    ) -> bytes:
        """Answer a request; the last answer is given again when the request comes again.

        Args:
            served: the request.
            status, phrase, headers, body: the answer.
            tag: To tag, where the request had none.
            lost: the answer is lost on its way this once.

        Returns:
            What was sent.
        """
        request = served.request
        top, to = answered(request.all("via")[0], served.source)
        vias = [top, *request.all("via")[1:]]
        whole = [("Via", via) for via in vias]
        target = request.get("to")
        if tag and not request.to_tag:
            target += f";tag={tag}"
        whole += [("From", request.get("from")), ("To", target), ("Call-ID", request.call_id)]
        whole.append(("CSeq", request.get("cseq")))
        if status > 100 and status < 300:
            whole += [("Record-Route", value) for value in request.all("record-route")]
        data = write(f"SIP/2.0 {status} {phrase or PHRASES.get(status, 'So Be It')}", [*whole, *headers], body)
        served.last = data
        if status >= 200:
            served.final = status
            if request.method == "INVITE" and status >= 300:
                self.start(self._repeat, data, to, served.acked)
        if lost:
            self.counts["lost"] += 1
        else:
            self.send(data, to)
        return data

    async def repeat(
        self, data: bytes, to: Address, until: trio.Event, lose: Callable[[], bool] = lambda: False
    ) -> bool:
        """Send something again and again until an event, 64 T1 at most; return whether the event came.

        Args:
            data, to, until: what, where to, and until when.
            lose: whether it is lost this time.
        """
        for interval, still in again():
            with trio.move_on_after(interval):
                await until.wait()
                return True
            if not still:
                break
            self.counts["resent"] += 1
            if lose():
                self.counts["lost"] += 1
            else:
                self.send(data, to)
        return False

    async def _repeat(self, data: bytes, to: Address, until: trio.Event) -> None:
        if not await self.repeat(data, to, until):
            until.set()  # timer H: given up

    def tell(self, method: str, uri: str, to: Address, headers: Sequence[tuple[str, str]], body: bytes = b"") -> None:
        """Send a request that nobody answers: the ACK of a 2xx."""
        self.send(write(f"{method} {uri} SIP/2.0", [*self._head(), *headers], body), to)

    def _head(self) -> list[tuple[str, str]]:
        branch = f"z9hG4bKcallee{next(self._branches)}{self.chance.getrandbits(32):x}"
        return [("Via", f"SIP/2.0/UDP {self.place};branch={branch};rport"), ("Max-Forwards", "70")]

    async def ask(
        self,
        method: str,
        uri: str,
        to: Address,
        headers: Sequence[tuple[str, str]],
        body: bytes = b"",
        *,
        lost: int = 0,
    ) -> Message | None:
        """Send a request and return its final answer; None where there is none in 64 T1.

        Args:
            method, uri, headers, body: the request; Via and Max-Forwards are put before them.
            to: where it goes.
            lost: how often it is lost on its way.
        """
        head = self._head()
        branch = parameter(head[0][1], "branch")
        data = write(f"{method} {uri} SIP/2.0", [*head, *headers], body)
        final: list[Message] = []
        came, heard = trio.Event(), trio.Event()

        def take(answer: Message) -> None:
            heard.set()
            if answer.status >= 200 and not final:
                final.append(answer)
                came.set()
            if answer.status >= 300 and method == "INVITE":  # RFC 3261 section 17.1.1.3: the ACK is the transaction's
                theirs = [
                    (name, {"To": answer.get("to"), "CSeq": f"{answer.number} ACK"}.get(name, value))
                    for name, value in headers
                    if name in ("Route", "From", "To", "Call-ID", "CSeq")
                ]
                self.send(write(f"ACK {uri} SIP/2.0", [*head, *theirs]), to)

        self._waiting[branch, method] = take
        left = lost
        with trio.move_on_after(GIVEN_UP * (1 if method != "INVITE" else 2)):
            for interval, still in itertools.chain(((0.0, True),), again()):
                with trio.move_on_after(interval):
                    await came.wait()
                    break
                if left > 0:
                    left -= 1
                elif still and (method != "INVITE" or not heard.is_set()):
                    self.send(data, to)
            else:
                await came.wait()
        return final[0] if final else None

    def _answer_came(self, answer: Message) -> None:
        take = self._waiting.get((answer.branch, answer.method))
        if take is None or len(split(answer.get("via"))) != 1:
            self.counts["unmatched"] += 1
        else:
            take(answer)
