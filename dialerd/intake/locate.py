"""Where a dotted path of a TOML or JSON text stands: line and column, for messages.

Parsers do not keep places, so the text is walked once more, and only when there is something to report. Knows nothing
of campaigns; a list that may be long is kept as the offsets of its entries, and an entry is walked again when something
in it is asked for.
"""

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from dialerd.intake.walk import Walk, Walker, walk_json, walk_toml
from dialerd.model.wording import Place, dotted


class Locator:
    """Finds lines and columns in one text.

    Args:
        text: the whole text, as its parser accepted it.
        toml: whether it is TOML, otherwise JSON.
        long_list: top-level key of a list that may be too long to keep the place of everything in it.
        where: turns the paths that are asked for into those of the text; None = they are the same.
    """

    def __init__(
        self,
        text: str,
        *,
        toml: bool,
        long_list: str | None = None,
        where: Callable[[str], str] | None = None,
    ) -> None:
        self._text = text
        self._toml = toml
        self._long = long_list
        self._where = where
        self._offsets: dict[str, int] | None = None
        self._entries = array("q")
        self._lines = array("q")

    def find(self, path: str) -> tuple[int | None, int | None]:
        """Return the 1-based line and column of `path`, or of the nearest thing around it that is there.

        (None, None) where nothing of it is there, as with a required key that is missing.
        """
        if self._where is not None:
            path = self._where(path)
        while path:
            if (offset := self._offset(path)) is not None:
                return self.place(offset)
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return None, None

    def renamed(self, where: Callable[[str], str], long_list: str) -> "Locator":
        """Return one for the same text that is asked for other paths than those of the text.

        Args:
            where: turns a path that is asked for into that of the text.
            long_list: as in `Locator`.
        """
        return Locator(self._text, toml=self._toml, long_list=long_list, where=where)

    def place(self, offset: int) -> tuple[int, int]:
        """Return the 1-based line and column of an offset in the text."""
        if not self._lines:
            self._lines = array("q", [0, *(match.end() for match in re.finditer("\n", self._text))])
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def _offset(self, path: str) -> int | None:
        if self._offsets is None:
            self._offsets = self._index()
        entry = _ENTRY.match(path)
        if entry is None or entry[1] != self._long:
            return self._offsets.get(path)
        at = int(entry[2])
        if at >= len(self._entries):
            return None
        begin = self._entries[at]
        if entry.end() == len(path):
            return begin
        end = self._entries[at + 1] if at + 1 < len(self._entries) else len(self._text)
        found = _collect(self._entry_walk(self._text[begin:end])).get(path[entry.end() :].lstrip("."))
        return None if found is None else begin + found

    def _index(self) -> dict[str, int]:
        def short(walk: Walk) -> Walk:
            for place, offset in walk:
                if place[0] != self._long or len(place) == 1:
                    yield place, offset
                elif len(place) == 2 and place[1] == len(self._entries):  # later headers name the entry again
                    self._entries.append(offset)

        return _collect(short((walk_toml if self._toml else walk_json)(self._text)))

    def _entry_walk(self, piece: str) -> Walk:
        """Walk one entry of the long list: inline, or in TOML also a `[[table]]` of its own."""
        if piece.startswith("[["):
            # its places begin with the list's key and index
            return ((place[2:], offset) for place, offset in walk_toml(piece) if len(place) > 2)
        return Walker(piece, toml=self._toml).value(())


_ENTRY: Final = re.compile(r"([\w-]+)\[(\d+)\]")


def _collect(walk: Walk) -> dict[str, int]:
    """Return offsets by path; of a text that the walk cannot follow to its end, those up to there."""
    offsets: dict[str, int] = {}
    try:
        place: Place
        for place, offset in walk:
            offsets.setdefault(dotted("", place), offset)
    except (ValueError, IndexError, RecursionError):
        return offsets  # no place at all is better than no message
    return offsets
