"""The bodies of requests, read strictly, and faults moved between a dialect's own names and those of campaign files.

What a body may hold is an attrs record of its dialect, read by `dialerd.model.structuring.structure`: all faults at
once, unknown fields included, camelCase names by `field(alias=…)`. Knows nothing of any one dialect.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import evolve

from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.wording import kind, shown


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a request's body.

    Raises:
        InvalidInput: it is no JSON (RFC 8259), no object, or has a key twice.
    """
    try:
        data = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise InvalidInput([Fault("", f"is not UTF-8 at byte {error.start}; send JSON in UTF-8")]) from error
    except json.JSONDecodeError as error:
        message = f"is not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        raise InvalidInput([Fault("", message, line=error.lineno, column=error.colno)]) from error
    except RecursionError as error:
        raise InvalidInput([Fault("", "is nested too deeply")]) from error
    except ValueError as error:  # of the hooks below, and of numbers with thousands of digits
        raise InvalidInput([Fault("", str(error))]) from error
    if not isinstance(data, dict):
        raise InvalidInput([Fault("", f"must be a JSON object, but is {kind(data)}")])
    return data


def renamer(names: Mapping[str, str]) -> Callable[[str], str]:
    """Return what turns a path of a campaign file into the path in a dialect's request.

    Args:
        names: paths of a campaign file with `[]` for any place in a list, each with what it is called in the dialect;
            the longest that begins a path replaces that part. Places are filled in where the dialect's path has `[]`,
            and `""` stands for the whole request. What no path begins stays as it is.

            {"agent": "agent_id", "recipients[].phone": "recipients[].phone_number", "caller_ids[]": "from_number"}
    """

    def rename(path: str) -> str:
        places = _PLACE.findall(path)
        plain = _PLACE.sub("[]", path)
        for end in sorted({len(plain), *(match.start() for match in _STEP.finditer(plain))}, reverse=True):
            if (name := names.get(plain[:end])) is not None:
                known = name.count("[]")
                rest = plain[end:] if name else plain[end:].lstrip(".")
                return _filled(name, places[:known]) + _filled(rest, places[plain[:end].count("[]") :])
        return path

    return rename


def renamed(error: InvalidInput, rename: Callable[[str], str]) -> InvalidInput:
    """Return `error` with its paths renamed."""
    return InvalidInput(evolve(fault, path=rename(fault.path), file=None) for fault in error.faults)


def in_words(error: InvalidInput, most: int = 20) -> str:
    """Return all faults as one line of text, for dialects whose errors have only that; the first `most` of many."""
    told = "; ".join(map(str, error.faults[:most]))
    more = len(error.faults) - most
    return told if more <= 0 else f"{told}; and {more} more"


_PLACE: Final = re.compile(r"\[\d+\]")
_STEP: Final = re.compile(r"\.|\[\]")


def _filled(path: str, places: list[str]) -> str:
    left = iter(places)
    return re.sub(r"\[\]", lambda _: next(left, "[]"), path)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"has the key {shown(key)} twice in one object; leave one out")
            seen.add(key)
    return table


def _no_constant(name: str) -> Any:
    raise ValueError(f"has {name}, which is not JSON; write a number or null")
