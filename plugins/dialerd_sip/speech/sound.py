"""Sound files of any kind to samples: mono, 8,000 a second, 16 bits.

Reads whatever libsndfile knows (WAV, FLAC, Ogg, MP3, AIFF, AU …). The level is kept: channels are averaged, and only
where resampling, or samples beyond full scale, would be cut off is the whole made softer, by as much as is needed.
Blocking: call it from a worker thread. Knows nothing of agents and of where clips are kept.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from dialerd_sip.speech.law import Samples

RATE: Final = 8_000
"""Samples a second of G.711: RFC 3551 section 4.5.14."""

LONGEST_S: Final = 600
"""The longest prompt. Nobody listens for longer, and a file that is longer is most likely the wrong one."""

_BLOCK: Final = 65_536  # frames read at a time: what is held of a file at its own rate and width
_SLOWEST: Final = 1_000  # rates that sound has; others stand in broken headers
_FASTEST: Final = 768_000
_FULL: Final = 32_768.0  # what libsndfile divides 16-bit samples by, so that they come out as they went in


class BadSound(Exception):
    """A file is no sound that can be played; the message says why."""


def read_sound(file: BinaryIO) -> Samples:
    """Return the samples of a sound file.

    Args:
        file: the file, at its beginning; seekable.

    Raises:
        BadSound: it cannot be read, is empty, or is too long.
        OSError: the file cannot be read.
    """
    try:
        with _descriptor(file) as descriptor, soundfile.SoundFile(descriptor, closefd=False) as source:
            if not _SLOWEST <= source.samplerate <= _FASTEST:
                raise BadSound(f"has a rate of {source.samplerate} Hz, of {_SLOWEST} to {_FASTEST} that can be played")
            heard = _resampled(source)
    except (soundfile.SoundFileError, TypeError, ValueError, RuntimeError) as error:
        # TypeError: libsndfile wants to be told what files without a header hold; RuntimeError: soxr
        raise BadSound(f"is no sound that can be read: {_reason(error)}") from error
    if not heard.size:
        raise BadSound("has no sound in it")
    if not np.isfinite(heard).all():
        raise BadSound("has samples that are no numbers")
    return _whole(heard)


@contextmanager
def _descriptor(file: BinaryIO) -> Iterator[int]:
    """Lend a file's descriptor, at its beginning; what is in memory gets one.

    Of a Python file, libsndfile would be told by callbacks, and those need memory that is written and run, which the
    unit of the daemon forbids (systemd.exec(5), MemoryDenyWriteExecute=).
    """
    try:
        descriptor = file.fileno()
    except OSError:
        with open(os.memfd_create("sound"), "w+b") as copy:
            shutil.copyfileobj(file, copy)
            copy.flush()
            os.lseek(copy.fileno(), 0, os.SEEK_SET)
            yield copy.fileno()
    else:
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor


def _resampled(source: Any) -> npt.NDArray[np.float32]:
    """Return the channels' mean at our rate."""
    most = LONGEST_S * source.samplerate
    same = source.samplerate == RATE
    resampler = None if same else soxr.ResampleStream(source.samplerate, RATE, 1, dtype="float32")
    pieces: list[npt.NDArray[np.float32]] = []
    taken = 0
    while (block := source.read(_BLOCK, dtype="float32", always_2d=True)).shape[0]:
        taken += block.shape[0]
        if taken > most:  # what a header says of it may be anything
            raise BadSound(f"is longer than {LONGEST_S // 60} minutes, which is the most that is played")
        mono = block.mean(axis=1, dtype=np.float32)
        pieces.append(mono if resampler is None else resampler.resample_chunk(mono))
    if resampler is not None and taken:
        pieces.append(resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)


def _whole(heard: npt.NDArray[np.float32]) -> Samples:
    """Return 16-bit samples, softer as a whole where some would be cut off."""
    scaled = heard.astype(np.float64) * _FULL
    peak = float(np.abs(scaled).max())
    # -32768 alone has no counterpart; a file that is full there is as loud as it was
    if peak > _FULL:
        scaled *= (_FULL - 1) / peak
    return np.clip(np.rint(scaled), -_FULL, _FULL - 1).astype(np.int16)


def _reason(error: Exception) -> str:
    """Return a library's words without the name of the object it was given."""
    text = str(getattr(error, "error_string", "") or error)
    return text.rstrip(".").strip() or type(error).__name__
