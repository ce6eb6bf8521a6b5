"""The same media with the engine in this event loop, for tests on a virtual clock; see `dialerd_sip.media.contract`.

One task hears all sockets by an epoll of their own, another takes the turns. Only what is played is sent, and turns are
taken together: each wake-up would cost a virtual clock a moment of real time.
"""

import select
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Final, Self

import structlog
import trio

from dialerd.model.instants import Duration
from dialerd_sip.core.sdp import Negotiated
from dialerd_sip.media.contract import Clip, Heard, MediaError, MediaEvent, MediaFigures, MediaLost
from dialerd_sip.media.engine import Engine
from dialerd_sip.media.ports import Pair, Ports
from dialerd_sip.media.recording import Recording
from dialerd_sip.media.sources import Symmetric
from dialerd_sip.media.stream import Stream

log = structlog.get_logger()

_AT_ONCE: Final = 64


class InlineSession:
    """The media of one call; see `dialerd_sip.media.contract.Session`.

    Attributes:
        stream: the engine's side of it.
        deaf: whether it was connected to receive, and nothing has come.
    """

    def __init__(self, media: "InlineMedia", pair: Pair, silence_ms: Duration, symmetric: Symmetric) -> None:
        self._media: InlineMedia | None = media
        self._pair = pair
        self._silence_ms = silence_ms
        self._symmetric = symmetric
        self._heard = self.deaf = False
        self.stream = media.engine.open(self, pair.former)
        self._told: Callable[[MediaEvent], None] | None = None

    @property
    def port(self) -> int:
        """The leased port."""
        return self._pair.port

    def tell(self, told: Callable[[MediaEvent], None]) -> None:
        """Have `told` called at each event."""
        self._told = told

    def happened(self, event: MediaEvent) -> None:
        """Pass an event on."""
        if isinstance(event, Heard):
            self._heard, self.deaf = True, False
        if self._told is not None:
            self._told(event)

    def connect(self, media: Negotiated) -> None:
        """Send there from now on."""
        self.deaf = self.deaf or (media.receives and not self._heard)
        self._do(lambda engine, now: engine.connect(self.stream, media, now, self._silence_ms, self._symmetric))

    def play(self, clips: Sequence[Clip], mark: int) -> None:
        """Play clips one after the other."""
        names = [str(clip.path) for clip in clips]
        self._do(lambda engine, now: engine.play(self.stream, names, mark, now))

    def stop(self) -> None:
        """Stop what is played."""
        self._do(lambda engine, now: engine.stop(self.stream, now))

    def send_keys(self, digits: str) -> None:
        """Send keys."""
        self._do(lambda engine, now: engine.send_keys(self.stream, digits, now))

    def record(self, path: Path) -> None:
        """Record what is received."""
        recording = Recording(str(path), _at_once, _troubled)
        self._do(lambda engine, now: engine.record(self.stream, recording, now))

    def detect(self, name: str) -> None:
        """Have a detector listen."""
        self._do(lambda engine, now: engine.detect(self.stream, name, now, _failed))

    def close(self, told: Callable[[MediaFigures], None] | None = None) -> None:
        """End the session."""
        media, self._media, self._told = self._media, None, None
        if media is not None:
            figures = media.end(self.stream, self._pair)
            if told is not None:
                told(figures)

    def send(self, packet: bytes) -> None:
        """Send a packet."""
        if self.stream.remote is not None:
            with suppress(OSError):  # as packets are lost that nobody takes
                self._pair.rtp.sendto(packet, self.stream.remote)

    def _do(self, act: Callable[[Engine, float], None]) -> None:
        if self._media is None:
            return
        try:
            act(self._media.engine, trio.current_time())
        except (OSError, LookupError) as error:
            self.happened(MediaLost(str(error)))
        self._media.wake()


