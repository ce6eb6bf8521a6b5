"""JSON Schema (2020-12) of attrs classes: as `dialerd.model.structuring` reads them, and as `rendering` writes them.

A schema never allows less than what is read, and never promises more than what is written. Knows nothing of routes.
"""

import inspect
import operator
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import attrs

from dialerd.api.rendering import LISTS, SETS, TABLES, fields_of, plain
from dialerd.model.bounds import single_rules
from dialerd.model.errors import Fault
from dialerd.model.instants import format_duration, holds_duration

Schema = dict[str, Any]

DURATION: Final = r"^\s*([0-9]{1,17} ?ms|[0-9]{1,9} ?(s|m|h|d))\s*$"
_TIME: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"
_MOMENT: Final = r"^\d{4}-\d{2}-\d{2}"

_FAULT: Final[Schema] = {
    "type": "object",
    "description": "One thing that is wrong: where (a JSON pointer, RFC 6901; empty for the whole) and what.",
    "properties": {
        "pointer": {"type": "string"},
        "detail": {"type": "string"},
        "line": {"type": "integer"},
        "column": {"type": "integer"},
    },
    "required": ["pointer", "detail"],
    "additionalProperties": False,
}

_BOUNDS: Final = {
    operator.ge: "minimum",
    operator.le: "maximum",
    operator.gt: "exclusiveMinimum",
    operator.lt: "exclusiveMaximum",
}
_ARGS: Final = re.compile(r"^\s*Args:\n(.*?)(?:\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)
_ARG: Final = re.compile(r"^    ([\w, ]+): ")


class Schemas:
    """The schemas of a document, each class once.

    Attributes:
        components: by name, what stands under `components/schemas`.
    """

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {"Fault": _FAULT}

    def request(self, target: Any) -> Schema:
        """Return the schema of what is read as the type `target`."""
        return self._of(target, answer=False)

    def answer(self, target: Any) -> Schema:
        """Return the schema of what is written for the type `target`."""
        return self._of(target, answer=True)

    def changes(self, cls: Any) -> Schema:
        """Return the schema of changes to a record: any of its keys; null takes one away."""
        name = f"{cls.__name__}Changes"
        if name not in self.components:
            own = self.components[self.request(cls)["$ref"].rpartition("/")[2]]
            keys = {key: _nullable(_without_default(of)) for key, of in own["properties"].items()}
            description = "Keys to change; what is not given stays as it is."
            self.components[name] = {
                "type": "object",
                "description": description,
                "properties": keys,
                "additionalProperties": False,
            }
        return _ref(name)

    def _of(self, target: Any, *, answer: bool) -> Schema:  # noqa: PLR0911  # one return a kind of type
        origin, args = get_origin(target), get_args(target)
        if origin is Annotated:
            return _marked(target.__metadata__[0], answer=answer)
        if origin in (Union, UnionType):
            return self._union(args, answer=answer)
        if target is Fault:
            return _ref("Fault")
        kind = origin or target
        if attrs.has(kind):
            return self._record(target, answer=answer)
        if kind in LISTS or kind in SETS:
            return {"type": "array", "items": self._of(args[0], answer=answer) if args else {}}
        if kind in TABLES:
            inner = self._of(args[1], answer=answer) if args else {}
            return {"type": "object", "additionalProperties": inner} if inner else {"type": "object"}
        if kind is Literal:
            return _choice([getattr(choice, "value", choice) for choice in args])
        if not isinstance(kind, type):
            return {}
        if issubclass(kind, Enum):
            return _choice([member.value for member in kind])
        if kind is time:
            return {"type": "string", "pattern": _TIME, "examples": ["09:00"]}
        if issubclass(kind, date):
            return _moments(kind)
        return dict(_SCALARS.get(kind, {}))

    def _union(self, args: Sequence[Any], *, answer: bool) -> Schema:
        members = [member for member in args if member is not NoneType]
        if set(members) == {datetime, date}:
            inner = _moments(None)
        elif len(members) == 1:
            inner = self._of(members[0], answer=answer)
        else:
            inner = {"anyOf": [self._of(member, answer=answer) for member in members]}
        return _nullable(inner) if len(members) < len(args) else inner

    def _record(self, target: Any, *, answer: bool) -> Schema:
        cls = get_origin(target) or target
        name = "".join(getattr(part, "__name__", "") for part in (cls, *get_args(target)))
        name += "" if answer else "Input"
        if name not in self.components:
            self.components[name] = {}  # a class may hold itself
            self.components[name] = self._object(target, cls, answer=answer)
        return _ref(name)

    def _object(self, target: Any, cls: Any, *, answer: bool) -> Schema:
        told = arguments(cls)
        properties: dict[str, Schema] = {}
        required = []
        for attribute, of in fields_of(target):
            key = attribute.name if answer else attribute.alias or attribute.name
            inner = self._of(of, answer=answer)
            if not answer:
                _bind(inner, attribute, of)
                if attribute.default is not attrs.NOTHING:
                    inner["default"] = _default(attribute, of)
            if answer or attribute.default is attrs.NOTHING:
                required.append(key)
            if attribute.name in told:
                inner = {**inner, "description": told[attribute.name]}
            properties[key] = inner
        schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        if required:
            schema["required"] = required
        if cls.__doc__:
            schema["description"] = inspect.cleandoc(cls.__doc__).partition("\n\n")[0].replace("\n", " ")
        return schema


def arguments(cls: type) -> dict[str, str]:
    """Return what the docstrings of a class and of those that it extends say of its arguments."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if (section := _ARGS.search(inspect.cleandoc(base.__dict__.get("__doc__") or ""))) is None:
            continue
        names: list[str] = []
        for line in section[1].splitlines():
            if (match := _ARG.match(line)) is not None:
                names = [name.strip() for name in match[1].split(",")]
                found |= dict.fromkeys(names, line[match.end() :])
            else:
                found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


_SCALARS: Final[Mapping[Any, Schema]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}


def _marked(mark: str, *, answer: bool) -> Schema:
    """Return the schema of an instant, a duration or free-form data."""
    if mark == "duration":
        return {"type": "string", "pattern": DURATION, "examples": ["90s", "10m", "2h"]}
    if mark == "instant":
        return {"type": "string", "format": "date-time"}
    return {} if answer or mark == "plain" else {"type": "integer"}


def _moments(kind: Any) -> Schema:
    examples = ["2027-06-15", "2027-06-15T09:00:00+01:00"]
    if kind is not None:
        examples = examples[1:] if issubclass(kind, datetime) else examples[:1]
    return {"type": "string", "pattern": _MOMENT, "examples": examples}


def _choice(values: list[Any]) -> Schema:
    return {"type": "string", "enum": values} if all(isinstance(value, str) for value in values) else {"enum": values}


def _nullable(schema: Schema) -> Schema:
    """Return a schema that allows null, too."""
    if not schema:
        return schema
    if "enum" in schema or "$ref" in schema:
        told = {"description": schema["description"]} if "description" in schema else {}
        bare = {key: value for key, value in schema.items() if key != "description"}
        return {"anyOf": [bare, {"type": "null"}], **told}
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    if "anyOf" in schema and {"type": "null"} not in schema["anyOf"]:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    return schema


def _without_default(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "default"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _bind(schema: Schema, attribute: "attrs.Attribute[Any]", target: Any) -> None:
    """Add to a schema what the attribute's validators ask for."""
    duration = holds_duration(target)
    limits = []
    kinds = schema.get("type", "")
    size = next((unit for kind, unit in _SIZES.items() if kind in kinds), None)
    for rule in single_rules(attribute.validator):
        options = getattr(rule, "options", None)
        if (compare := getattr(rule, "compare_func", None)) in _BOUNDS:
            if duration:
                limits.append(f"{_WORDS[compare]} {format_duration(rule.bound)}")
            else:
                schema[_BOUNDS[compare]] = rule.bound
        elif isinstance(options, range):
            schema |= {"minimum": options[0], "maximum": options[-1]}
        elif (least := getattr(rule, "min_length", None)) is not None and size:
            schema[f"min{size}"] = least
        elif (most := getattr(rule, "max_length", None)) is not None and size:
            schema[f"max{size}"] = most
        elif (form := getattr(rule, "pattern", None)) is not None:
            schema["pattern"] = f"^(?:{form.pattern})$"
    if limits:
        schema["$comment"] = ", ".join(limits)


_SIZES: Final = {"string": "Length", "array": "Items", "object": "Properties"}
_WORDS: Final = {operator.ge: "at least", operator.le: "at most", operator.gt: "more than", operator.lt: "less than"}


def _default(attribute: "attrs.Attribute[Any]", target: Any) -> Any:
    factory = getattr(attribute.default, "factory", None)
    value = attribute.default if factory is None else factory()
    return None if value is None else plain(value, target)
