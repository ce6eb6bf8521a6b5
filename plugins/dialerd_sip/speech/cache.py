"""Where clips are kept: a folder of encoded frames, found by what they were made of.

    FOLDER/ab/ab12…/sound.ulaw    µ-law bytes
                    sound.alaw    the same as A-law
                    made          how many there are, and check sums of both; its age is the clip's last use

A clip is made in a folder aside and renamed into its place as a whole, so that processes can share a cache, and what
was half written when the power went is never used: the check sums do not fit. What was used least recently goes first
when there is too much. Blocking: call it from a worker thread. Knows nothing of what clips are made of.
"""

import errno
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from zlib import crc32

from dialerd_sip.media.contract import Clip
from dialerd_sip.speech.unfit import UnfitAgent

CACHE_BYTES: Final = 1 << 30
"""How much is kept unless told otherwise: some 18 hours of prompts."""

_HELD_S: Final = 3_600.0  # what was used in the last hour stays: a call that is on may play it yet
_FORGOTTEN_S: Final = 30 * 86_400.0  # what nobody has used for so long goes, room or not
_ASIDE: Final = ".making-"
_CLIPS: Final = "[0-9a-f]" * 2 + "/" + "[0-9a-f]" * 64  # names of nobody else, should the folder be another's
_TAKEN: Final = (errno.ENOTEMPTY, errno.EEXIST)  # rename(2): the new path is a directory with something in it


class ClipCache:
    """A folder of clips; threads and processes may share it.

    Args:
        folder: where; it is made, for its owner alone, where it is not there.
        most_bytes: how much is kept, but for what was used in the last hour.
    """

    def __init__(self, folder: Path, *, most_bytes: int = CACHE_BYTES) -> None:
        self._folder = folder
        self._most = most_bytes
        self._unswept = most_bytes  # as if it were full: the first clip of a process has the folder looked through
        self._sweeping = threading.Lock()

    def find(self, key: str) -> Clip | None:
        """Return the clip of a key, and note that it is used; None where there is none that is whole.

        Args:
            key: SHA-256 of what it is made of, in hexadecimal digits.

        Raises:
            UnfitAgent: the folder cannot be read.
        """
        with self._told():
            place = self._place(key)
            if not place.exists():
                return None
            try:
                frames, *sums = map(int, (place / "made").read_text("ascii").split())
                laws = [(place / name).read_bytes() for name in ("sound.ulaw", "sound.alaw")]
            except (FileNotFoundError, NotADirectoryError, ValueError):  # it comes as a whole: this is none any more
                frames, sums, laws = 0, [], []
            if frames > 0 and [len(law) for law in laws] == [frames] * 2 and [crc32(law) for law in laws] == sums:
                clip = Clip(path=place / "sound.ulaw", frames=frames)
                return clip if self.touch(clip) else None
            self._drop(place)
            return None

    def touch(self, clip: Clip) -> bool:
        """Note that a clip is used; tell whether it is still there."""
        try:
            os.utime(clip.path.with_name("made"))
        except OSError:
            return False
        return clip.path.exists()

    def keep(self, key: str, *, ulaw: bytes, alaw: bytes) -> Clip:
        """Keep a clip; where somebody else has kept one of this key in the meantime, theirs.

        Args:
            key: SHA-256 of what it is made of, in hexadecimal digits.
            ulaw: its µ-law bytes.
            alaw: its A-law bytes, as many.

        Raises:
            UnfitAgent: the folder cannot be written.
        """
        with self._told():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=self._folder))  # for its owner alone
            try:
                (aside / "sound.ulaw").write_bytes(ulaw)
                (aside / "sound.alaw").write_bytes(alaw)
                (aside / "made").write_text(f"{len(ulaw)} {crc32(ulaw)} {crc32(alaw)}\n", "ascii")
                clip = self._put(aside, key) or Clip(path=self._place(key) / "sound.ulaw", frames=len(ulaw))
            finally:
                shutil.rmtree(aside, ignore_errors=True)  # renamed away, if all went well
        self._unswept += len(ulaw) + len(alaw)
        if self._unswept > self._most // 16:
            self.sweep(time.time())
        return clip

    def sweep(self, now: float) -> None:
        """Delete what has been unused for a month, and what there is too much of, least recently used first.

        Args:
            now: seconds since the epoch, as files have them.
        """
        if not self._sweeping.acquire(blocking=False):
            return  # another thread is at it
        try:
            self._unswept = 0
            kept = 0
            for used_at, size, place in sorted(self._kept(), reverse=True):
                unused_s = now - used_at
                if unused_s > _FORGOTTEN_S or (kept + size > self._most and unused_s > _HELD_S):
                    self._drop(place)
                else:
                    kept += size
            for aside in self._folder.glob(f"{_ASIDE}*"):  # of processes that ended in the middle
                with suppress(OSError):
                    if now - aside.stat().st_mtime > _HELD_S:
                        shutil.rmtree(aside, ignore_errors=True)
        finally:
            self._sweeping.release()

    def _kept(self) -> Iterator[tuple[float, int, Path]]:
        """Yield when each clip was last used, its bytes, and its place."""
        for place in self._folder.glob(_CLIPS):
            try:
                yield (place / "made").stat().st_mtime, 2 * (place / "sound.ulaw").stat().st_size, place
            except OSError:  # another process has dropped it, or somebody has damaged it
                yield 0.0, 0, place

    def _put(self, aside: Path, key: str) -> Clip | None:
        """Rename a folder to its place; return the clip that is there already, if there is one."""
        place = self._place(key)
        while True:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                aside.rename(place)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                if (found := self.find(key)) is not None:  # one that is broken is gone by now
                    return found
            else:
                return None

    def _drop(self, place: Path) -> None:
        """Delete a clip; out of its place first, as a whole."""
        aside = self._folder / f"{_ASIDE}{place.name}-{os.getpid()}-{threading.get_ident()}"
        with suppress(OSError):  # there is none, or another process is at it
            place.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

    def _place(self, key: str) -> Path:
        return self._folder / key[:2] / key

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UnfitAgent(
                f"prompts cannot be kept in {self._folder}: {error.strerror or error}; see to the folder's rights and "
                "to room on its disk, or name another in the trunk's option cache",
                always=True,
            ) from error