class InlineMedia:
    """Media in this event loop.

    Args:
        first_port, last_port: the range of ports for RTP and RTCP.
        turn_ms: turns are taken together each so many milliseconds.
        fills: whether silence is sent where nothing is played.
    """

    def __init__(self, first_port: int, last_port: int, *, turn_ms: int = 20, fills: bool = False) -> None:
        self._range = first_port, last_port
        self._turn_s = turn_ms / 1000
        self._fills = fills
        self._turn_ms = turn_ms
        self._scope = trio.CancelScope()
        self._over = trio.Event()
        self._awake = trio.Event()
        self._sessions: set[InlineSession] = set()

    async def __aenter__(self) -> Self:
        """Start the two tasks."""
        now = trio.current_time()
        self.engine = Engine(
            now, random=Random(1), fills=self._fills, reports=False, catch_up_ms=max(60, 2 * self._turn_ms)
        )
        self._epoll = select.epoll()
        self._ports = Ports(*self._range, self._epoll)
        trio.lowlevel.spawn_system_task(self._run)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all sessions."""
        self._scope.cancel()
        with trio.CancelScope(shield=True):
            await self._over.wait()

    def prepare(self, detector: str) -> None:
        """Do nothing: a virtual clock has time to import."""

    async def counts(self) -> dict[str, int]:
        """Return what was counted."""
        counts = self.engine.counts(session.stream for session in self._sessions)
        counts["rtp_unknown"] += self._ports.unwanted
        return counts

    async def lease(
        self, host: str, *, silence_ms: Duration = 0, symmetric: Symmetric = Symmetric.AUTO
    ) -> InlineSession:
        """Lease a port.

        Raises:
            MediaError: none is free.
        """
        try:
            pair = self._ports.take(host, trio.current_time())
        except OSError as error:
            raise MediaError(f"no port for sound can be had on {host}: {error}") from error
        session = InlineSession(self, pair, silence_ms, symmetric)
        self._sessions.add(session)
        pair.owner = session.stream
        return session

    def wake(self) -> None:
        """Look again at what is to be done next."""
        self._awake.set()

    def end(self, stream: Stream, pair: Pair) -> MediaFigures:
        """End a session; return what it did."""
        now = trio.current_time()
        self.engine.close(stream, now)
        self._sessions.discard(stream.owner)
        stream.owner = None
        self._ports.give_back(pair, now, stream.hearing.sources.believed)
        return stream.figures()

    async def _run(self) -> None:
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._hear)
                    nursery.start_soon(self._turn)
        finally:
            for session in tuple(self._sessions):
                session.close()
            self._ports.close()
            self._epoll.close()
            self._over.set()

    async def _hear(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            for descriptor, _ in self._epoll.poll(0, _AT_ONCE):
                now = trio.current_time()
                packet = self._ports.receive(descriptor, now)
                if packet is not None:
                    stream, reports, data, address = packet
                    (self.engine.received_report if reports else self.engine.received)(stream, data, address, now)
            self._tell()
            self._awake.set()

    async def _turn(self) -> None:
        while True:
            due = self.engine.next_due(trio.current_time())
            self._awake = trio.Event()
            with trio.move_on_at(float("inf") if due is None else due):
                await self._awake.wait()
                self._tell()
                continue
            await trio.sleep(self._turn_s)
            for stream, packet in self.engine.due(trio.current_time()):
                if stream.owner is not None:
                    stream.owner.send(packet)
            self.engine.reports(trio.current_time())
            self._tell()

    def _tell(self) -> None:
        for stream, event in self.engine.events():
            if stream.owner is not None:
                stream.owner.happened(event)


def _at_once(work: Callable[[], None], _size: int) -> bool:
    work()
    return True


def _troubled(reason: str) -> None:
    log.warning("media.troubled", what="recording.failed", reason=reason, remedy="mend the folder or the disk")


def _failed(reason: str) -> None:
    log.warning("media.troubled", what="detector.failed", reason=reason, remedy="mend the detector")
