"""What becomes of received packets: whose they are, keys, recording, detection, figures.

Knows nothing of sockets and of what is sent. Early media is heard like everything else; payloads that were not agreed
upon, comfort noise among them, are counted and left alone. Whatever a packet holds, nothing is raised.
"""

from collections.abc import Sequence
from typing import Final

from dialerd_sip.core.sdp import LocalMedia, Negotiated
from dialerd_sip.media import rtcp, rtp
from dialerd_sip.media.contract import Digit, Heard, MediaEvent, Silent
from dialerd_sip.media.detector import Listening
from dialerd_sip.media.events import KeyReader
from dialerd_sip.media.recording import Recording
from dialerd_sip.media.sources import Address, Sources, Symmetric
from dialerd_sip.media.timeline import Timeline

PCMU: Final = 0  # RFC 3551 section 6
PCMA: Final = 8
_EVENTS: Final = LocalMedia(host="", port=0).dtmf_payload  # what our descriptions name for telephone events


class Hearing:
    """The receiving side of one call.

    Args:
        former: addresses that spoke to its port before, and are not to be believed.

    Attributes:
        sources: where packets may come from.
        strangers: packets that were dropped, being from unknown sources.
        malformed: those that were no RTP, and no reports.
        rtcp_from: where the far end's reports come from, or None.
    """

    __slots__ = (
        "_alive_at",
        "_detector",
        "_event_types",
        "_former",
        "_heard",
        "_keys",
        "_reception",
        "_recording",
        "_recording_line",
        "_report",
        "_silence_s",
        "_silent",
        "malformed",
        "rtcp_from",
        "sources",
        "strangers",
    )

    def __init__(self, former: Sequence[Address] = ()) -> None:
        self.sources = Sources(former)
        self.strangers = self.malformed = 0
        self.rtcp_from: Address | None = None
        self._keys = KeyReader()
        self._event_types: tuple[int, ...] = (_EVENTS,)
        self._reception: rtp.Reception | None = None
        self._former = 0, 0
        self._recording: Recording | None = None
        self._detector: Listening | None = None
        self._heard = False
        self._alive_at = 0.0  # when a packet or a report came last, or the far end was connected
        self._silence_s = 0.0  # 0 = any silence is borne
        self._silent = False
        self._report: tuple[int, float] | None = None

    def agree(self, media: Negotiated, silence_ms: int, now: float, symmetric: Symmetric) -> None:
        """Note what was agreed upon.

        Args:
            media: what was agreed upon.
            silence_ms: how long nothing may come; 0 = for ever.
            now: the instant, from which silence is counted.
            symmetric: what other addresses than the signalled one are believed for.
        """
        self.sources.signal(media.host, media.port, now, symmetric)
        # the far end sends the type that our description names; some send the one that theirs does
        self._event_types = (_EVENTS,) if media.dtmf_payload is None else (_EVENTS, media.dtmf_payload)
        self._silence_s = silence_ms / 1000 if media.receives else 0.0
        self._silent = False
        self._alive_at = now

    def record(self, recording: Recording | None, now: float) -> None:
        """Record from now on, instead of into what was recorded into before; None = no more."""
        if self._recording is not None:
            self._recording.end()
        self._recording = recording
        if recording is not None:
            self._recording_line = Timeline(now)

    def detect(self, detector: Listening) -> None:
        """Have a detector listen from now on, instead of the one before."""
        self._detector = detector

    def packet(self, data: bytes, address: Address, now: float) -> Sequence[MediaEvent]:
        """Take a packet of the RTP port; return what happened by it."""
        parsed = rtp.parse(data)
        if parsed is None:
            self.malformed += 1
            return ()
        kind, sequence, timestamp, ssrc, payload = parsed
        sources = self.sources
        if address == sources.believed and sources.settled:
            sources.heard_at = now
        elif not sources.accept(address, ssrc, sequence, now):
            self.strangers += 1
            return ()
        self._alive_at, self._silent = now, False
        reception = self._reception
        if reception is None or reception.ssrc != ssrc:
            if reception is not None:
                self._former = self._former[0] + reception.total, self._former[1] + reception.lost
            reception = self._reception = rtp.Reception(ssrc, sequence)
        if not reception.seen(sequence, timestamp, int(now * rtp.RATE)):
            return ()
        found: Sequence[MediaEvent] = ()
        payload_type = kind & 0x7F
        if payload_type in (PCMU, PCMA):
            if self._recording is not None or self._detector is not None:
                found = self._sound(payload, ssrc, timestamp, now, alaw=payload_type == PCMA)
        elif payload_type in self._event_types:
            key = self._keys.read(ssrc, timestamp, payload, marker=kind > 0x7F)
            found = () if key is None else (Digit(key),)
        if self._heard:
            return found
        self._heard = True
        return (Heard(), *found)

    def _sound(self, payload: bytes, ssrc: int, timestamp: int, now: float, *, alaw: bool) -> Sequence[MediaEvent]:
        if self._recording is not None:
            self._recording.heard(self._recording_line.place(ssrc, timestamp, now), payload, alaw=alaw)
        return () if self._detector is None else self._detector.hear(payload, ssrc, timestamp, now, alaw=alaw)

    def report(self, data: bytes, address: Address, now: float) -> None:
        """Take a packet of the RTCP port: a sign of life, also of a far end that sends no silence."""
        near = self.sources.believed or self.sources.remote
        if near is None or near[0] != address[0]:
            self.strangers += 1
            return
        reports = rtcp.parse(data)
        if reports is None:
            self.malformed += 1
            return
        self.rtcp_from = address
        self._alive_at, self._silent = now, False
        for report in reports:
            if report.ntp_middle is not None:
                self._report = report.ntp_middle, now

    def block(self, now: float) -> rtcp.Block | None:
        """Return what is to be reported of the far end, or None as long as nothing has come."""
        reception = self._reception
        if reception is None:
            return None
        last, came = self._report or (0, now)
        return rtcp.Block(
            ssrc=reception.ssrc,
            fraction_lost=reception.fraction_lost(),
            lost=reception.lost,
            highest=reception.extended_highest,
            jitter=reception.jitter,
            last_report=last,
            since_last_report=int((now - came) * 65_536),
        )

    def silent_at(self) -> float | None:
        """Return the instant at which the far end's silence is too long, or None."""
        return None if self._silent or not self._silence_s else self._alive_at + self._silence_s

    def look(self, now: float) -> Sequence[MediaEvent]:
        """Return whether the far end has been silent for too long; told once until something comes."""
        at = self.silent_at()
        if at is None or now < at:
            return ()
        self._silent = True
        return (Silent(),)

    @property
    def received(self) -> int:
        """Packets that came from the far end."""
        return self._former[0] + (self._reception.total if self._reception else 0)

    @property
    def lost(self) -> int:
        """Packets of the far end that never came."""
        return self._former[1] + (self._reception.lost if self._reception else 0)

    @property
    def jitter_ms(self) -> float:
        """Interarrival jitter of the far end's last source."""
        return self._reception.jitter_ms if self._reception else 0.0
