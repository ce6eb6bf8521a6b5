"""Sound files to clips: read once, kept, and made anew when the file changes.

Knows nothing of agents.
"""

import os
import stat
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

import trio

from dialerd_sip.media.contract import Clip
from dialerd_sip.speech.cache import ClipCache
from dialerd_sip.speech.flights import Flights
from dialerd_sip.speech.law import alaw, ulaw
from dialerd_sip.speech.sound import BadSound, read_sound
from dialerd_sip.speech.unfit import UnfitAgent

LOOKED_S: Final = 1.0
"""How long a file counts as unchanged without being looked at."""

_MAKING: Final = "1"  # how clips are made; another number makes all of them anew
_TRIES: Final = 3  # of a file that is changed while it is read
_FILES: Final = 1_024  # remembered; an agent has a few


class Prompts:
    """Makes clips of sound files.

    Args:
        cache: where they are kept.
        limiter: how many worker threads may be at it.
    """

    def __init__(self, cache: ClipCache, limiter: trio.CapacityLimiter) -> None:
        self._cache = cache
        self._limiter = limiter
        self._flights: Flights[Clip] = Flights()
        self._known: dict[Path, tuple[float, Clip, str]] = {}

    async def clip(self, file: Path) -> Clip:
        """Return the clip of a sound file; at once where it has been looked at within the last second.

        Args:
            file: absolute path.

        Raises:
            UnfitAgent: there is no such file, or it cannot be played; the message names it.
        """
        known = self._known.get(file)
        if known is not None and trio.current_time() - known[0] < LOOKED_S:
            return known[1]
        return await self._flights.share(str(file), lambda: self._looked_at(file))

    async def _looked_at(self, file: Path) -> Clip:
        known = self._known.pop(file, None)
        clip, key = await trio.to_thread.run_sync(
            self._made, file, None if known is None else known[1:], limiter=self._limiter, abandon_on_cancel=True
        )
        if len(self._known) >= _FILES:
            del self._known[next(iter(self._known))]
        self._known[file] = (trio.current_time(), clip, key)
        return clip

    def _made(self, file: Path, known: tuple[Clip, str] | None) -> tuple[Clip, str]:
        """Find a file's clip, or make it; in a worker thread."""
        try:
            if not stat.S_ISREG(file.stat().st_mode):  # a pipe would be waited for
                raise _unfit(file, "is no file")
            with file.open("rb") as source:
                for _ in range(_TRIES):
                    key = _key(file, source)
                    if known is not None and known[1] == key and self._cache.touch(known[0]):
                        return known
                    if (clip := self._cache.find(key)) is not None:
                        return clip, key
                    source.seek(0)
                    samples = read_sound(source)
                    if _key(file, source) == key:
                        return self._cache.keep(key, ulaw=ulaw(samples), alaw=alaw(samples)), key
                raise _unfit(file, "is being written; rename sound files into their place when they are whole")
        except OSError as error:
            raise _unfit(file, f"cannot be read: {error.strerror or error}") from error
        except BadSound as error:
            raise _unfit(file, str(error)) from error


def _key(file: Path, source: BinaryIO) -> str:
    """Return what a file's clip is kept under: another one as soon as anything has been done to the file."""
    facts = os.fstat(source.fileno())
    told = (_MAKING, os.fspath(file), facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    return sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()


def _unfit(file: Path, why: str) -> UnfitAgent:
    return UnfitAgent(f"the sound file {file} {why}; give the agent another, or mend it", always=True)
