"""JSON, read strictly: one value, no key twice, only numbers that JSON has (RFC 8259)."""

import json
import math
import re
from typing import Any, Final

from attrs import frozen

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
    value, end, objection = _decode_one(text, begin)
    rest = text[end:].lstrip(BLANK)
    if rest:
        raise BadJson("is not JSON: something follows the value", len(text) - len(rest))
    if objection is not None:
        raise BadJson(objection.message, objection.offset(text, begin))
    return value


def decode_one(text: str, begin: int) -> tuple[Any, int, str | None]:
    """Return the value that begins at `begin`, the offset behind it, and what makes it unusable, or None.

    Raises:
        BadJson: there is none; where the next one begins is not known.
    """
    value, end, objection = _decode_one(text, begin)
    return value, end, None if objection is None else objection.message


@frozen
class _Objection:
    """What makes a value unusable.

    Args:
        message: says so.
        key: the key that stands twice in an object, or None.
        token: the number, or what stands in its place, or None.
    """

    message: str
    key: str | None = None
    token: str | None = None

    def offset(self, text: str, begin: int) -> int | None:
        """Return where it stands in the value that begins at `begin`; the decoder does not say."""
        keys: list[set[str]] = []
        for match in _TOKENS.finditer(text, begin):
            token = match["token"]
            if token == "{":
                keys.append(set())
            elif token == "}":
                keys.pop()
            elif token == self.token:
                return match.start("token")
            elif match["colon"] and self.key is not None and json.loads(token) == self.key:
                if self.key in keys[-1]:
                    return match.start("token")
                keys[-1].add(self.key)
        return None


def _decode_one(text: str, begin: int) -> tuple[Any, int, _Objection | None]:
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
        message = f"has the key {shown(twice)} twice in one object; leave one out"
        _objections.append(_Objection(message, key=twice))
    return table


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        message = f"has the number {digits[:40]}…; write numbers of so many digits as text"
        _objections.append(_Objection(message, token=digits))
        return 0
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        message = f"has the number {digits[:40]}, which is too large; write it as text"
        _objections.append(_Objection(message, token=digits))
    return number


def _constant(name: str) -> None:
    _objections.append(_Objection(f"has {name}, which is not JSON; write a number or null", token=name))


BLANK: Final = " \t\r\n"
"""What may stand between values."""

_DIGITS: Final = 100  # far beyond every number there is, and far below what takes long to convert

# What the decoder's hooks object to; raising there would lose the place where the next value begins.
_objections: Final[list[_Objection]] = []

_TOKENS: Final = re.compile(r'(?P<token>"(?:[^"\\]|\\.)*"|[{}]|[^\s{}\[\],:"]+)(?P<colon>[ \t\r\n]*:)?')

_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_whole, parse_float=_finite, parse_constant=_constant
)
