"""All sessions on one wheel: packets and instants in, packets and events out. Knows nothing of loop, sockets and clock.

The wheel has 120 slots of 1 ms. Every length of packets divides 120, so that a session sits in its slots for good:
with 20 ms in six of them. A turn costs no timer, and since slots are instants on the clock, not waits, nothing drifts.
Timestamps are the clock too: what was skipped is missing in them as well.

Where the process was held up, what was missed within `catch_up_ms` leaves at once. More is skipped: a burst would only
be thrown away by jitter buffers, while what is played goes on where it was, so that no word is lost.
"""

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from random import Random
from typing import Any, Final

from dialerd_sip.core.sdp import Negotiated
from dialerd_sip.media import rtcp
from dialerd_sip.media.clips import Clips
from dialerd_sip.media.contract import MediaEvent
from dialerd_sip.media.detector import Decoder, Listening, maker
from dialerd_sip.media.events import KeySender
from dialerd_sip.media.recording import Recording
from dialerd_sip.media.rtp import HEADER
from dialerd_sip.media.sources import Address, Symmetric
from dialerd_sip.media.stream import LATE_MS, MARKER, Stream

SLOTS: Final = 120
"""Slots of 1 ms: the least common multiple of all lengths of packets."""

_COMPANY: Final = 5  # sessions that share a slot before another one is used: each one wakes the process up
_LOOKS: Final = 10  # looks a second at what is not of a packet's time: reports, and whether anybody is there
_CATCH_UP_MS: Final = 60  # three packets of 20 ms: what the usual jitter buffer takes at once
_MASK: Final = 0xFFFF_FFFF


