"""How messages about plain data are worded: values, kinds and places, as people who write files know them."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from difflib import get_close_matches
from typing import Any, Final

Step = str | int
"""A key of a table, or a 0-based place in a list."""

Place = tuple[Step, ...]
"""Steps from the whole document down to a value."""

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")  # TOML 1.0, "Keys"
_SHOWN: Final = 40  # characters of a wrong value that are repeated in a message


def kind(value: object) -> str:
    """Name the kind of a plain value in the words of TOML and JSON."""
    for types, name in _KINDS:
        if isinstance(value, types):
            return name
    return f"of the kind {type(value).__name__}"


_KINDS: Final[tuple[tuple[Any, str], ...]] = (
    (type(None), "null"),
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "text"),
    (Mapping, "a table"),
    ((list, tuple), "a list"),
    (datetime, "a date with a time"),
    (date, "a date"),
    (time, "a time of day"),
)


def shown(value: str) -> str:
    """Return `value` quoted for a message, without control characters and cut to a bearable length."""
    text = value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"
    return '"' + "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text) + '"'


def hint(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean "…"?` for the known word nearest to `word`, otherwise the list of all."""
    known = list(known)
    near = get_close_matches(word.lower(), known, n=1, cutoff=0.7) if len(word) <= _SHOWN else []
    near = near or [name for name in known if len(name) > 2 and word.lower().startswith(name)]  # monday
    if near:
        return f"; did you mean {shown(near[0])}?"
    return "; known are " + ", ".join(sorted(known)) if known else ""


def dotted(prefix: str, place: Place) -> str:
    """Return a place as people write it: `windows[0].start`, `numbers."+4420…".trunk`."""
    text = prefix
    for step in place:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if _BARE_KEY.fullmatch(step) else shown(step)
            text += f".{name}" if text else name
    return text
