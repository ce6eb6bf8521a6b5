"""What must not stand in a log: phone numbers are masked, secrets left out. Knows nothing of how lines are written."""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

_NUMBER_KEYS: Final = frozenset({"number", "caller_id", "phone", "callee", "caller", "from_number", "to_number"})
_SECRET_WORDS: Final = ("password", "passwd", "token", "secret", "api_key", "apikey", "authorization", "credential")
_E164: Final = re.compile(r"\+\d{7,15}")  # ITU-T E.164: at most 15 digits
_E164_BYTES: Final = re.compile(rb"\+\d{7}")
_URL_LOGIN: Final = re.compile(r"(://)[^/@\s]+@")
_MOST_KEYS: Final = 1024  # keys are written in the code, but those of nested tables may be a user's

# ITU-T E.164 assigned country codes: 1 and 7 have one digit, these two, all others three
_TWO_DIGITS: Final = tuple(
    str(code)
    for codes in (
        (20, 27, 36, 39, 40, 41, 81, 82, 84, 86, 98),
        range(30, 35),
        range(43, 50),
        range(51, 59),
        range(60, 67),
        range(90, 96),
    )
    for code in codes
)
_KEPT: Final = {f"{one}{digit}": 2 for one in "17" for digit in range(10)} | dict.fromkeys(_TWO_DIGITS, 3)


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask phone numbers and leave out secrets; a structlog processor."""
    for key, value in event.items():
        event[key] = clean(key, value)
    return event


def mask_number(number: str) -> str:
    """Return `number` with its country code and its last two digits only, as `+44********01`."""
    if number[:1] != "+":
        return "*" * (len(number) - 2) + number[-2:] if len(number) > 4 else number
    keep = _KEPT.get(number[1:3], 4)
    return number[:keep] + "*" * (len(number) - keep - 2) + number[-2:]


class _Cares(dict[str, str]):
    """What care the value of a key needs: `secret`, `number` or none; found out once for each key."""

    def __missing__(self, key: str) -> str:
        lowered = key.lower()
        secret = any(word in lowered for word in _SECRET_WORDS)
        care = "secret" if secret else "number" if lowered in _NUMBER_KEYS else ""
        if len(self) < _MOST_KEYS:
            self[key] = care
        return care


_CARES: Final = _Cares()


def care_of(key: str) -> str:
    """Return what the key alone tells of its value: that it is a `secret`, a `number`, or nothing."""
    return _CARES[key]


def holds_number(text: str | bytes) -> bool:
    """Say whether a text holds what may be a phone number that is not masked."""
    return (_E164.search(text) if isinstance(text, str) else _E164_BYTES.search(text)) is not None


def clean(key: str, value: Any) -> Any:
    """Return what may be shown of the value of `key`, tables and lists gone through."""
    care = _CARES[key]
    if care == "secret":
        return "[left out]"
    if isinstance(value, str):
        return mask_number(value) if care == "number" else clean_text(value)
    if isinstance(value, int):
        return mask_number(str(value)) if care == "number" and value > 9999 else value
    if isinstance(value, Mapping):
        return {
            clean_text(inner) if isinstance(inner, str) else inner: clean(str(inner), item)
            for inner, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(key, item) for item in value]
    if isinstance(value, BaseException):
        return clean_text(f"{type(value).__name__}: {value}")
    return value


def clean_text(text: str) -> str:
    """Return `text` with the numbers in it masked and logins in URLs left out."""
    if "+" in text:
        text = _E164.sub(lambda match: mask_number(match[0]), text)
    if "@" in text and "://" in text:
        text = _URL_LOGIN.sub(r"\1[left out]@", text)
    return text
