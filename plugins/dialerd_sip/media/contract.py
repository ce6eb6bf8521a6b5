"""What a call may ask of its media, and what it is told; the same in both ways of running them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from attrs import frozen
from msgspec import Struct

from dialerd.model.instants import Duration
from dialerd_sip.core.sdp import Negotiated
from dialerd_sip.media.sources import Symmetric


@frozen(kw_only=True)
class Clip:
    """A piece of sound, encoded.

    Args:
        path: file of µ-law bytes at 8,000 Hz, without header; its name ends in `.ulaw`, and the same sound as A-law
            stands beside it as `.alaw`.
        frames: samples in it.
    """

    path: Path
    frames: int


class _Event(Struct, array_like=True, tag=True, frozen=True, gc=False):
    pass


class Digit(_Event, frozen=True):
    """A key was pressed (RFC 4733), told once, at its beginning: 0 to 9, *, #, A to D."""

    digit: str


class PlayEnded(_Event, frozen=True):
    """What was played has ended: by itself (`whole`), or because it was stopped."""

    mark: int
    whole: bool


class Silent(_Event, frozen=True):
    """Nothing was received for as long as the session tolerates; told once until something comes again."""


class Heard(_Event, frozen=True):
    """The first packet of the far end has come."""


class Detected(_Event, frozen=True):
    """A detector came to a result.

    Args:
        kind: what it is, in the detector's words.
        at_ms: milliseconds since `Session.detect`, by the far end's clock.
    """

    kind: str
    at_ms: int


class MediaLost(_Event, frozen=True):
    """The media process has died, or the session's socket failed; nothing is heard or said in this call any more."""

    reason: str


MediaEvent = Digit | PlayEnded | Silent | Heard | Detected | MediaLost


class MediaFigures(Struct, array_like=True, frozen=True, kw_only=True, gc=False):
    """What a session did.

    Args:
        sent, received: RTP packets.
        lost: packets of the far end that never came, by their sequence numbers.
        jitter_ms: interarrival jitter (RFC 3550 section 6.4.1).
        late_ms_p99: how late our packets left, 99th percentile, by the upper bound of its class.
        strangers: packets that were dropped, being from unknown sources, or no RTP.
    """

    sent: int = 0
    received: int = 0
    lost: int = 0
    jitter_ms: float = 0.0
    late_ms_p99: float = 0.0
    strangers: int = 0


class Session(Protocol):
    """The media of one call, from the lease of its port to its close. All methods are synchronous."""

    @property
    def port(self) -> int:
        """The leased port (even; RTCP is the next one)."""

    @property
    def deaf(self) -> bool:
        """Whether it was connected to receive, and nothing has come from the far end."""

    def tell(self, told: Callable[[MediaEvent], None]) -> None:
        """Have `told` called at each event, in this event loop; replaces the one before."""

    def connect(self, media: Negotiated) -> None:
        """Send there from now on, with what was agreed; again when that changes."""

    def play(self, clips: Sequence[Clip], mark: int) -> None:
        """Play clips one after the other, instead of what is played now; `PlayEnded(mark)` is told once at its end."""

    def stop(self) -> None:
        """Stop what is played."""

    def send_keys(self, digits: str) -> None:
        """Send keys by RFC 4733, one after the other."""

    def record(self, path: Path) -> None:
        """Record what is received into a WAV file, from now on."""

    def detect(self, name: str) -> None:
        """Have what is received listened to by a detector, from now on, early media included.

        Args:
            name: the name of one in `dialerd_sip.media.detector.DETECTORS`, or `module:name` of what makes one.
        """

    def close(self, told: Callable[[MediaFigures], None] | None = None) -> None:
        """End the session; its port is free for others after a while. What it did is told, if anybody wants to know."""


class Media(Protocol):
    """Media of all calls of a process."""

    async def __aenter__(self) -> Self:
        """Start what is needed."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all sessions."""

    def prepare(self, detector: str) -> None:
        """Import what a detector needs before calls ask for it, since nothing is sent or heard meanwhile."""

    async def counts(self) -> dict[str, int]:
        """Return what was counted in all sessions, without a long wait.

        `rtp_unknown` packets were dropped that came from unknown sources, or to ports of no call, `rtp_malformed` that
        were no RTP or RTCP; `rtp_lost` never came, by their sequence numbers.
        """

    async def lease(self, host: str, *, silence_ms: Duration = 0, symmetric: Symmetric = Symmetric.AUTO) -> Session:
        """Lease a port on a local address; at once, without a checkpoint, where one is spare.

        Args:
            host: local IP address to receive at.
            silence_ms: how long nothing may come of a connected far end before `Silent` is told; 0 = for ever.
            symmetric: what other addresses than the signalled one are believed for.

        Raises:
            MediaError: no port is free, or the media process is not there.
        """


class MediaError(Exception):
    """Media cannot be had now; the message says why and what to do."""
