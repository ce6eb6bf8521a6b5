"""What listens to a call: the interface of detectors, and where they are found. Knows nothing of RTP.

A detector runs in the media process, on 8,000 Hz samples as they come; what is lost is left out, which `at_ms` shows.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

from dialerd_sip.media.contract import Detected
from dialerd_sip.media.law import ALAW_SAMPLES, ULAW_SAMPLES

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Samples = NDArray[numpy.int16]

_LOUD_RMS: Final = 1_000.0  # speech on a line has 1,000 to 6,000; its noise less than 300


class Detector(Protocol):
    """Listens to one call."""

    def feed(self, samples: "Samples", at_ms: int) -> Iterable[Detected]:
        """Listen to a piece of sound; return what was found by it.

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


def detector(name: str) -> Detector:
    """Make a detector.

    Args:
        name: one of `DETECTORS`, or `module:name` of something that makes one.

    Raises:
        LookupError: there is none of that name; the message says so.
    """
    if name in DETECTORS:
        return DETECTORS[name]()
    module, _, factory = name.partition(":")
    try:
        made: Detector = getattr(import_module(module), factory)()
    except (ImportError, AttributeError, ValueError) as error:
        raise LookupError(f"there is no detector {name!r}: {error}") from error
    return made


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
