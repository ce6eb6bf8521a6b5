"""What an attrs validator objects to, in words with units.

attrs' own messages name Python attributes and show durations in milliseconds; these are for people who write files.
Knows validators by what they carry (`bound`, `options`, `min_length`, …), as attrs does not export their classes.
"""

import operator
import re
from collections.abc import Callable, Iterator
from typing import Any

from attrs import Attribute

from dialerd.model.instants import format_duration
from dialerd.model.wording import shown


def objection(attribute: "Attribute[Any]", others: object, value: Any, *, duration: bool) -> str | None:
    """Return what the attribute's validators object to `value`, or None.

    Args:
        attribute: the attrs attribute.
        others: what stands for the record being made; validators of several fields read it.
        value: the structured value.
        duration: whether the value is in milliseconds and shown as a duration.
    """
    write = format_duration if duration else _number
    leaves = list(single_rules(attribute.validator))
    for leaf in leaves:
        try:
            leaf(others, attribute, value)
        except (ValueError, TypeError) as error:
            return _in_words(leaf, leaves, value, write) or _plain_words(attribute.name, error)
        except AttributeError:
            continue  # it reads a field that has a fault of its own
    return None


def single_rules(validator: Any) -> Iterator[Any]:
    """Yield the single validators in `and_` and `optional`; None as a value passes `optional`."""
    if validator is None:
        return
    if (parts := getattr(validator, "_validators", None)) is not None:
        for part in parts:
            yield from single_rules(part)
    elif (inner := getattr(validator, "validator", None)) is not None and not hasattr(validator, "exc_types"):
        for leaf in single_rules(inner):
            yield _Optional(leaf)
    else:
        yield validator


class _Optional:
    """A validator that lets None pass and otherwise looks like the one it wraps."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __call__(self, others: object, attribute: "Attribute[Any]", value: Any) -> None:
        if value is not None:
            self.inner(others, attribute, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def _in_words(leaf: Any, leaves: list[Any], value: Any, write: Callable[[Any], str]) -> str | None:
    """Return the rule behind a validator of a known form."""
    if hasattr(leaf, "compare_func"):
        return f"must be {_range(leaves, write)}, but is {write(value)}"
    options = getattr(leaf, "options", None)
    if isinstance(options, range):
        return f"must be between {write(options[0])} and {write(options[-1])}, but is {write(value)}"
    if options is not None:
        return "must be one of " + ", ".join(map(str, options))
    if hasattr(leaf, "min_length"):
        return _length("at least", leaf.min_length, value)
    if hasattr(leaf, "max_length"):
        return _length("at most", leaf.max_length, value)
    if hasattr(leaf, "pattern"):
        return f"does not have the form {leaf.pattern.pattern}"
    return None


def _range(leaves: list[Any], write: Callable[[Any], str]) -> str:
    """Return the range that all comparing validators leave, as `between 5s and 10m`."""
    bounds = {leaf.compare_func: write(leaf.bound) for leaf in leaves if hasattr(leaf, "compare_func")}
    low, high = bounds.get(operator.ge), bounds.get(operator.le)
    if low is not None and high is not None:
        return f"between {low} and {high}"
    words = {
        operator.ge: "{} or more",
        operator.le: "{} or less",
        operator.gt: "more than {}",
        operator.lt: "less than {}",
    }
    return " and ".join(words.get(compare, "{}").format(bound) for compare, bound in bounds.items())


def _length(limit: str, length: int, value: Any) -> str:
    if length == 1 and not value:
        return "must not be empty"
    unit = "characters" if isinstance(value, str) else "entries"
    return f"must have {limit} {length} {unit}, but has {len(value)}"


def _plain_words(name: str, error: Exception) -> str:
    """Return the message of another validator, without the attribute's name in front and attrs' objects behind."""
    text = str(error.args[0]) if error.args else ""
    return re.sub(rf"^'{re.escape(name)}' ", "", text) or "is not allowed"


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return shown(value) if isinstance(value, str) else str(value)
