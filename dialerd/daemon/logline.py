"""From an event and its fields to a line of JSON: masked, stamped, and of any values whatever.

A call logs one line, so this is written for that: fields are masked and encoded as they stand, in one go, and gone
through one by one only where a key or the encoded text tells that something in them needs it.
"""

import time
from typing import Any, Final

import msgspec
import structlog

from dialerd.daemon import masking
from dialerd.daemon.masking import mask_number

_MOST: Final = 1024  # events and sets of keys are written in the code; more come from tables whose keys a user wrote
_OURS: Final = frozenset({"timestamp", "level", "event"})
_PLAIN: Final = frozenset({int, float, bool, type(None)})


def json_line(level: str, event: str, fields: dict[str, Any], at_ns: int) -> bytes:
    """Return an event as a line of JSON, with its line feed; never raises, whatever the values.

    Args:
        level: `debug`, `info`, `warning`, `error` or `critical`.
        event: what happened, as `noun.past_verb`.
        fields: with what; masked here in place.
        at_ns: when, in nanoseconds since the epoch.
    """
    numbers, head = _SHAPES[(level, event, *fields)]
    body = b"{}"
    try:
        if numbers is not None:
            for key in numbers:
                fields[key] = mask_number(value) if type(value := fields[key]) is str else masking.clean(key, value)
            body = encode(fields)
            if (
                body.find(b"{", 1) > 0
                or b"@" in body
                or (body.count(b"+") > len(numbers) and masking.holds_number(body))
            ):
                numbers = None
    except Exception:  # noqa: BLE001  # half a character, an endless number, a value that fails when it is looked at
        numbers = None
    if numbers is None:
        fields = cleaned(fields)
        body = encode(fields)
    return b"%b%06d%b%b\n" % (second(at_ns), at_ns // 1000 % 1_000_000, head, b"," + body[1:] if fields else b"}")


def cleaned(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields as plain values that can be shown and encoded, exceptions as text; never raises."""
    if "exc_info" in fields:
        try:
            fields = dict(structlog.processors.format_exc_info(None, "", fields))
        except Exception:  # noqa: BLE001  # no exception and no tuple of one, but something else
            fields = {**fields, "exc_info": "[not an exception]"}
    return {
        f"field_{key}" if key in _OURS else masking.clean_text(whole(key)): _shown(key, value)
        for key, value in fields.items()
    }


def _shown(key: str, value: Any) -> Any:
    if type(value) in _PLAIN and not masking.care_of(key):
        return value if type(value) is float or -(2**63) <= (value or 0) < 2**64 else str(value)
    try:
        # records are opened first, so that what they hold is looked at as well
        plain = masking.clean(key, value)
        if not isinstance(plain, str):
            plain = masking.clean(key, msgspec.to_builtins(plain, enc_hook=_text, str_keys=True))
        try:
            encode(plain)
        except Exception:  # noqa: BLE001  # half a character, or a number too great for JSON
            return whole(plain) if isinstance(plain, str) else ascii(plain)
    except Exception:  # noqa: BLE001  # whatever a value does when it is looked at, the line is written
        return f"[{type(value).__name__} that cannot be shown]"
    return plain


def whole(text: str) -> str:
    """Return `text` with halves of characters, as file names may hold them, written as escapes."""
    return text.encode(errors="backslashreplace").decode()


def _text(value: Any) -> str:
    return masking.clean_text(str(value))


encode: Final = msgspec.json.Encoder(enc_hook=_text).encode


class _Shapes(dict[tuple[str, ...], tuple[tuple[str, ...] | None, bytes]]):
    """What all lines of one level, event and set of keys share: which fields are numbers, and how the line begins.

    None instead of the numbers: it cannot be written in one go.
    """

    def __missing__(self, kind: tuple[str, ...]) -> tuple[tuple[str, ...] | None, bytes]:
        level, event, *keys = kind
        level, event = (encode(masking.clean_text(whole(str(text)))).decode() for text in (level, event))
        shape = number_keys(keys), f'Z","level":{level},"event":{event}'.encode()
        if len(self) < _MOST:
            self[kind] = shape
        return shape


_SHAPES: Final = _Shapes()


def number_keys(keys: list[str]) -> tuple[str, ...] | None:
    """Return which of a line's keys hold phone numbers; None where its fields must be gone through one by one."""
    cares = {key: masking.care_of(key) for key in keys}
    odd = "secret" in cares.values() or "exc_info" in cares or not _OURS.isdisjoint(cares)
    if odd or not all(key.isidentifier() for key in keys):
        return None
    return tuple(key for key, care in cares.items() if care == "number")


class _Second:
    """How a line of the present second begins, made once for all of them."""

    now: tuple[int, bytes] = (-1, b"")


def second(at_ns: int) -> bytes:
    """Return how the line of an instant begins, up to the fraction of its second."""
    at_s = at_ns // 1_000_000_000
    known = _Second.now
    if known[0] != at_s:
        text = time.strftime('{"timestamp":"%Y-%m-%dT%H:%M:%S.', time.gmtime(at_s))
        _Second.now = known = at_s, text.encode()  # in one piece: other threads log as well
    return known[1]


def instant(at_ns: int) -> str:
    """Return an instant, in nanoseconds since the epoch, as ISO 8601 in UTC with microseconds."""
    return f"{second(at_ns)[14:].decode()}{at_ns // 1000 % 1_000_000:06d}Z"
