"""Plain data (TOML, JSON) to frozen records: strict, and with every fault at once.

`structure` works with any attrs class, those of plugins' options included. Nothing is coerced: `"5"` is no number and
true is no 1. Knows nothing of files; the caller parses them and tells their names.
"""

import collections.abc
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from pathlib import Path
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs
from cattrs import Converter

from dialerd.model import scalars
from dialerd.model.bounds import objection
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import holds_duration
from dialerd.model.wording import Place, dotted, hint
from dialerd.model.wrong import Mismatch, Wrong

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]

_LISTS: Final = (tuple, list, set, frozenset, collections.abc.Sequence, collections.abc.Collection)


def structure(data: Mapping[str, Any], cls: type[T], *, path: str = "", file: str | None = None) -> T:
    """Return the record of `cls` that `data` describes.

    Args:
        data: plain data as a TOML or JSON parser returns it.
        cls: an attrs class; defaults, types and validators of its attributes are the rules.
        path: where `data` stands in its document; put in front of every fault's path.
        file: name of the document, for the faults.

    Raises:
        InvalidInput: with every fault, in the order of `data`, missing keys last.
    """
    try:
        record: T = _CONVERTER.get_structure_hook(cls)(data, cls)
    except Wrong as wrong:
        faults = [Fault(dotted(path, place), message, file=file) for place, message in wrong.faults]
        raise InvalidInput(faults) from None
    return record


def _record_hook(cls: type[Any], converter: Converter) -> Hook:
    """Return what makes a record of `cls` from a table."""
    types = get_type_hints(cls, include_extras=True)
    fields = {a.alias: a for a in attrs.fields(cls) if a.init and a.alias is not None}
    hooks = {key: (converter.get_structure_hook(types[a.name]), types[a.name]) for key, a in fields.items()}
    required = [key for key, a in fields.items() if a.default is attrs.NOTHING]

    def make(table: Any, _: Any) -> Any:
        if not isinstance(table, Mapping):
            raise Mismatch("a table", table)
        values: dict[str, Any] = {}
        faults: dict[str, list[tuple[Place, str]]] = {}
        for key, plain in table.items():
            if (known := hooks.get(key)) is None:
                faults[key] = [((key,), f"is not a known key{hint(str(key), fields)}")]
                continue
            hook, target = known
            try:
                values[key] = hook(plain, target)
            except Wrong as wrong:
                faults[key] = wrong.below(key)
        missing = [key for key in required if key not in table]
        if not faults and not missing:
            try:
                return cls(**values)
            except (ValueError, TypeError, AttributeError) as error:
                _judge(fields, types, values, faults)
                if not faults:  # the record's own rule over several keys
                    raise Wrong.because(str(error)) from error
        else:
            _judge(fields, types, values, faults)
        found = [fault for key in table for fault in faults.get(key, ())]
        raise Wrong(found + [((key,), "is required") for key in missing])

    return make


def _judge(
    fields: Mapping[str, "attrs.Attribute[Any]"],
    types: Mapping[str, Any],
    values: Mapping[str, Any],
    faults: dict[str, list[tuple[Place, str]]],
) -> None:
    """Add what validators object to each value on its own; attrs itself stops at the first."""
    others = SimpleNamespace(**{fields[key].name: value for key, value in values.items()})
    for key, value in values.items():
        message = objection(fields[key], others, value, duration=holds_duration(types[fields[key].name]))
        if message is not None:
            faults[key] = [((key,), message)]


def _list_hook(target: Any, converter: Converter) -> Hook:
    """Return what makes a tuple, list or set from a list."""
    make = {list: list, set: set, frozenset: frozenset}.get(get_origin(target) or target, tuple)
    inner = get_args(target) or (Any, ...)
    if get_origin(target) is tuple and inner[-1] is not Ellipsis:
        return _row_hook(inner, converter)
    hook, item_type = converter.get_structure_hook(inner[0]), inner[0]

    def read(plain: Any, _: Any) -> Any:
        if not isinstance(plain, (list, tuple)):
            raise Mismatch("a list", plain)
        items, faults = [], []
        for at, item in enumerate(plain):
            try:
                items.append(hook(item, item_type))
            except Wrong as wrong:
                faults += wrong.below(at)
        if faults:
            raise Wrong(faults)
        return make(items)

    return read


