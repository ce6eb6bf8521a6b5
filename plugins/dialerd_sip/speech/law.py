"""Samples to G.711: µ-law and A-law bytes by look-up (ITU-T G.711 tables 1 and 2).

What is played is encoded here, whole prompts at once, before anybody is called. Knows nothing of files and packets.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
"""Linear samples, 16 bits; G.711 has 14 of them in µ-law, 13 in A-law."""

_BIAS: Final = 132  # 33 of 14 bits: with it the segments of µ-law are octaves
_ULAW_MOST: Final = 32_635  # the greatest magnitude that its last segment holds: 8,159 of 14 bits, nearly


def _octave(sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the place of the highest bit of each, all being positive."""
    return np.frexp(sizes.astype(np.float64))[1].astype(np.int64) - 1


def _ulaw_table() -> npt.NDArray[np.uint8]:
    samples = np.arange(-32_768, 32_768, dtype=np.int64)
    sizes = np.minimum(np.abs(samples), _ULAW_MOST) + _BIAS
    segments = _octave(sizes) - 7
    codes = segments << 4 | (sizes >> (segments + 3)) & 0x0F
    return (~(codes | np.where(samples < 0, 0x80, 0)) & 0xFF).astype(np.uint8)


def _alaw_table() -> npt.NDArray[np.uint8]:
    samples = np.arange(-32_768, 32_768, dtype=np.int64)
    sizes = np.where(samples < 0, ~samples, samples) >> 4  # A-law has no zero: -1 is the first below, 0 the first above
    segments = np.maximum(_octave(np.maximum(sizes, 1)) - 3, 0)
    parts = np.where(segments > 0, sizes >> np.maximum(segments, 1) - 1, sizes) & 0x0F
    # every other bit is inverted, so that silence has changes in it: G.711 section 3, note to table 1
    return ((segments << 4 | parts | np.where(samples < 0, 0, 0x80)) ^ 0x55).astype(np.uint8)


_ULAW: Final = _ulaw_table()
_ALAW: Final = _alaw_table()


def ulaw(samples: Samples) -> bytes:
    """Return the µ-law bytes of samples."""
    return _looked_up(_ULAW, samples)


def alaw(samples: Samples) -> bytes:
    """Return the A-law bytes of samples."""
    return _looked_up(_ALAW, samples)


def _looked_up(table: npt.NDArray[np.uint8], samples: Samples) -> bytes:
    looked_up: npt.NDArray[np.uint8] = table[samples.astype(np.int32) + 32_768]
    return looked_up.tobytes()
