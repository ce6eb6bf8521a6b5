"""G.711 by look-up, against G.711's own figures and other people's encoders."""

import importlib
import io
import warnings

import numpy as np
import pytest
import soundfile
from dialerd_sip.media.law import ALAW_SAMPLES, ULAW_SAMPLES
from dialerd_sip.speech.law import alaw, ulaw

ALL = np.arange(-32_768, 32_768).astype(np.int16)


def codes(encoded):
    """Return bytes as numbers."""
    return np.frombuffer(encoded, np.uint8)


@pytest.mark.parametrize(
    ("sample", "code"),
    [
        # G.711 table 2: 14-bit decision values times four, and the codes of the values between them
        (0, 0xFF),
        (3, 0xFF),
        (4, 0xFE),
        (31 * 4, 0xEF),
        (30 * 4, 0xF0),
        (95 * 4, 0xDF),
        (223 * 4, 0xCF),
        (479 * 4, 0xBF),
        (991 * 4, 0xAF),
        (2015 * 4, 0x9F),
        (4063 * 4, 0x8F),
        (32_767, 0x80),
        (-1, 0x7F),
        (-32_768, 0x00),
    ],
)
def test_ulaw_is_g711s(sample, code):
    """Segments begin where table 2 has them, and silence is 0xFF."""
    assert ulaw(np.array([sample], np.int16)) == bytes([code])


@pytest.mark.parametrize(
    ("sample", "code"),
    [
        # G.711 table 1: 13-bit decision values times eight, even bits inverted
        (0, 0xD5),
        (15, 0xD5),
        (16, 0xD4),
        (64 * 8 - 1, 0x80 | (0x1F ^ 0x55)),
        (64 * 8, 0x80 | (0x20 ^ 0x55)),
        (2048 * 8, 0x80 | (0x70 ^ 0x55)),
        (32_767, 0xAA),
        (-1, 0x55),
        (-32_768, 0x2A),
    ],
)
def test_alaw_is_g711s(sample, code):
    """Segments begin where table 1 has them, and silence is 0xD5 or 0x55."""
    assert alaw(np.array([sample], np.int16)) == bytes([code])


def test_ulaw_is_libsndfiles():
    """All 65,536 samples are encoded as libsndfile does."""
    raw = io.BytesIO()
    soundfile.write(raw, ALL, 8_000, format="RAW", subtype="ULAW")
    assert ulaw(ALL) == raw.getvalue()


def test_laws_are_the_standard_librarys():
    """All samples from 0 on, and in A-law those below, are encoded as audioop does; Python 3.13 has it no more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            audioop = importlib.import_module("audioop")
        except ImportError:
            pytest.skip("this Python has no audioop")
    above = ALL[32_768:]
    assert ulaw(above) == audioop.lin2ulaw(above.tobytes(), 2)
    assert alaw(ALL) == audioop.lin2alaw(ALL.tobytes(), 2)


@pytest.mark.parametrize(("law", "decoded"), [(ulaw, ULAW_SAMPLES), (alaw, ALAW_SAMPLES)])
def test_what_is_heard_is_what_was_said(law, decoded):
    """A sample comes back within half a step of its segment; each value of the law comes back as itself."""
    back = np.array(decoded)[codes(law(ALL))]
    error = np.abs(back - ALL.astype(int))
    sizes = np.abs(ALL.astype(int))
    within = sizes < 32_000  # above, both laws are full
    assert (error[within] <= (sizes[within] + 132) / 32 + 5).all()  # 132 is µ-law's bias; 5 what 14 bits leave out
    values = np.array(decoded, np.int16)
    assert (np.array(decoded)[codes(law(values))] == values).all()
