"""The bodies of requests, read strictly, and faults moved between a dialect's own names and those of campaign files.

What a body may hold is an attrs record of its dialect, read by `dialerd.model.structuring.structure`: all faults at
once, unknown fields included, camelCase names by `field(alias=…)`. Knows nothing of any one dialect.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar

import attrs
from attrs import evolve, frozen

from dialerd.model.campaign_view import CampaignView
from dialerd.model.errors import Fault, InvalidInput, WrongState
from dialerd.model.structuring import structure
from dialerd.model.wording import kind, shown

T = TypeVar("T")


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
        place = f"at line {error.lineno}, column {error.colno}"
        message = f"is not JSON {place}: {error.msg[:1].lower()}{error.msg[1:]}"
        raise InvalidInput([Fault("", message)]) from error
    except RecursionError as error:
        raise InvalidInput([Fault("", "is nested too deeply")]) from error
    except ValueError as error:  # of the hooks below, and of numbers with thousands of digits
        raise InvalidInput([Fault("", str(error))]) from error
    if not isinstance(data, dict):
        raise InvalidInput([Fault("", f"must be a JSON object, but is {kind(data)}")])
    return data


@frozen
class Reading(Generic[T]):
    """What could be read of a body, so that it is judged whatever is wrong with the rest.

    Args:
        record: what could be read; a field at fault has its default.
        faults: what is wrong so far.
    """

    record: T
    faults: list[Fault]

    def object_to(self, found: Iterable[Fault]) -> None:
        """Add what else is wrong; what follows of a field's default where that field is at fault is nothing new."""
        known = {_top(fault.path) for fault in self.faults}
        self.faults.extend(fault for fault in found if _top(fault.path) not in known)


def read(data: Any, cls: type[T], *, required: Iterable[str] = (), path: str = "") -> Reading[T]:
    """Return what can be read of an object.

    Args:
        data: plain data.
        cls: an attrs class, each of whose attributes has a default.
        required: fields that may be neither missing nor null.
        path: where the object stands in the body; put in front of every fault's path.
    """
    if not isinstance(data, Mapping):
        return Reading(cls(), [Fault(path, f"must be an object, but is {kind(data)}")])
    faults: list[Fault] = []
    try:
        record = structure(data, cls)
    except InvalidInput as error:
        faults += map(in_json, error.faults)
        wrong = {_top(fault.path) for fault in faults}
        known = {a.alias for a in attrs.fields(cls)} - wrong  # type: ignore[arg-type]  # T is an attrs class
        record = structure({key: value for key, value in data.items() if key in known}, cls)
    faults += [Fault(key, "is required") for key in required if data.get(key) is None]
    if path:
        faults = [evolve(fault, path=f"{path}.{fault.path}" if fault.path else path) for fault in faults]
    return Reading(record, faults)


def in_json(fault: Fault) -> Fault:
    """Return a fault in the words of those who write JSON, in which tables are objects and keys are fields."""
    return evolve(fault, message=_TABLE.sub("n object", _KEY.sub("known field", fault.message)))


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
    """Return `error` as it is told to those who sent a request: with its paths renamed, in JSON's words.

    A place with a column is one in the document that the campaign was made of, which they never saw; it is left out.
    """
    return InvalidInput(_told(fault, rename(fault.path)) for fault in error.faults)


def reworded(text: str, words: Mapping[str, str]) -> str:
    """Return a message of dialerd with other words for `words`, save in what it quotes."""
    parts = re.split(r'("[^"]*")', text)
    return "".join(part if part[:1] == '"' else _WORD.sub(lambda m: words.get(m[0], m[0]), part) for part in parts)


@contextmanager
def told_of(view: CampaignView, words: Mapping[str, str]) -> Iterator[None]:
    """Tell of a wrong state by the id that the client knows.

    Args:
        view: the campaign that is asked to do something.
        words: what the dialect calls campaigns and recipients.

    Raises:
        WrongState: in the dialect's words.
    """
    try:
        yield
    except WrongState as error:
        raise WrongState(reworded(str(error).replace(view.id, view.alias or view.id), words)) from error


def instead(faults: Iterable[Fault], own: Iterable[Fault]) -> list[Fault]:
    """Return faults of a list's entries in the list's order.

    Args:
        faults: what is held against entries that were left out.
        own: takes the place of what `faults` say of the same entries.
    """
    mine: dict[str, list[Fault]] = {}
    for fault in own:
        mine.setdefault(_entry(fault), []).append(fault)
    told: dict[str, list[Fault]] = {}
    for fault in faults:
        told.setdefault(_entry(fault), []).append(fault)
    return [fault for entry, found in told.items() for fault in mine.get(entry, found)]


def in_words(error: InvalidInput, most: int = 20) -> str:
    """Return all faults as one line of text, for dialects whose errors have only that; the first `most` of many."""
    told = "; ".join(str(in_json(fault)) for fault in error.faults[:most])
    more = len(error.faults) - most
    return told if more <= 0 else f"{told}; and {more} more"


_PLACE: Final = re.compile(r"\[\d+\]")
_STEP: Final = re.compile(r"\.|\[\]")
_TABLE: Final = re.compile(r"(?<=\ba) table\b")
_KEY: Final = re.compile(r"\bknown key\b")
_WORD: Final = re.compile(r"[a-z]+")


def _top(path: str) -> str:
    return re.split(r"[.\[]", path, maxsplit=1)[0]


def _entry(fault: Fault) -> str:
    return fault.path.partition("[")[2].partition("]")[0]


def _told(fault: Fault, path: str) -> Fault:
    line = None if fault.column is not None else fault.line
    return evolve(in_json(fault), path=path, file=None, line=line, column=None)


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
