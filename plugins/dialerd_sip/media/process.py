"""The media process: sockets, a clock, and one loop around the engine. Knows the daemon by its commands alone.

    python -m dialerd_sip.media DESCRIPTOR FIRST_PORT LAST_PORT

It ends with the other end of the socketpair, however that came to close. (The signal that Linux sends at a parent's
death, PR_SET_PDEATHSIG, is no help: it is sent at the end of the thread that started the process.) Signals that end a
service are left to the daemon, which lets calls end first.
"""

import gc
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from random import SystemRandom
from typing import Final

from dialerd_sip.core.sdp import Codec, Negotiated
from dialerd_sip.media import messages
from dialerd_sip.media.contract import Detected, Digit, Heard, MediaEvent, MediaLost, PlayEnded, Silent
from dialerd_sip.media.engine import Engine
from dialerd_sip.media.ports import Pair, Ports, receive
from dialerd_sip.media.recording import Recording
from dialerd_sip.media.stream import Stream
from dialerd_sip.media.writing import Writer

_NICE: Final = -10  # before whatever else runs here; sound that comes late is lost
_AT_ONCE: Final = 256  # sockets that are read before turns are looked at again
_BACKLOG: Final = 4_096  # replies that wait for the daemon; one that is so far behind is told no more than that
_FAILURES: Final = 250  # sends that fail one after the other until a session is given up: five seconds


class Lease:
    """A pair of sockets and its session."""

    __slots__ = ("failures", "id", "pair", "stream")

    def __init__(self, id: int, pair: Pair) -> None:
        self.id = id
        self.pair = pair
        self.stream: Stream | None = None
        self.failures = 0