class Engine:
    """The sessions of a process. Instants are seconds on one monotonic clock.

    Args:
        now: the instant.
        random: source of SSRCs and beginnings, which are not to be guessed (RFC 3550 section 5.1).
        fills: whether silence is sent where nothing is played.
        reports: whether RTCP is sent.
        catch_up_ms: how much of what was missed is sent afterwards.
        unix_s: what is to be added to `now` to have seconds since 1970, for reports.
    """

    def __init__(
        self,
        now: float,
        *,
        random: Random,
        fills: bool = True,
        reports: bool = True,
        catch_up_ms: int = _CATCH_UP_MS,
        unix_s: float = 0.0,
    ) -> None:
        self._random = random
        self._spreading = Random(random.getrandbits(64))  # only to be apart from others
        self._fills = fills
        self._reports = reports
        self._catch_up_ms = catch_up_ms
        self._unix_s = unix_s
        self._wheel: list[list[Stream]] = [[] for _ in range(SLOTS)]
        self._turning = 0  # sessions that have turns
        self._tick = int(now * 1000)  # the last slot that has had its turn
        self._filling = 0  # the slot that sessions are put into, until it has enough
        self._clips = Clips()
        self._decoder: Decoder | None = None
        self._looks: dict[int, dict[Stream, None]] = {}  # whom to look at, by when
        self._looks_at: list[int] = []  # the same whens, as a heap
        self._cname = f"{random.getrandbits(96):x}".encode()  # RFC 7022 section 4.2
        self._told: list[tuple[Stream, MediaEvent]] = []
        self._counts = {"rtp_unknown": 0, "rtp_malformed": 0, "rtp_lost": 0}

    def open(self, owner: Any = None, former: Sequence[Address] = ()) -> Stream:
        """Begin a session, which can be heard from now on; addresses that spoke to its port before are not believed."""
        bits = self._random.getrandbits(79)  # all at once, since the system is asked for them
        return Stream(ssrc=bits & _MASK, base=bits >> 32 & _MASK, sequence=bits >> 64, owner=owner, former=former)

    def connect(
        self,
        stream: Stream,
        media: Negotiated,
        now: float,
        silence_ms: int = 0,
        symmetric: Symmetric = Symmetric.AUTO,
    ) -> None:
        """Send as agreed from now on.

        Raises:
            OSError: what is played cannot be had in the other law.
        """
        was_alaw = stream.alaw
        stream.agree(media)
        stream.rtcp_port = media.rtcp_port
        stream.hearing.agree(media, silence_ms, now, symmetric)
        stream.remote = stream.hearing.sources.remote
        if stream.voice is not None and stream.alaw is not was_alaw:
            left = stream.names[len(stream.names) - len(stream.queue) - 1 :]
            stream.voice, *rest = (self._clips.get(name, alaw=stream.alaw) for name in left)
            stream.queue.clear()
            stream.queue.extend(rest)
        if self._reports and stream.report_at is None:
            stream.report_at = now + rtcp.spread(self._spreading) / 2  # section 6.2: the first after half the interval
        self._settle(stream, now)
        self._look_later(stream)

    def play(self, stream: Stream, names: Sequence[str], mark: int, now: float) -> None:
        """Play clips, by the names of their files of µ-law, instead of what is played now.

        Raises:
            OSError: one cannot be read; what was played before has ended.
        """
        self._stop(stream)
        try:
            stream.play(names, [self._clips.get(name, alaw=stream.alaw) for name in names], mark)
        finally:
            self._settle(stream, now)

    def stop(self, stream: Stream, now: float) -> None:
        """Stop what is played."""
        self._stop(stream)
        self._settle(stream, now)

    def _stop(self, stream: Stream) -> None:
        ended = stream.stop()
        if ended is not None:
            self._told.append((stream, ended))

    def send_keys(self, stream: Stream, digits: str, now: float) -> None:
        """Send keys after those that are being sent. To a far end that takes no telephone events nothing is sent."""
        stream.keys = stream.keys or KeySender()
        stream.keys.add(digits)
        self._settle(stream, now)

    def record(self, stream: Stream, recording: Recording, now: float) -> None:
        """Record what is received from now on."""
        stream.hearing.record(recording, now)

    def prepare(self, name: str) -> None:
        """Import what a detector needs, before there is anything to be sent.

        Raises:
            LookupError: there is none of that name.
        """
        maker(name)
        self._decoding()

    def detect(self, stream: Stream, name: str, now: float, failed: Callable[[str], None]) -> None:
        """Have a detector listen from now on.

        Args:
            stream: to whom.
            name: its name.
            now: the instant.
            failed: told why it stopped listening, if it does.

        Raises:
            LookupError: there is none of that name, or it cannot be made.
        """
        stream.hearing.detect(Listening(name, self._decoding(), now, failed))

    def _decoding(self) -> Decoder:
        if self._decoder is None:
            try:
                self._decoder = Decoder()
            except ImportError as error:
                raise LookupError(f"detectors need numpy: {error}") from error
        return self._decoder

    def close(self, stream: Stream, now: float) -> tuple[bytes, Address] | None:
        """End a session; return its farewell and the address that it is for (section 6.3.7), where it needs one."""
        self._leave(stream)
        stream.stop()
        stream.keys = None
        if stream.look_at is not None:
            del self._looks[stream.look_at][stream]
            stream.look_at = None
        stream.hearing.record(None, now)
        _count(self._counts, stream)
        to = self._rtcp_remote(stream) if stream.sent and self._reports else None
        return None if to is None else (self._report(stream, now, bye=True), to)

    def received(self, stream: Stream, data: bytes, address: Address, now: float) -> None:
        """Take what came to the RTP port of a session."""
        hearing = stream.hearing
        for event in hearing.packet(data, address, now):
            self._told.append((stream, event))
        if hearing.sources.remote is not stream.remote:
            stream.remote = hearing.sources.remote
            self._settle(stream, now)

    def received_report(self, stream: Stream, data: bytes, address: Address, now: float) -> None:
        """Take what came to the RTCP port of a session."""
        stream.hearing.report(data, address, now)

    def next_due(self, now: float) -> float | None:
        """Return the instant at which there is something to do, at the earliest; None = nothing, until one is told."""
        at = self._looks_at[0] / _LOOKS if self._looks_at else None
        if not self._turning:
            return at
        tick = max(self._tick + 1, int(now * 1000) - self._catch_up_ms)
        for ahead in range(SLOTS):
            if self._wheel[(tick + ahead) % SLOTS]:
                turn = (tick + ahead) / 1000
                return turn if at is None else min(at, turn)
        return at

    def due(self, now: float) -> list[tuple[Stream, bytes]]:
        """Return the packets whose turn has come, in order; each goes to its stream's `remote`."""
        last = int(now * 1000 + 1e-6)  # so that the instant that `next_due` named is that slot's, whatever floats make
        out: list[tuple[Stream, bytes]] = []
        if not self._turning:
            self._tick = max(self._tick, last)
            return out
        if last - self._tick > self._catch_up_ms:
            self._tick = last - self._catch_up_ms
        pack, add = HEADER.pack, out.append
        for tick in range(self._tick + 1, last + 1):
            slot = self._wheel[tick % SLOTS]
            if not slot:
                continue
            units = tick * 8
            late = _late_class(now * 1000 - tick)
            # a copy where somebody may leave the slot at its turn
            for stream in slot if self._fills else tuple(slot):
                sequence = stream.sequence
                stream.sequence = sequence + 1 & 0xFFFF
                stream.late[late] += 1
                stream.sent += 1
                voice, at, size = stream.voice, stream.at, stream.size
                if stream.keys is None and (voice is None or at + size < len(voice)):
                    if voice is None:
                        sound = stream.silence
                    else:
                        sound = voice[at : at + size]
                        stream.at = at + size
                    stream.octets += size
                    add((stream, pack(0x80, stream.kind, sequence, stream.base + units & _MASK, stream.ssrc) + sound))
                    stream.kind &= 0x7F
                else:
                    add((stream, self._seldom(stream, sequence, stream.base + units & _MASK, now)))
        self._tick = last
        return out

    def _seldom(self, stream: Stream, sequence: int, timestamp: int, now: float) -> bytes:
        """Return a packet with a key, or one that ends a clip."""
        key = stream.key(timestamp) if stream.keys is not None else None
        if key is not None:
            kind, timestamp, payload = key
        elif stream.keys is not None:
            kind, payload = stream.kind, stream.silence  # between keys
            stream.kind &= 0x7F
        else:
            kind = stream.kind
            payload, ended = stream.fill()
            stream.kind &= 0x7F
            if ended is not None:
                self._told.append((stream, ended))
        stream.octets += len(payload)
        if not self._fills:
            self._settle(stream, now)
        return HEADER.pack(0x80, kind, sequence, timestamp & _MASK, stream.ssrc) + payload

    def reports(self, now: float) -> list[tuple[Stream, bytes, Address]]:
        """Return the reports that are due, and look after whoever is silent."""
        out: list[tuple[Stream, bytes, Address]] = []
        last = int(now * _LOOKS + 1e-6)  # as in `due`
        while self._looks_at and self._looks_at[0] <= last:
            for stream in self._looks.pop(heappop(self._looks_at)):
                stream.look_at = None
                for event in stream.hearing.look(now):
                    self._told.append((stream, event))
                if stream.report_at is not None and stream.report_at <= now:
                    stream.report_at = now + rtcp.spread(self._spreading)
                    to = self._rtcp_remote(stream)
                    if to is not None:
                        out.append((stream, self._report(stream, now), to))
                self._look_later(stream)
        return out

    def counts(self, streams: Iterable[Stream]) -> dict[str, int]:
        """Return what was counted in all sessions, with those that are up; see `dialerd_sip.media.contract.Media`."""
        counts = dict(self._counts)
        for stream in streams:
            _count(counts, stream)
        return counts

    def events(self) -> list[tuple[Stream, MediaEvent]]:
        """Return what has happened since this was asked last."""
        told, self._told = self._told, []
        return told

    def _look_later(self, stream: Stream) -> None:
        at, silent_at = stream.report_at, stream.hearing.silent_at()
        if silent_at is not None and (at is None or silent_at < at):
            at = silent_at
        if at is None:
            return
        look = int(at * _LOOKS) + 1
        if stream.look_at is not None:
            if stream.look_at <= look:
                return
            del self._looks[stream.look_at][stream]
        stream.look_at = look
        others = self._looks.get(look)
        if others is None:
            self._looks[look] = {stream: None}
            heappush(self._looks_at, look)
        else:
            others[stream] = None

    def _settle(self, stream: Stream, now: float) -> None:
        """Give a session the turns that it needs, or take them."""
        media = stream.media
        sends = media is not None and media.sends and stream.remote is not None
        if not (sends and (self._fills or stream.voice is not None or stream.keys is not None)):
            self._leave(stream)
        elif stream.phase < 0 or stream.ptime != stream.turns:
            self._leave(stream)
            if not self._turning:
                self._tick = max(self._tick, int(now * 1000))  # the wheel stood still
                self._filling = (self._tick + 1) % SLOTS
            stream.phase, stream.turns = self._phase(stream.ptime), stream.ptime
            stream.kind |= MARKER
            for slot in range(stream.phase, SLOTS, stream.ptime):
                self._wheel[slot].append(stream)
            self._turning += 1

    def _phase(self, ptime: int) -> int:
        """Return the turn of one more session: with a few others, since each slot in use wakes the process up; then in
        the emptiest slot, so that calls that begin together do not send together."""
        if len(self._wheel[self._filling]) >= _COMPANY:
            first = self._tick + 1
            sizes = [len(self._wheel[tick % SLOTS]) for tick in range(first, first + ptime)]
            self._filling = (first + sizes.index(min(sizes))) % SLOTS
        return self._filling % ptime

    def _leave(self, stream: Stream) -> None:
        if stream.phase >= 0:
            for slot in range(stream.phase, SLOTS, stream.turns):
                self._wheel[slot].remove(stream)
            self._turning -= 1
            stream.phase = -1

    def _rtcp_remote(self, stream: Stream) -> Address | None:
        remote, hearing = stream.remote, stream.hearing
        if remote is None:
            return None
        if hearing.rtcp_from is not None and hearing.rtcp_from[0] == remote[0]:
            return hearing.rtcp_from
        port = (
            stream.rtcp_port
            if stream.rtcp_port is not None and stream.media is not None and stream.media.port == remote[1]
            else remote[1] + 1
        )
        return (remote[0], port) if port <= 65_535 else None

    def _report(self, stream: Stream, now: float, *, bye: bool = False) -> bytes:
        sent = None
        if stream.sent:
            sent = rtcp.Sent(
                unix_s=now + self._unix_s,
                timestamp=stream.base + int(now * 8000),
                packets=stream.sent,
                octets=stream.octets,
            )
        return rtcp.build(stream.ssrc, self._cname, sent=sent, block=stream.hearing.block(now), bye=bye)


def _count(counts: dict[str, int], stream: Stream) -> None:
    hearing = stream.hearing
    if hearing.strangers or hearing.malformed:
        counts["rtp_unknown"] += hearing.strangers
        counts["rtp_malformed"] += hearing.malformed
    if hearing.received:
        counts["rtp_lost"] += hearing.lost


def _late_class(late_ms: float) -> int:
    return next((index for index, bound in enumerate(LATE_MS) if late_ms < bound), len(LATE_MS) - 1)