def _row_hook(types: tuple[Any, ...], converter: Converter) -> Hook:
    """Return what makes a tuple with one type for each place."""
    hooks = [converter.get_structure_hook(item_type) for item_type in types]

    def read(plain: Any, _: Any) -> Any:
        if not isinstance(plain, (list, tuple)):
            raise Mismatch(f"a list of {len(types)}", plain)
        if len(plain) != len(types):
            raise Wrong.because(f"must have {len(types)} entries, but has {len(plain)}")
        items, faults = [], []
        for at, (hook, item_type, item) in enumerate(zip(hooks, types, plain, strict=True)):
            try:
                items.append(hook(item, item_type))
            except Wrong as wrong:
                faults += wrong.below(at)
        if faults:
            raise Wrong(faults)
        return tuple(items)

    return read


def _table_hook(target: Any, converter: Converter) -> Hook:
    """Return what makes a dict from a table."""
    key_type, item_type = get_args(target) or (str, Any)
    key_hook, hook = converter.get_structure_hook(key_type), converter.get_structure_hook(item_type)

    def read(plain: Any, _: Any) -> dict[Any, Any]:
        if not isinstance(plain, Mapping):
            raise Mismatch("a table", plain)
        items, faults = {}, []
        for key, item in plain.items():
            try:
                items[key_hook(key, key_type)] = hook(item, item_type)
            except Wrong as wrong:
                faults += wrong.below(key)
        if faults:
            raise Wrong(faults)
        return items

    return read


def _union_hook(target: Any, converter: Converter) -> Hook:
    """Return what reads a value that may be of several types; the first that fits is taken."""
    members = [member for member in get_args(target) if member is not NoneType]
    nullable = len(members) < len(get_args(target))
    if set(members) == {datetime, date}:
        hooks: list[tuple[Hook, Any]] = [(scalars.read_moment, None)]
    else:
        hooks = [(converter.get_structure_hook(member), member) for member in members]

    def read(plain: Any, _: Any) -> Any:
        if plain is None and nullable:
            return None
        mismatches = []
        for hook, member in hooks:
            try:
                return hook(plain, member)
            except Mismatch as mismatch:
                mismatches.append(mismatch)
        if len(mismatches) == 1:
            raise mismatches[0]
        raise Mismatch(" or ".join(mismatch.wanted for mismatch in mismatches), plain)

    return read


def _of(*origins: Any) -> Callable[[Any], bool]:
    """Return a test for these types, bare or with arguments."""
    return lambda target: (get_origin(target) or target) in origins


def _marked(mark: str) -> Callable[[Any], bool]:
    """Return a test for `Annotated[…, mark]`, as `dialerd.model.instants` marks durations."""
    return lambda target: get_origin(target) is Annotated and mark in target.__metadata__


def _strict_converter() -> Converter:
    """Return the converter; later hooks are asked first."""
    converter = Converter()
    for scalar, hook in (
        (str, scalars.read_text),
        (int, scalars.read_int),
        (bool, scalars.read_bool),
        (float, scalars.read_float),
        (time, scalars.read_time),
        (date, scalars.read_date),
        (datetime, scalars.read_datetime),
        (Path, scalars.read_path),
    ):
        converter.register_structure_hook(scalar, hook)
    converter.register_structure_hook_func(_of(Literal), scalars.read_choice)
    for test, factory in (
        (_of(*_LISTS), _list_hook),
        (_of(dict, Mapping), _table_hook),
        (_of(Union, UnionType), _union_hook),
        (attrs.has, _record_hook),
    ):
        converter.register_structure_hook_factory(test, factory)
    converter.register_structure_hook_func(_marked("duration"), scalars.read_duration)
    converter.register_structure_hook_func(_marked("plain"), scalars.read_plain)
    return converter


_CONVERTER: Final = _strict_converter()
