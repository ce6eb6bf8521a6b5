"""The places in a text-to-speech command, apart from what runs it: settings are checked without loading that."""

import re
from collections.abc import Sequence
from typing import Final

PLACE: Final = re.compile(r"\{([^{}]*)\}")
_PLACES: Final = frozenset({"voice", "language", "file"})


def fault_of(command: Sequence[str]) -> str | None:
    """Return what is wrong with a text-to-speech command, or None; whether there is such a program is not looked at."""
    if not command or not command[0].strip():
        return 'must begin with a program, as in ["espeak-ng", "--stdin", "--stdout", "-v", "{language}"]'
    if "{" in command[0]:
        return "must begin with a program's name or path, without places"
    for argument in command:
        if "\0" in argument:
            return "has an argument with a null character"
        unknown = sorted(set(PLACE.findall(argument)) - _PLACES)
        if unknown:
            also = "; the text comes on standard input" if "text" in unknown else ""
            return f"has the place {{{unknown[0]}}}, of {{voice}}, {{language}} and {{file}} that there are{also}"
    return None