class Process:
    """The loop.

    Args:
        control: our end of the socketpair.
        ports: where pairs of sockets come from.
    """

    def __init__(self, control: socket.socket, ports: Ports) -> None:
        self._control = control
        self._ports = ports
        now = time.monotonic()
        self._engine = Engine(now, random=SystemRandom(), unix_s=time.time() - now)
        self._writer = Writer()
        self._poll = select.epoll()
        self._leases: dict[int, Lease] = {}
        self._readers: dict[int, tuple[Lease, bool]] = {}
        self._replies: list[messages.Reply] = []
        self._number = 0
        self._blocked = False
        self._does: dict[type, Callable[..., None]] = {
            messages.Stock: self._stock,
            messages.Open: self._open,
            messages.Connect: self._connect,
            messages.Play: self._play,
            messages.Stop: lambda lease, _: self._engine.stop(lease.stream, time.monotonic()),
            messages.Keys: lambda lease, said: self._engine.send_keys(lease.stream, said.digits, time.monotonic()),
            messages.Record: self._record,
            messages.Detect: self._detect,
            messages.Close: self._close,
        }

    def run(self) -> None:
        """Run until the daemon has closed its end."""
        control = self._control.fileno()
        self._poll.register(control, select.EPOLLIN)
        goes_on = True
        while goes_on:
            due = self._engine.next_due(time.monotonic())
            wait = None if due is None else max(0.0, due - time.monotonic())
            for descriptor, events in self._poll.poll(wait, _AT_ONCE):
                if descriptor != control:
                    self._read(descriptor)
                elif events & ~select.EPOLLOUT:
                    goes_on = self._obey()
            self._send()
            self._tell()
        for lease in tuple(self._leases.values()):
            self._end(lease)
        self._writer.end()

    def _read(self, descriptor: int) -> None:
        found = self._readers.get(descriptor)
        if found is None:
            return
        lease, reports = found
        stream = lease.stream
        if stream is None:
            return
        pair, engine = lease.pair, self._engine
        # one at a time: epoll tells at once of what is left, and a flood at one port holds up nobody
        packet = receive(pair.rtcp if reports else pair.rtp)
        if packet is not None:
            take = engine.received_report if reports else engine.received
            take(stream, *packet, time.monotonic())

    def _send(self) -> None:
        for stream, packet in self._engine.due(time.monotonic()):
            lease: Lease = stream.owner
            try:
                lease.pair.rtp.sendto(packet, stream.remote)  # type: ignore[arg-type]  # who has a turn has a remote
            except OSError as error:
                lease.failures += 1
                if lease.failures == _FAILURES:
                    self._reply(messages.Failed(lease.id, f"packets cannot be sent: {error}"))
            else:
                lease.failures = 0
        for stream, report, address in self._engine.reports(time.monotonic()):
            with suppress(OSError):  # reports are no more than that
                stream.owner.pair.rtcp.sendto(report, address)

    def _obey(self) -> bool:
        """Take a message of commands; return whether the daemon is still there. What is left is told of at once."""
        try:
            said = self._control.recv(messages.SIZE)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not said:
            return False
        for command in messages.decode_commands(said):
            if isinstance(command, messages.Stock):
                self._stock(command)
                continue
            lease = self._leases.get(command.id)
            if lease is None or (lease.stream is None and not isinstance(command, messages.Open | messages.Close)):
                continue
            self._does[type(command)](lease, command)
        return True

    def _stock(self, said: messages.Stock) -> None:
        ports, reason = [], None
        for _ in range(said.count):
            try:
                pair = self._ports.take(said.host, time.monotonic())
            except OSError as error:
                reason = error.strerror or str(error)
                break
            self._number += 1
            self._leases[self._number] = Lease(self._number, pair)
            ports.append((self._number, pair.port))
        self._reply(messages.Stocked(said.host, ports, reason))

    def _open(self, lease: Lease, _: messages.Open) -> None:
        lease.pair.drain()
        lease.stream = self._engine.open(lease)
        for one, reports in ((lease.pair.rtp, False), (lease.pair.rtcp, True)):
            self._poll.register(one.fileno(), select.EPOLLIN)
            self._readers[one.fileno()] = lease, reports

    def _connect(self, lease: Lease, said: messages.Connect) -> None:
        media = Negotiated(
            host=said.host,
            port=said.port,
            rtcp_port=said.rtcp_port,
            codec=Codec(said.codec),
            payload=said.payload,
            dtmf_payload=said.dtmf_payload,
            ptime_ms=said.ptime_ms,
            sends=said.sends,
            receives=said.receives,
        )
        self._or_fail(lease, lambda stream: self._engine.connect(stream, media, time.monotonic(), said.silence_ms))

    def _play(self, lease: Lease, said: messages.Play) -> None:
        self._or_fail(lease, lambda stream: self._engine.play(stream, said.names, said.mark, time.monotonic()))

    def _or_fail(self, lease: Lease, act: Callable[[Stream], None]) -> None:
        """Act on a session; one whose clips cannot be read is lost, since its call would stay without a word."""
        if lease.stream is None:
            return
        try:
            act(lease.stream)
        except OSError as error:
            self._reply(messages.Failed(lease.id, f"a clip cannot be played: {error}"))

    def _record(self, lease: Lease, said: messages.Record) -> None:
        def failed(reason: str) -> None:
            self._reply(messages.Trouble("recording.failed", f"{said.path}: {reason}"))

        if lease.stream is not None:
            now = time.monotonic()
            self._engine.record(lease.stream, Recording(said.path, self._writer.take, failed), now)

    def _detect(self, lease: Lease, said: messages.Detect) -> None:
        if lease.stream is None:
            return
        try:
            self._engine.detect(lease.stream, said.name, time.monotonic())
        except LookupError as error:
            self._reply(messages.Trouble("detector.missed", str(error)))

    def _close(self, lease: Lease, said: messages.Close) -> None:
        figures = self._end(lease)
        if said.wanted:
            self._reply(figures)

    def _end(self, lease: Lease) -> messages.Closed:
        now = time.monotonic()
        del self._leases[lease.id]
        pair, stream, lease.stream = lease.pair, lease.stream, None
        self._ports.give_back(pair, now)
        if stream is None:
            return messages.Closed(lease.id, 0, 0, 0, 0.0, 0.0, 0)
        for one in (pair.rtp, pair.rtcp):
            self._poll.unregister(one.fileno())
            del self._readers[one.fileno()]
        figures, farewell = self._engine.close(stream, now)
        stream.owner = None
        if farewell is not None:
            with suppress(OSError):  # a far end that is not there needs no farewell
                pair.rtcp.sendto(*farewell)
        return messages.Closed(
            lease.id,
            figures.sent,
            figures.received,
            figures.lost,
            figures.jitter_ms,
            figures.late_ms_p99,
            figures.strangers,
        )

    def _reply(self, reply: messages.Reply) -> None:
        if len(self._replies) < _BACKLOG:
            self._replies.append(reply)  # the writing thread does so too; appending is one step for all threads

    def _tell(self) -> None:
        """Tell the daemon what has happened; what it does not take now waits until it does."""
        for stream, event in self._engine.events():
            if stream.owner is not None:
                self._reply(_reply_of(stream.owner.id, event))
        while self._replies:
            batch = self._replies[:64]
            try:
                self._control.send(messages.encode(batch))
            except BlockingIOError:
                self._wait_for_room(wanted=True)
                return
            except OSError:  # the daemon is gone; the next look at the socketpair says so
                self._replies.clear()
                return
            del self._replies[: len(batch)]
        self._wait_for_room(wanted=False)

    def _wait_for_room(self, *, wanted: bool) -> None:
        if wanted is not self._blocked:
            self._blocked = wanted
            self._poll.modify(self._control.fileno(), select.EPOLLIN | (select.EPOLLOUT if wanted else 0))


def _reply_of(id: int, event: MediaEvent) -> messages.Reply:
    match event:
        case Digit(digit):
            return messages.Pressed(id, digit)
        case PlayEnded(mark, whole):
            return messages.Ended(id, mark, whole)
        case Silent():
            return messages.WasSilent(id)
        case Heard():
            return messages.WasHeard(id)
        case Detected(kind, at_ms):
            return messages.Found(id, kind, at_ms)
        case MediaLost(reason):
            return messages.Failed(id, reason)


def main() -> None:
    """Run as the daemon's child."""
    descriptor, first, last = map(int, sys.argv[1:4])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):  # not allowed; it runs as everybody does
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sys.setswitchinterval(0.0005)  # what the writing thread may hold a turn up
    control = socket.socket(fileno=descriptor)
    control.setblocking(False)
    process = Process(control, Ports(first, last))
    gc.freeze()  # what is here now stays; each look at garbage would pass it by again
    gc.set_threshold(20_000, 20, 50)
    process.run()
