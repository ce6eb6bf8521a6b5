"""Clips in memory: each read once and shared by all sessions that play it. Knows nothing of sessions."""

from collections import OrderedDict
from pathlib import Path
from typing import Final

_MOST: Final = 64 << 20  # bytes that are kept: two hours of sound in both laws


class Clips:
    """Reads clips and keeps those that were asked for last.

    They are read whole: the file was written a moment ago and is in memory anyway, and a page that is mapped and then
    has to be fetched from a disk would hold up all streams in the middle of a word.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, bool], bytes] = OrderedDict()
        self._size = 0

    def get(self, path: str, *, alaw: bool) -> bytes:
        """Return the encoded sound of a clip.

        Args:
            path: its file of µ-law.
            alaw: whether A-law is wanted, which stands beside it.

        Raises:
            OSError: it cannot be read.
        """
        key = path, alaw
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        found = (Path(path).with_suffix(".alaw") if alaw else Path(path)).read_bytes()
        self._kept[key] = found
        self._size += len(found)
        while self._size > self._most and len(self._kept) > 1:
            self._size -= len(self._kept.popitem(last=False)[1])
        return found
