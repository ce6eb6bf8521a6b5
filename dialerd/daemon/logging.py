"""Logs: coloured lines on a terminal, JSON lines otherwise; numbers masked, secrets left out.

A line costs about as much as a call's other bookkeeping, so nothing here looks twice at a value that needs no care.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import msgspec
import structlog

_NUMBER_KEYS: Final = frozenset({"number", "caller_id", "phone", "callee", "caller", "from_number", "to_number"})
_SECRET_WORDS: Final = ("password", "passwd", "token", "secret", "api_key", "apikey", "authorization", "credential")
_E164: Final = re.compile(r"\+\d{7,15}")  # ITU-T E.164: at most 15 digits
_URL_LOGIN: Final = re.compile(r"(://)[^/@\s]+@")

# ITU-T E.164 assigned country codes: 1 and 7 have one digit, these two, all others three
_TWO_DIGITS: Final = frozenset(
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


def configure(level: str = "info", *, stream: TextIO | None = None) -> None:
    """Set up logging for this process.

    Args:
        level: `debug`, `info`, `warning` or `error`; what is below costs next to nothing.
        stream: where lines go; None = stderr. Colours and columns where it is a terminal, JSON where not.
    """
    stream = stream or sys.stderr
    threshold = logging.getLevelNamesMapping()[level.upper()]
    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask,
        structlog.dev.ConsoleRenderer(colors=True) if stream.isatty() else _render_json,
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge()]
    # libraries speak of their own inner life below warning
    root.setLevel(max(threshold, logging.WARNING))


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask phone numbers and leave out secrets; a structlog processor."""
    for key, value in event.items():
        if not _CARES[key]:  # by far the most values need no care, and are passed over at the least cost
            if isinstance(value, str):
                if "+" not in value and "@" not in value:
                    continue
            elif value is None or isinstance(value, int | float):
                continue
        if (cleaned := _clean(key, value)) is not value:
            event[key] = cleaned
    return event


def mask_number(number: str) -> str:
    """Return `number` with its country code and its last two digits only, as `+44********01`."""
    if not number.startswith("+"):
        return "*" * (len(number) - 2) + number[-2:] if len(number) > 4 else number
    keep = 2 if number[1:2] in ("1", "7") else 3 if number[1:3] in _TWO_DIGITS else 4
    return number[:keep] + "*" * max(len(number) - keep - 2, 0) + number[-2:]


class _Cares(dict[str, str]):
    """What care the value of a key needs: `secret`, `number` or none; found out once for each key."""

    def __missing__(self, key: str) -> str:
        lowered = key.lower()
        secret = any(word in lowered for word in _SECRET_WORDS)
        care = "secret" if secret else "number" if lowered in _NUMBER_KEYS else ""
        if len(self) < 1024:  # keys are written in the code, but those of nested tables may be a user's
            self[key] = care
        return care


_CARES: Final = _Cares()


def _clean(key: str, value: Any) -> Any:
    care = _CARES[key]
    if care == "secret":
        return "[left out]"
    if type(value) is str:
        return mask_number(value) if care == "number" else _clean_text(value)
    if isinstance(value, dict):
        return {inner: _clean(str(inner), item) for inner, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(key, item) for item in value]
    if isinstance(value, BaseException):
        return _clean_text(f"{type(value).__name__}: {value}")
    return value


def _clean_text(text: str) -> str:
    if "+" in text:
        text = _E164.sub(lambda match: mask_number(match[0]), text)
    if "@" in text and "://" in text:
        text = _URL_LOGIN.sub(r"\1[left out]@", text)
    return text


def _render_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    try:
        return _ENCODER.encode(event).decode()
    except (ValueError, OverflowError, TypeError):  # half a character, an endless number, a strange key
        return _ENCODER.encode({key: ascii(value) for key, value in event.items()}).decode()


_ENCODER: Final = msgspec.json.Encoder(enc_hook=lambda value: _clean_text(str(value)))


class _Bridge(logging.Handler):
    """Hands what libraries log through the standard library to structlog, in this process' one form."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        log.log(
            record.levelno, "library.logged", logger=record.name, message=record.getMessage(), exc_info=record.exc_info
        )
