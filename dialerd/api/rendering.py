"""Records as plain JSON data, as answers show them: instants as RFC 3339, durations as text, every field written.

How a class is written is found out once, from its annotations. `dialerd.api.schema` describes the same forms.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, time
from enum import Enum
from functools import cache
from operator import attrgetter
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs
import msgspec

from dialerd.api.problems import plain_fault
from dialerd.model.errors import Fault
from dialerd.model.instants import NEVER, Instant, format_duration, to_iso

Write = Callable[[Any], Any]

_value: Final = attrgetter("_value_")  # what `.value` is, at a fraction of its time

LISTS = (tuple, list, Sequence, Collection)
SETS = (set, frozenset)
TABLES = (dict, Mapping)


def encode(value: Any, target: Any) -> bytes:
    """Return `value`, which is of the type `target`, as JSON text."""
    return msgspec.json.encode(plain(value, target))


def plain(value: Any, target: Any) -> Any:
    """Return `value`, which is of the type `target`, as JSON can carry it."""
    write = writer(target)
    return value if write is None else write(value)


@cache
def writer(target: Any) -> Write | None:  # noqa: PLR0911  # one return a kind of type
    """Return what turns values of the type `target` into plain data, or None where they are plain already."""
    origin, args = get_origin(target), get_args(target)
    if origin is Annotated:
        return {"instant": _instant, "duration": format_duration}.get(target.__metadata__[0])
    if origin in (Union, UnionType):
        return _union(args)
    if target is Fault:
        return plain_fault
    kind = origin or target
    if attrs.has(kind):
        return _Record(target)
    if kind in LISTS:
        return _row(args) if kind is tuple and args and args[-1] is not ... else _list(args, list)
    if kind in SETS:
        return _list(args, sorted)
    if kind in TABLES:
        return _table(args)
    if not isinstance(kind, type):
        return None
    if issubclass(kind, Enum):
        return _value
    if kind is time:
        return _time
    if issubclass(kind, date):
        return _moment
    return str if issubclass(kind, Path) else None


@cache
def fields_of(target: Any) -> tuple[tuple["attrs.Attribute[Any]", Any], ...]:
    """Return the attributes of an attrs class, or of `Page[…]`, each with its type."""
    cls = get_origin(target) or target
    types = get_type_hints(cls, include_extras=True)
    filled = dict(zip(getattr(cls, "__parameters__", ()), get_args(target), strict=False))
    return tuple((a, _filled(types[a.name], filled)) for a in attrs.fields(cls))


def _filled(target: Any, filled: Mapping[Any, Any]) -> Any:
    """Return a type with its type variables replaced."""
    if isinstance(target, TypeVar):
        return filled.get(target, Any)
    parameters = getattr(target, "__parameters__", ())
    return target[tuple(filled.get(p, Any) for p in parameters)] if parameters else target


class _Record:
    """Writes records of one class. Its layout is made at first use, as a class may hold itself."""

    def __init__(self, target: Any) -> None:
        self._target = target
        self._names: list[str] = []
        self._values: Callable[[Any], Any] = _as_it_is  # all of a record at once
        self._writes: list[tuple[str, Write]] = []  # of the fields that are not plain already

    def __call__(self, record: Any) -> dict[str, Any]:
        if not self._names:
            self._lay_out()
        written = dict(zip(self._names, self._values(record), strict=True))
        for name, write in self._writes:
            if (value := written[name]) is not None:
                written[name] = write(value)
        return written

    def _lay_out(self) -> None:
        fields = fields_of(self._target)
        names = [attribute.name for attribute, _ in fields]
        if len(names) > 1:
            self._values = attrgetter(*names)
        else:
            self._values = lambda record: [getattr(record, name) for name in names]
        self._writes = [(a.name, write) for a, target in fields if (write := writer(target)) is not None]
        self._names = names


def _union(args: Sequence[Any]) -> Write | None:
    members = [member for member in args if member is not NoneType]
    writes = {writer(member) for member in members}
    if len(writes) > 1:
        raise TypeError(f"{members} are written in several ways; nobody can tell which one is meant")
    write = writes.pop()
    if write is None or len(members) == len(args):
        return write
    return lambda value: None if value is None else write(value)


def _list(args: Sequence[Any], make: Callable[[Any], list[Any]]) -> Write:
    write = writer(args[0]) if args else None
    if write is None:
        return make
    return lambda value: make([write(item) for item in value])


def _row(args: Sequence[Any]) -> Write:
    writes = [writer(arg) or _as_it_is for arg in args]
    return lambda value: [write(item) for write, item in zip(writes, value, strict=True)]


def _table(args: Sequence[Any]) -> Write:
    key = (writer(args[0]) if args else None) or str
    write = writer(args[1]) if args else None
    if write is None:
        return lambda value: {key(name): item for name, item in value.items()}
    return lambda value: {key(name): write(item) for name, item in value.items()}


def _as_it_is(value: Any) -> Any:
    return value


def _instant(instant: Instant) -> str | None:
    return None if instant >= NEVER else to_iso(instant)


def _time(value: time) -> str:
    return value.isoformat("seconds" if value.second else "minutes")


def _moment(value: date) -> str:
    return value.isoformat()
