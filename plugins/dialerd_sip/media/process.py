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
from typing import Any, Final

from dialerd_sip.media import messages
from dialerd_sip.media.contract import MediaFigures, MediaLost
from dialerd_sip.media.engine import Engine
from dialerd_sip.media.ports import Pair, Ports
from dialerd_sip.media.recording import Recording
from dialerd_sip.media.writing import Writer

_NICE: Final = -10  # before whatever else runs here; sound that comes late is lost
_AT_ONCE: Final = 256  # sockets that are read before turns are looked at again
_STOCK_S: Final = 0.0015  # how long opening ports may take at a time; the daemon asks again
_BACKLOG: Final = 4_096  # replies that wait for the daemon; one that is so far behind is told no more than that
_FAILURES: Final = 250  # sends that fail one after the other until a session is given up: five seconds


class Lease:
    """A pair of sockets and its session, which begins with the first command for it."""

    __slots__ = ("failures", "id", "pair", "stream")

    def __init__(self, id: int, pair: Pair) -> None:
        self.id = id
        self.pair = pair
        self.stream: Any = None  # a Stream, from the first command on
        self.failures = 0


class Process:
    """The loop.

    Args:
        control: our end of the socketpair.
        first_port, last_port: the range of ports for RTP and RTCP.
    """

    def __init__(self, control: socket.socket, first_port: int, last_port: int) -> None:
        self._control = control
        now = time.monotonic()
        self._engine = Engine(now, random=SystemRandom(), unix_s=time.time() - now)
        self._writer = Writer()
        self._poll = select.epoll()
        self._ports = Ports(first_port, last_port, self._poll)
        self._leases: dict[int, Lease] = {}
        self._replies: list[messages.Reply] = []
        self._number = 0
        self._blocked = False
        self._does: dict[type, Callable[..., None]] = {
            messages.Stock: self._stock,
            messages.Prepare: self._prepare,
            messages.Count: self._count,
            messages.Connect: self._connect,
            messages.Play: self._play,
            messages.Stop: lambda lease, _, now: self._engine.stop(lease.stream, now),
            messages.Keys: lambda lease, said, now: self._engine.send_keys(lease.stream, said.digits, now),
            messages.Record: self._record,
            messages.Detect: self._detect,
        }

    def run(self) -> None:
        """Run until the daemon has closed its end."""
        control, engine, clock = self._control.fileno(), self._engine, time.monotonic
        receive = self._ports.receive
        self._poll.register(control, select.EPOLLIN)
        goes_on = True
        while goes_on:
            now = clock()
            due = engine.next_due(now)
            wait = None if due is None else max(0.0, due - now)
            for descriptor, events in self._poll.poll(wait, _AT_ONCE):
                if descriptor != control:
                    now = clock()
                    packet = receive(descriptor, now)
                    if packet is not None:
                        lease, reports, data, address = packet
                        (engine.received_report if reports else engine.received)(lease.stream, data, address, now)
                elif events & ~select.EPOLLOUT:
                    goes_on = self._obey()
            self._send()
            self._tell()
        for lease in tuple(self._leases.values()):
            self._end(lease, wanted=False)
        self._writer.end()

    def _send(self) -> None:
        for stream, packet in self._engine.due(time.monotonic()):
            lease: Lease = stream.owner
            try:
                lease.pair.rtp.sendto(packet, stream.remote)  # type: ignore[arg-type]  # who has a turn has a remote
            except OSError as error:
                lease.failures += 1
                if lease.failures == _FAILURES:
                    self._fail(lease, f"packets cannot be sent: {error}")
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
        now = time.monotonic()
        for command in messages.decode_commands(said):
            if isinstance(command, messages.ForNone):
                self._does[type(command)](command, now)
                continue
            lease = self._leases.get(command.id)
            if lease is None:
                continue
            if isinstance(command, messages.Close):
                self._end(lease, wanted=command.wanted)
                continue
            if lease.stream is None:
                lease.stream, lease.pair.owner = self._engine.open(lease, lease.pair.former), lease
            self._does[type(command)](lease, command, now)
        return True

    def _stock(self, said: messages.Stock, now: float) -> None:
        ports, reason, ends = [], None, time.monotonic() + _STOCK_S
        for _ in range(said.count):
            try:
                pair = self._ports.take(said.host, now)
            except BlockingIOError:
                break
            except OSError as error:
                reason = error.strerror or str(error)
                break
            self._number += 1
            self._leases[self._number] = Lease(self._number, pair)
            ports.append((self._number, pair.port))
            if time.monotonic() > ends:
                break
        self._reply(messages.Stocked(said.host, ports, reason))

    def _prepare(self, said: messages.Prepare, _now: float) -> None:
        try:
            self._engine.prepare(said.name)
        except LookupError as error:
            self._reply(messages.Trouble("detector.missed", str(error)))

    def _count(self, _said: messages.Count, _now: float) -> None:
        counts = self._engine.counts(lease.stream for lease in self._leases.values() if lease.stream is not None)
        counts["rtp_unknown"] += self._ports.unwanted
        self._reply(messages.Counted(counts))

    def _connect(self, lease: Lease, said: messages.Connect, now: float) -> None:
        try:
            self._engine.connect(lease.stream, said.media, now, said.silence_ms, said.symmetric)
        except OSError as error:
            self._fail(lease, f"a clip cannot be played: {error}")

    def _play(self, lease: Lease, said: messages.Play, now: float) -> None:
        try:
            self._engine.play(lease.stream, said.names, said.mark, now)
        except OSError as error:
            self._fail(lease, f"a clip cannot be played: {error}")

    def _fail(self, lease: Lease, reason: str) -> None:
        """Tell that a session is lost: its call would stay without a word."""
        self._reply(messages.Told(lease.id, MediaLost(reason)))

    def _record(self, lease: Lease, said: messages.Record, now: float) -> None:
        def failed(reason: str) -> None:
            self._reply(messages.Trouble("recording.failed", f"{said.path}: {reason}"))

        self._engine.record(lease.stream, Recording(said.path, self._writer.take, failed), now)

    def _detect(self, lease: Lease, said: messages.Detect, now: float) -> None:
        def failed(reason: str) -> None:
            self._reply(messages.Trouble("detector.failed", reason))

        try:
            self._engine.detect(lease.stream, said.name, now, failed)
        except LookupError as error:
            self._reply(messages.Trouble("detector.missed", str(error)))

    def _end(self, lease: Lease, *, wanted: bool) -> None:
        """End a session and let its ports rest; what it did is told where it is `wanted`."""
        now = time.monotonic()
        del self._leases[lease.id]
        pair, stream, lease.stream = lease.pair, lease.stream, None
        self._ports.give_back(pair, now, None if stream is None else stream.hearing.sources.believed)
        if stream is not None:
            farewell = self._engine.close(stream, now)
            stream.owner = None
            if farewell is not None:
                with suppress(OSError):  # a far end that is not there needs no farewell
                    pair.rtcp.sendto(*farewell)
        if wanted:
            self._reply(messages.Closed(lease.id, MediaFigures() if stream is None else stream.figures()))

    def _reply(self, reply: messages.Reply) -> None:
        if len(self._replies) < _BACKLOG:
            self._replies.append(reply)  # the writing thread does so too; appending is one step for all threads

    def _tell(self) -> None:
        """Tell the daemon what has happened; what it does not take now waits until it does."""
        for stream, event in self._engine.events():
            if stream.owner is not None:
                self._reply(messages.Told(stream.owner.id, event))
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
    process = Process(control, first, last)
    gc.freeze()  # what is here now stays; each look at garbage would pass it by again
    gc.set_threshold(20_000, 20, 50)
    process.run()
