"""Keys that are pressed in a call: which texts name some, and how long their pauses are.

`w` and `W` mean what they mean to carriers that press keys themselves. Knows nothing of how keys are sent.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from dialerd.model.errors import DialerdError
from dialerd.model.instants import SECOND, Duration
from dialerd.rules.templates import fill, places

MOST_KEYS: Final = 64
"""Keys and pauses that are pressed in a call: a media session keeps no more waiting."""

PAUSES: Final[Mapping[str, Duration]] = {"w": SECOND // 2, "W": SECOND}
"""How long is waited, by what stands for it."""

_KEYS: Final = re.compile(r"[0-9*#A-DwW]+")


class NoKeys(DialerdError):
    """A text, its places filled, is no keys to press."""


def keys_in(template: str, variables: Mapping[str, Any]) -> str:
    """Return the keys that a text stands for, its places filled.

    Args:
        template: the text.
        variables: values by name, plain JSON data.

    Raises:
        BadTemplate: it has braces that are no place.
        MissingVariable: a place has no value.
        NoKeys: it is none, or too many. The message has none of them: they may be a code.
    """
    keys = fill(template, variables)
    if not _KEYS.fullmatch(keys):
        raise NoKeys('must be keys: 0 to 9, "*", "#", A to D, "w" to wait for half a second, "W" for a whole one')
    if len(keys) > MOST_KEYS:
        raise NoKeys(f"must be {MOST_KEYS} keys at most, and is {len(keys)}")
    return keys


def check_keys(template: str) -> None:
    """See whether a text can be keys once its places are filled.

    Raises:
        BadTemplate: it has braces that are no place.
        NoKeys: whatever is put into them, it is none, or too many.
    """
    keys_in(template, dict.fromkeys(places(template), "0"))
