"""Texts with places: `Hello {name}` becomes what one person hears.

A place is a name in braces. There is no other use of braces, and no way to write one that is spoken: whoever writes
`{{name}}` means a place, and nobody wants a brace read out. Knows nothing of who speaks the text.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from dialerd.model.errors import DialerdError
from dialerd.model.wording import shown

_PLACE: Final = re.compile(r"\{([^{}]*)\}")


class BadTemplate(DialerdError):
    """A text has braces that are no place."""


class MissingVariable(DialerdError):
    """A text has a place for a variable that is not there, or is null.

    Args:
        name: the variable's name.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no variable {shown(name)}; give it to the recipient or to the campaign")
        self.name = name


def places(template: str) -> frozenset[str]:
    """Return the names of the variables for which a text has places.

    Raises:
        BadTemplate: it has braces that are no place.
    """
    return frozenset(_pieces(template)[1::2])


def fill(template: str, variables: Mapping[str, Any]) -> str:
    """Return a text with its places filled; what is put in is not looked at for places.

    Args:
        template: the text.
        variables: values by name, plain JSON data.

    Raises:
        BadTemplate: it has braces that are no place.
        MissingVariable: a place has no value.
    """
    pieces = _pieces(template)
    if len(pieces) == 1:
        return template
    filled = list(pieces)
    for at in range(1, len(pieces), 2):
        value = variables.get(pieces[at])
        if value is None:
            raise MissingVariable(pieces[at])
        filled[at] = spelled(value)
    return "".join(filled)


def spelled(value: Any) -> str:
    """Return a value as text: text as it is, everything else as JSON writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@lru_cache(maxsize=1_024)  # agents have few texts, and each is filled for every call
def _pieces(template: str) -> tuple[str, ...]:
    """Return texts and names in turn, beginning and ending with a text."""
    pieces = tuple(_PLACE.split(template))
    for at, piece in enumerate(pieces):
        if at % 2 and not piece.strip():
            raise BadTemplate("has braces without a name; write a variable's name between them, as in {name}")
        if not at % 2 and ("{" in piece or "}" in piece):
            raise BadTemplate("has a brace that belongs to no place; write places as {name}, and no other braces")
    return pieces
