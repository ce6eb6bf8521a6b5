"""Frozen records to plain JSON-able data, such that `structure` reads back an equal record."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from enum import Enum
from functools import cache
from pathlib import PurePath
from typing import Any, get_type_hints

import attrs

from dialerd.model.instants import format_duration, holds_duration


def unstructure(record: Any, *, defaults: bool = True) -> dict[str, Any]:
    """Return the plain data of an attrs record: dicts, lists, text, numbers, booleans.

    None is left out wherever leaving it out means None.

    Args:
        record: an attrs instance.
        defaults: False leaves out whatever equals its default.
    """
    plain: dict[str, Any] = {}
    for attribute, duration in _layout(record.__class__):
        value = getattr(record, attribute.name)
        default = _default(attribute)
        if (value is None and default is None) or (not defaults and value == default):
            continue
        plain[attribute.alias or attribute.name] = _plain(value, duration, defaults)
    return plain


@cache
def _layout(cls: Any) -> "tuple[tuple[attrs.Attribute[Any], bool], ...]":
    """Return the attributes that `structure` reads, each with whether its whole numbers are durations."""
    types = get_type_hints(cls, include_extras=True)
    return tuple((a, holds_duration(types[a.name])) for a in attrs.fields(cls) if a.init)


def _default(attribute: "attrs.Attribute[Any]") -> Any:
    factory: Callable[[], Any] | None = getattr(attribute.default, "factory", None)
    return attribute.default if factory is None else factory()


def _plain(value: Any, duration: bool, defaults: bool) -> Any:  # noqa: PLR0911  # one return a kind of value
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (str, bool, float)):
        return value
    if isinstance(value, int):
        return format_duration(value) if duration else value
    if attrs.has(type(value)):
        return unstructure(value, defaults=defaults)
    if isinstance(value, Mapping):
        return {_plain(key, False, True): _plain(item, duration, defaults) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, duration, defaults) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(item, duration, defaults) for item in value)
    if isinstance(value, time):
        return value.isoformat("seconds" if value.second else "minutes")
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no plain form")
