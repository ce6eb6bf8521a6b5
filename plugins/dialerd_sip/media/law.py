"""G.711 as it comes over the wire: one law made the other, and both made samples (ITU-T G.711).

Knows nothing of packets. What is said is encoded elsewhere; here is only what is heard.
"""

from typing import Final

ULAW_SILENCE: Final = 0xFF
ALAW_SILENCE: Final = 0xD5


def ulaw_sample(code: int) -> int:
    """Return the 16-bit sample of a µ-law byte (G.711, table 2)."""
    code = ~code & 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << ((code >> 4) & 7)) - 0x84
    return -size if code & 0x80 else size


def alaw_sample(code: int) -> int:
    """Return the 16-bit sample of an A-law byte (G.711, table 1)."""
    code ^= 0x55
    segment = (code >> 4) & 7
    size = ((code & 0x0F) << 4) + 8
    if segment:
        size = size + 0x100 << segment - 1
    return size if code & 0x80 else -size


ULAW_SAMPLES: Final = tuple(map(ulaw_sample, range(256)))
ALAW_SAMPLES: Final = tuple(map(alaw_sample, range(256)))


def _nearest(sample: int) -> int:
    # G.711 maps 0 of either sign; the positive zero is what silence is
    return min(range(255, -1, -1), key=lambda code: abs(ULAW_SAMPLES[code] - sample))


ALAW_TO_ULAW: Final = bytes(map(_nearest, ALAW_SAMPLES))
"""For `bytes.translate`: the µ-law byte nearest to each A-law byte."""
