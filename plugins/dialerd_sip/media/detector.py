"""What listens to a call: the interface of detectors, and where they are found. Knows nothing of RTP.

A detector runs in the media process, on 8,000 Hz samples as they come; what is lost is left out, which `at_ms` shows.
Whatever it raises or returns, other calls and the rest of its own go on. The time it takes is everybody's, though:
nothing else is sent or heard meanwhile.
"""

from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from operator import index
from typing import TYPE_CHECKING, Final, Protocol

from dialerd_sip.media.contract import Detected
from dialerd_sip.media.law import ALAW_SAMPLES, ULAW_SAMPLES
from dialerd_sip.media.rtp import RATE
from dialerd_sip.media.timeline import Timeline

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Samples = NDArray[numpy.int16]

_LONGEST: Final = 200  # letters of a kind
_MOST: Final = 500  # letters of an error
_LATEST_MS: Final = 1 << 40
_LOUD_RMS: Final = 1_000.0  # speech on a line has 1,000 to 6,000; its noise less than 300


class Detector(Protocol):
    """Listens to one call."""

    def feed(self, samples: "Samples", at_ms: int) -> Iterable[Detected]:
        """Listen to a piece of sound, within a fraction of a millisecond; return what was found by it.

        Args:
            samples: 16-bit samples at 8,000 Hz, of one packet.
            at_ms: when it begins, in milliseconds since the detector was asked for.
        """


class Loud:
    """Tells `loud` once, when there is anything to be heard at all."""

    def __init__(self) -> None:
        self._told = False

    def feed(self, samples: "Samples", at_ms: int) -> Iterable[Detected]:
        """Listen."""
        if self._told or not len(samples) or float((samples.astype("float64") ** 2).mean()) < _LOUD_RMS**2:
            return ()
        self._told = True
        return (Detected("loud", at_ms),)


DETECTORS: Final[dict[str, Callable[[], Detector]]] = {"loud": Loud}
"""Detectors by their names."""


def maker(name: str) -> Callable[[], Detector]:
    """Return what makes detectors, importing it where need be.

    Args:
        name: one of `DETECTORS`, or `module:name` of something that makes one.

    Raises:
        LookupError: there is none of that name; the message says so.
    """
    if name in DETECTORS:
        return DETECTORS[name]
    module, _, factory = name.partition(":")
    try:
        found: Callable[[], Detector] = getattr(import_module(module), factory)
    except Exception as error:  # whatever its module does when it is imported
        raise LookupError(f"there is no detector {name!r}: {_words(error)}") from error
    return found


class Decoder:
    """Makes samples of received bytes; brings numpy in, which sessions without a detector do without."""

    def __init__(self) -> None:
        import numpy  # noqa: PLC0415  # 20 MiB and a tenth of a second that only detection needs

        self._from = numpy.frombuffer
        self._byte = numpy.uint8
        self._tables = {
            False: numpy.array(ULAW_SAMPLES, dtype=numpy.int16),
            True: numpy.array(ALAW_SAMPLES, dtype=numpy.int16),
        }

    def samples(self, payload: bytes, *, alaw: bool) -> "Samples":
        """Return the samples of a packet."""
        return self._tables[alaw][self._from(payload, self._byte)]


class Listening:
    """A detector at work on one call: dropped at its first error, which is told.

    Args:
        name: its name, see `maker`.
        decoder: makes its samples.
        now: the instant from which it listens.
        failed: told once why it does not listen any more.

    Raises:
        LookupError: it cannot be made; the message says why.
    """

    __slots__ = ("_decoder", "_detector", "_failed", "_line", "_name")

    def __init__(self, name: str, decoder: Decoder, now: float, failed: Callable[[str], None]) -> None:
        make = maker(name)
        try:
            self._detector: Detector | None = make()
        except Exception as error:  # whatever it is, it is one detector's alone
            raise LookupError(f"the detector {name!r} cannot be made: {_words(error)}") from error
        self._name = name
        self._decoder = decoder
        self._line = Timeline(now)
        self._failed = failed

    def hear(self, payload: bytes, ssrc: int, timestamp: int, now: float, *, alaw: bool) -> Sequence[Detected]:
        """Listen to a packet; return what was found by it."""
        if self._detector is None:
            return ()
        at_ms = self._line.place(ssrc, timestamp, now) * 1000 // RATE
        try:
            return [_checked(one) for one in self._detector.feed(self._decoder.samples(payload, alaw=alaw), at_ms)]
        except Exception as error:  # noqa: BLE001  # as above, and it is told
            self._detector = None
            self._failed(f"the detector {self._name!r} failed: {_words(error)}")
            return ()


def _checked(found: Detected) -> Detected:
    """Return what was found with the types that can be told of; numbers may be numpy's."""
    if not isinstance(found, Detected):
        raise TypeError(f"it returned {type(found).__name__}, not Detected")
    if not isinstance(found.kind, str) or not found.kind.isprintable() or len(found.kind) > _LONGEST:
        raise TypeError(f"the kind of what it found is no text of up to {_LONGEST} letters")
    at_ms = index(found.at_ms)
    if not 0 <= at_ms < _LATEST_MS:
        raise ValueError(f"what it found is at {at_ms} ms")
    return Detected(str(found.kind), at_ms)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_MOST]
