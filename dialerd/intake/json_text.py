"""JSON, read strictly: one value, no key twice, only numbers that JSON has (RFC 8259)."""

import json
import math
from typing import Any, Final

from dialerd.model.errors import DialerdError
from dialerd.model.wording import shown


class BadJson(DialerdError):
    """Text that is no JSON, or JSON that means two things at once.

    Args:
        message: what is wrong.
        offset: 0-based place in the text, or None where it is not known.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


def decode(text: str) -> Any:
    """Return the one value in `text`.

    Raises:
        BadJson: it is none, or means two things at once.
    """
    begin = len(text) - len(text.lstrip(BLANK))
    value, end, objection = decode_one(text, begin)
    rest = text[end:].lstrip(BLANK)
    if rest:
        raise BadJson("is not JSON: something follows the value", len(text) - len(rest))
    if objection is not None:
        raise BadJson(objection)
    return value


def decode_one(text: str, begin: int) -> tuple[Any, int, str | None]:
    """Return the value that begins at `begin`, the offset behind it, and what makes it unusable, or None.

    Raises:
        BadJson: there is none; where the next one begins is not known.
    """
    try:
        value, end = _DECODER.raw_decode(text, begin)
    except json.JSONDecodeError as error:
        _objections.clear()
        raise BadJson(f"is not JSON: {error.msg[:1].lower()}{error.msg[1:]}", error.pos) from error
    except RecursionError as error:
        _objections.clear()
        raise BadJson("is nested too deeply") from error
    if not _objections:
        return value, end, None
    objection = _objections[0]
    _objections.clear()
    return value, end, objection


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # add says nothing, which is the point
        _objections.append(f"has the key {shown(twice)} twice in one object; leave one out")
    return table


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        _objections.append(f"has the number {digits[:40]}…; write numbers of so many digits as text")
        return 0
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        _objections.append(f"has the number {digits[:40]}, which is too large; write it as text")
    return number


def _constant(name: str) -> None:
    _objections.append(f"has {name}, which is not JSON; write a number or null")


BLANK: Final = " \t\r\n"
"""What may stand between values."""

_DIGITS: Final = 100  # far beyond every number there is, and far below what takes long to convert

# What the decoder's hooks object to; raising there would lose the place where the next value begins.
_objections: Final[list[str]] = []

_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_whole, parse_float=_finite, parse_constant=_constant
)
