"""What headers and URIs have in common: tokens, quoted strings, parameters, lists, numbers (RFC 3261 section 25.1).

Tolerant where a reader cannot be led astray by it, strict where two readers could see two different things. All of it
takes time linear in the text. Knows nothing of messages.
"""

import re
from collections.abc import Iterator

from dialerd_sip.core.bad import BadMessage

TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
KNOWN = 1_024
"""How many values of a kind are remembered as they were read: those of one call come again and again."""
KNOWN_LENGTH = 256
"""The longest text of which that is remembered, so that strangers cannot fill the memory."""
_WHITE = " \t\r\n"
_UNESCAPE = re.compile(r"\\(.)", re.DOTALL)
# Up to the next separator: quoted strings and URIs in brackets are skipped whole.
_ATOMS = {
    separator: re.compile(rf'(?:[^"<{separator}]|"(?:[^"\\]|\\.)*"|<[^>]*>)*+', re.DOTALL) for separator in (",", ";")
}


def split(text: str, separator: str = ",") -> list[str]:
    """Split at a separator that stands outside of quoted strings and angle brackets; parts are stripped.

    Raises:
        BadMessage: a quote or a bracket is never closed.
    """
    if '"' not in text and "<" not in text:
        return [part.strip(_WHITE) for part in text.split(separator)]
    return list(_split_slowly(text, separator))


def _split_slowly(text: str, separator: str) -> Iterator[str]:
    atoms = _ATOMS[separator]
    at = 0
    while True:
        found = atoms.match(text, at)
        end = found.end() if found else at
        if end < len(text) and text[end] != separator:
            raise BadMessage("a quote or a bracket is never closed", 400)
        yield text[at:end].strip(_WHITE)
        if end >= len(text):
            return
        at = end + 1


def parameters(text: str) -> dict[str, str | None]:
    """Read `;name=value;flag`, with or without the first semicolon; names in small letters, quoted values unquoted.

    One semicolon at the very end is let pass; of a parameter that stands twice the first counts.

    Raises:
        BadMessage: two separators in a row, or no name.
    """
    read: dict[str, str | None] = {}
    text = text.strip(_WHITE)
    if not text:
        return read
    if text[0] == ";":
        text = text[1:]
    parts = text.split(";") if '"' not in text else split(text, ";")
    last = len(parts) - 1
    for place, part in enumerate(parts):
        name, equals, value = part.partition("=")
        name = name.strip(_WHITE).lower()
        if not name:
            if place == last and not equals and place:
                break
            raise BadMessage("a parameter without a name", 400)
        if name in read:
            continue
        if equals:
            value = value.strip(_WHITE)
            read[name] = unquote(value) if value[:1] == '"' else value
        else:
            read[name] = None
    return read


def unquote(text: str) -> str:
    """Return a quoted string without quotes and escapes; other text as it is (RFC 3261 section 25.1)."""
    if len(text) >= 2 and text[0] == '"' and text[-1] == '"':
        text = text[1:-1]
        return _UNESCAPE.sub(r"\1", text) if "\\" in text else text
    return text


def quote(text: str) -> str:
    """Return text as a quoted string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def number(text: str, limit: int, what: str) -> int:
    """Read a number of digits alone.

    Args:
        text: what to read.
        limit: the largest that is taken.
        what: what it is, for the error.

    Raises:
        BadMessage: it is none, or too large.
    """
    if len(text) < 10 and text.isdigit() and text.isascii() and (value := int(text)) <= limit:
        return value
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        raise BadMessage(f"{what} is no number", 400)
    digits = text.lstrip("0") or "0"
    if len(digits) > len(str(limit)) or (value := int(digits)) > limit:
        raise BadMessage(f"{what} is too large", 400)
    return value
