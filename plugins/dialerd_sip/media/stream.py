"""What one call sends: sound, silence and keys, a packet at each of its turns. Knows nothing of time but its turns.

Where nothing is played silence is sent, packet by packet, not nothing: far ends and carriers take a stream that stops
for a call that is dead (comfort noise, RFC 3389, would have to be agreed upon), NAT forgets who sends nothing, and
what is played next begins without a gap in numbers.
"""

from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from dialerd_sip.core.sdp import Codec, Negotiated
from dialerd_sip.media.contract import MediaFigures, PlayEnded
from dialerd_sip.media.events import KeySender
from dialerd_sip.media.hearing import Hearing
from dialerd_sip.media.law import ALAW_SILENCE, ULAW_SILENCE
from dialerd_sip.media.sources import Address

PTIMES: Final = (60, 40, 30, 20, 10)
"""Lengths of packets that are sent, in milliseconds; all divide 120, the length of the engine's wheel."""

LATE_MS: Final = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 1_000.0)
"""Upper bounds of the classes in which a session counts how late its packets leave."""

MARKER: Final = 0x80


@lru_cache(maxsize=64)
def fitting(ptime_ms: int, *, alaw: bool) -> tuple[int, bytes]:
    """Return the longest length of packets that is sent and not above `ptime_ms`, and the silence of one."""
    ptime = next((ptime for ptime in PTIMES if ptime <= ptime_ms), PTIMES[-1])
    return ptime, bytes((ALAW_SILENCE if alaw else ULAW_SILENCE,)) * (ptime * 8)


class Stream:
    """The media of one call. The engine drives it and reads its attributes, at 50,000 packets a second.

    Attributes:
        hearing: the receiving side.
        owner: for whoever owns the sockets.
        remote: where packets go to, or None.
        rtcp_port: where reports go to at the signalled host, or None.
        media: what was agreed upon, or None.
        phase, turns: it has a turn each `turns` ms from `phase` on; phase -1 = it has none.
        ptime: length of its packets in milliseconds.
        kind: payload type of sound, with the marker where the next packet bears it.
        sequence, ssrc: of the next packet.
        base: timestamp of the wheel's beginning.
        size: bytes of sound in a packet.
        silence: a packet's silence.
        voice, at: what is played, and how far it has got.
        names, queue: all clips that are played, by name; those after `voice`.
        mark: what the end of them is told with.
        keys: keys that are sent, or None.
        sent, octets: packets and bytes of sound that were sent.
        late: packets by how late they left, in the classes of `LATE_MS`.
        look_at: when the engine looks at it next, apart from its turns; None = not at all.
        report_at: when its next report leaves.
    """

    __slots__ = (
        "at",
        "base",
        "hearing",
        "keys",
        "kind",
        "late",
        "look_at",
        "mark",
        "media",
        "names",
        "octets",
        "owner",
        "phase",
        "ptime",
        "queue",
        "remote",
        "report_at",
        "rtcp_port",
        "sent",
        "sequence",
        "silence",
        "size",
        "ssrc",
        "turns",
        "voice",
    )

    def __init__(
        self, *, ssrc: int, sequence: int, base: int, owner: Any = None, former: Sequence[Address] = ()
    ) -> None:
        self.hearing = Hearing(former)
        self.owner = owner
        self.remote: Address | None = None
        self.rtcp_port: int | None = None
        self.media: Negotiated | None = None
        self.phase = -1
        self.ptime = self.turns = 20
        self.kind = MARKER
        self.sequence = sequence
        self.ssrc = ssrc
        self.base = base
        self.size = 160
        self.silence = b""
        self.voice: bytes | None = None
        self.at = 0
        self.queue: deque[bytes] = deque()
        self.names: Sequence[str] = ()
        self.mark = 0
        self.keys: KeySender | None = None
        self.sent = 0
        self.octets = 0
        self.late = [0] * len(LATE_MS)
        self.look_at: int | None = None
        self.report_at: float | None = None

    @property
    def alaw(self) -> bool:
        """Whether A-law is sent."""
        return self.media is not None and self.media.codec is Codec.PCMA

    def agree(self, media: Negotiated) -> None:
        """Send as agreed from now on. What is played goes on where it is; its bytes are changed by the engine."""
        self.media = media
        self.ptime, self.silence = fitting(media.ptime_ms, alaw=self.alaw)
        self.size = len(self.silence)
        self.kind = media.payload & 0x7F | MARKER

    def play(self, names: Sequence[str], sounds: Sequence[bytes], mark: int) -> None:
        """Play from the next turn on, in the place of what is played now; nothing at all ends at that turn."""
        self.names, self.queue, self.mark = names, deque(sounds), mark
        self.voice, self.at = (self.queue.popleft() if self.queue else b""), 0

    def stop(self) -> PlayEnded | None:
        """Stop what is played; return its end, or None where nothing is played."""
        if self.voice is None:
            return None
        self.voice = None
        self.queue.clear()
        return PlayEnded(self.mark, whole=False)

    def fill(self) -> tuple[bytes, PlayEnded | None]:
        """Return the sound of a packet over the ends of clips, and the end of all of them where it is reached.

        The end is told with the last packet, whose sound the far end then still has to hear.
        """
        size, piece = self.size, b""
        while self.voice is not None and len(piece) < size:
            taken = self.voice[self.at : self.at + size - len(piece)]
            self.at += len(taken)
            piece += taken
            if self.at >= len(self.voice):
                self.voice, self.at = (self.queue.popleft() if self.queue else None), 0
        if self.voice is not None:
            return piece, None
        return piece + self.silence[len(piece) :], PlayEnded(self.mark, whole=True)

    def key(self, timestamp: int) -> tuple[int, int, bytes] | None:
        """Return kind, timestamp and payload of a key's packet; None = it is sound's turn, or that of silence."""
        media = self.media
        if self.keys is None or media is None or media.dtmf_payload is None:
            self.keys = None
            return None
        step = self.keys.step(timestamp, self.size)
        if not self.keys.busy:
            self.keys = None
        if step is None:
            return None
        first, begun_at, payload = step
        return media.dtmf_payload & 0x7F | (MARKER if first else 0), begun_at, payload

    def figures(self) -> MediaFigures:
        """Return what the session did."""
        hearing = self.hearing
        return MediaFigures(
            sent=self.sent,
            received=hearing.received,
            lost=hearing.lost,
            jitter_ms=hearing.jitter_ms,
            late_ms_p99=self._late_ms_p99(),
            strangers=hearing.strangers + hearing.malformed,
        )

    def _late_ms_p99(self) -> float:
        """Return the upper bound of the class that 99 of 100 packets left within."""
        wanted, count = sum(self.late) * 0.99, 0
        for bound, found in zip(LATE_MS, self.late, strict=True):
            count += found
            if count >= wanted and count:
                return bound
        return 0.0
