"""A walk over a TOML or JSON text that yields where each key and list entry stands.

The text was accepted by a parser before, so that nothing is judged here and only structure is looked at: strings,
brackets, separators and comments (TOML 1.0, RFC 8259).
"""

import re
from collections.abc import Iterator
from typing import Final

from dialerd.model.wording import Place

Walk = Iterator[tuple[Place, int]]
"""Places and the offsets at which they stand: of the key in a table, of the value in a list."""

_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_STRING: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'  # up to two quotes may stand before the closing three
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)
_JSON_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SCALAR: Final = re.compile(r"[^,\]}\n#]+")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")
_ESCAPED: Final = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


class Walker:
    """Walks one text from an offset on; `at` moves with it.

    Args:
        text: the text.
        toml: whether it is TOML, otherwise JSON.
    """

    def __init__(self, text: str, *, toml: bool) -> None:
        self.text = text
        self.at = 0
        self._strings = _STRING if toml else _JSON_STRING

    def value(self, place: Place) -> Walk:
        """Walk the value that begins here, and yield what is in it."""
        self.skip()
        opening = self.text[self.at]
        if opening == "{":
            yield from self._table(place)
        elif opening == "[":
            yield from self._list(place)
        elif opening in "\"'":
            self._string()
        else:
            self._match(_SCALAR)

    def keys(self) -> Place:
        """Read a key, which may be dotted, and the blanks behind it."""
        steps = []
        while True:
            self.skip()
            if self.text[self.at] in "\"'":
                steps.append(_unquoted(self._string()))
            else:
                steps.append(self._match(_BARE))
            self.skip()
            if self.text[self.at] != ".":
                return tuple(steps)
            self.at += 1

    def skip(self) -> None:
        """Go past blanks and comments."""
        self.at = _BLANK.match(self.text, self.at).end()  # type: ignore[union-attr]  # it matches nothing, too

    def _table(self, place: Place) -> Walk:
        self.at += 1
        self.skip()
        while self.text[self.at] != "}":
            begin = self.at
            inner = (*place, *self.keys())
            yield from _down(place, inner, begin)
            self.at += 1
            yield from self.value(inner)
            self._separator()
        self.at += 1

    def _list(self, place: Place) -> Walk:
        self.at += 1
        self.skip()
        index = 0
        while self.text[self.at] != "]":
            inner = (*place, index)
            yield inner, self.at
            yield from self.value(inner)
            self._separator()
            index += 1
        self.at += 1

    def _separator(self) -> None:
        """Go past a comma, or stand before the closing bracket; the bracket itself ends the list's loop."""
        self.skip()
        if self.text[self.at] == ",":
            self.at += 1
            self.skip()

    def _string(self) -> str:
        return self._match(self._strings)

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError(f"nothing to walk at offset {self.at}")
        self.at = match.end()
        return match[0]


def walk_json(text: str) -> Walk:
    """Walk a JSON text."""
    return Walker(text, toml=False).value(())


def walk_toml(text: str) -> Walk:
    """Walk a TOML text."""
    walker = Walker(text, toml=True)
    counts: dict[Place, int] = {}
    base: Place = ()
    walker.skip()
    while walker.at < len(text):
        begin = walker.at
        if text[begin] == "[":
            brackets = 2 if text.startswith("[[", begin) else 1
            walker.at += brackets
            base = _header(walker.keys(), counts, many=brackets == 2)
            walker.at += brackets
            yield from _down((), base, begin)
        else:
            place = (*base, *walker.keys())
            yield from _down(base, place, begin)
            walker.at += 1
            yield from walker.value(place)
        walker.skip()


def _down(above: Place, place: Place, offset: int) -> Walk:
    """Yield every place on the way from `above` down to `place`: a dotted key makes the tables that it names."""
    for steps in range(len(above) + 1, len(place) + 1):
        yield place[:steps], offset


def _header(keys: Place, counts: dict[Place, int], *, many: bool) -> Place:
    """Return the place that a `[header]` or `[[header]]` opens, with the indices of the lists it lies in."""
    place: Place = ()
    for key in keys[:-1]:
        place = _latest((*place, key), counts)
    place = (*place, keys[-1])
    if many:
        counts[place] = counts.get(place, 0) + 1
    return _latest(place, counts)


def _latest(place: Place, counts: dict[Place, int]) -> Place:
    return (*place, counts[place] - 1) if place in counts else place


def _unquoted(text: str) -> str:
    if text[0] == "'":
        return text[1:-1]
    return _ESCAPE.sub(lambda match: _character(match[1]), text[1:-1])


def _character(escape: str) -> str:
    if escape[0] in "uU" and len(escape) > 1:
        return chr(int(escape[1:], 16))
    return _ESCAPED.get(escape, escape)
