"""Entries of the journal: an event and its fields, in the form of the journal's native protocol.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL/ describes the protocol, systemd.journal-fields(7) the fields. A field of
ours is called as in the JSON form, in upper case behind `DIALERD_`: without a prefix `unit` or `priority` would take
the place of a field that the journal gives a meaning to, and other programs' fields would be found as ours.
"""

import json
import re
from typing import Any, Final, NamedTuple

import msgspec

from dialerd.daemon import logline, masking
from dialerd.daemon.masking import mask_number

PREFIX: Final = "DIALERD_"
PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # syslog(3)
_LONGEST_NAME: Final = 64  # the journal leaves a field with a longer name out
_LONGEST_SHOWN: Final = 300  # of a value within the message, in characters; its field has all of it
_MOST: Final = 1024  # see logline


class Entry(NamedTuple):
    """An entry, ready to be sent, and what it was made of."""

    payload: bytes
    level: str
    event: str
    fields: dict[str, Any]
    at_ns: int


def entry(level: str, event: str, fields: dict[str, Any], at_ns: int) -> Entry:
    """Return the journal's entry for an event; never raises, whatever the values.

    Args:
        level: `debug`, `info`, `warning`, `error` or `critical`.
        event: what happened, as `noun.past_verb`.
        fields: with what; masked here in place.
        at_ns: when, in nanoseconds since the epoch.
    """
    try:
        payload = _quick(level, event, fields, at_ns)
    except Exception:  # noqa: BLE001  # a value that fails when it is looked at
        payload = None
    if payload is None:
        fields = logline.cleaned(fields)
        payload = _whole(level, event, fields, at_ns)
    return Entry(payload, level, event, fields, at_ns)


def _quick(level: str, event: str, fields: dict[str, Any], at_ns: int) -> bytes | None:
    """Return the entry of short plain values, filled into the form that all of its kind have."""
    numbers, form = _FORMS[(level, event, *fields)]
    if numbers is None:
        return None
    for key in numbers:
        fields[key] = mask_number(value) if type(value := fields[key]) is str else masking.clean(key, value)
    values = []
    for value in fields.values():
        if isinstance(value, str):
            values.append(value if type(value) is str else str.__str__(value))  # an enum's
        elif value is None or type(value) in _PLAIN:
            values.append(_json(value))
        else:
            return None
    text = "".join(values)
    if not text.isprintable() or " " in text or '"' in text or "@" in text or len(text) > _LONGEST_SHOWN:
        return None
    if text.count("+") > len(numbers) and masking.holds_number(text):
        return None
    return (form % (*values, logline.instant(at_ns), *values)).encode()


def _whole(level: str, event: str, fields: dict[str, Any], at_ns: int) -> bytes:
    """Return the entry of any values, each field for itself."""
    texts = {key: str.__str__(value) if isinstance(value, str) else _json(value) for key, value in fields.items()}
    event = masking.clean_text(logline.whole(str(event)))
    message = " ".join([_shown(event), *(f"{_plain(key)}={_shown(_last(key, text))}" for key, text in texts.items())])
    return b"".join(
        [
            field("MESSAGE", message),
            field("PRIORITY", str(PRIORITIES[level])),
            field("SYSLOG_IDENTIFIER", "dialerd"),
            field(f"{PREFIX}EVENT", event),
            field(f"{PREFIX}TIMESTAMP", logline.instant(at_ns)),
            *(field(field_name(key), text) for key, text in texts.items()),
        ]
    )


def field(name: str, value: str) -> bytes:
    """Return a field as the protocol has it: a value of several lines with its length in front."""
    data = value.encode()
    if b"\n" in data:
        return b"%b\n%b%b\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
    return b"%b=%b\n" % (name.encode(), data)


def field_name(key: str) -> str:
    """Return the journal's name of a field: A-Z, 0-9 and _ only, at most 64, ours told by their prefix."""
    return (PREFIX + re.sub("[^A-Z0-9_]", "_", key.upper()))[:_LONGEST_NAME]


class _Forms(dict[tuple[str, ...], tuple[tuple[str, ...] | None, str]]):
    """Entries by level, event and keys, with gaps for fields, instant and fields, and which fields are numbers.

    None instead of the numbers: no form serves.
    """

    def __missing__(self, kind: tuple[str, ...]) -> tuple[tuple[str, ...] | None, str]:
        level, event, *keys = kind
        numbers = logline.number_keys(keys)
        if not _PLAIN_EVENT.fullmatch(event) or any(_plain(key) != key for key in keys):
            numbers = None
        message = "".join(f" {key}=%s" for key in keys)
        fields = "".join(f"{field_name(key)}=%s\n" for key in keys)
        form = (
            f"MESSAGE={event}{message}\nPRIORITY={PRIORITIES[level]}\nSYSLOG_IDENTIFIER=dialerd\n"
            f"{PREFIX}EVENT={event}\n{PREFIX}TIMESTAMP=%s\n{fields}"
        )
        if len(self) < _MOST:
            self[kind] = numbers, form
        return numbers, form


_FORMS: Final = _Forms()
_PLAIN: Final = frozenset({bool, int, float})
_PLAIN_EVENT: Final = re.compile(r"[a-z0-9_.]+")
_QUOTED: Final = re.compile(r'[\s"]')


def _plain(key: str) -> str:
    """Return how a key is called in the message; strange ones as their field is."""
    return key if key.isascii() and key.isidentifier() else field_name(key).removeprefix(PREFIX).lower()


def _last(key: str, text: str) -> str:
    """Return what the message shows of a field: of a traceback its last line, which says what was raised."""
    return text.rstrip().rpartition("\n")[2] if key == "exception" else text


def _shown(text: str) -> str:
    if len(text) > _LONGEST_SHOWN:
        text = text[:_LONGEST_SHOWN] + "…"
    if not text.isprintable():
        return json.dumps(text)  # all but ASCII escaped: also what a terminal would obey
    return _json(text) if _QUOTED.search(text) else text


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
