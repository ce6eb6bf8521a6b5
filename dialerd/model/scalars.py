"""Plain values that are read strictly: nothing is coerced, what is wrong is told in words.

Each reader takes the plain value and the wanted type, as cattrs calls its hooks. Knows nothing of records.
"""

import math
import re
from datetime import date, datetime, time
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from dialerd.model.instants import Duration, parse_duration
from dialerd.model.wording import Place, hint, kind, shown
from dialerd.model.wrong import Mismatch, Wrong

_D = TypeVar("_D", bound=date)

_INT64: Final = 2**63  # what SQLite and JSON readers elsewhere can hold
_YEARS: Final = range(1970, 3000)  # an instant outside them is a slip, and arithmetic near year 9999 overflows
_DEPTH: Final = 32  # of lists and tables inside free-form data; json and SQL functions give up not far above

_TIME: Final = re.compile(r"\d{2}:\d{2}(:\d{2})?")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")

_A_TIME: Final = 'a time of day such as "09:00"'
_A_DATE: Final = 'a date such as "2027-06-15"'
_A_MOMENT: Final = 'a date such as "2027-06-15" or a moment such as "2027-06-15T09:00:00+01:00"'
_A_DURATION: Final = 'a duration such as "90s", "10m" or "2h"'


def read_text(value: Any, target: Any) -> Any:
    """Return text, or the member of a text enum."""
    if target is not str:  # cattrs hands subclasses to their base's hook
        return read_choice(value, target)
    if type(value) is not str:
        raise Mismatch("text", value)
    if not value.isascii():
        _check_surrogates(value)
    return value


def _check_surrogates(value: str) -> None:
    """JSON can spell half a character; neither a database nor a file can hold it."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Wrong.because("holds half of a surrogate pair, which is no character") from error


def read_int(value: Any, target: Any) -> Any:
    """Return a whole number; true and false are none."""
    if target is not int:
        return read_choice(value, target)
    if type(value) is not int:
        raise Mismatch("a whole number", value)
    if not -_INT64 <= value < _INT64:
        raise Wrong.because("is too large a number")
    return value


def read_bool(value: Any, _: Any) -> bool:
    """Return true or false."""
    if value is True or value is False:
        return bool(value)
    raise Mismatch("true or false", value)


def read_float(value: Any, _: Any) -> float:
    """Return a finite number, whole or not."""
    if type(value) is int and -_INT64 <= value < _INT64:
        return float(value)
    if type(value) is not float:
        raise Mismatch("a number", value)
    if not math.isfinite(value):
        raise Wrong.because("must be a finite number")
    return value


def read_duration(value: Any, _: Any) -> Duration:
    """Return the milliseconds of a duration written as text."""
    if type(value) is not str:
        raise Mismatch(_A_DURATION, value)
    try:
        return parse_duration(value)
    except ValueError as error:
        raise Wrong.because(f"{shown(value)} is not {_A_DURATION}") from error


def read_time(value: Any, _: Any) -> time:
    """Return a local time of day in whole seconds."""
    if type(value) is str:
        if value == "24:00":
            raise Wrong.because('"24:00" is no time of day; midnight is "00:00", also as the end of a day')
        try:
            value = time.fromisoformat(value) if _TIME.fullmatch(value) else None
        except ValueError:
            value = None
        if value is None:
            raise Wrong.because(f'is not {_A_TIME}; write hours and minutes from "00:00" to "23:59"')
    if not isinstance(value, time):
        raise Mismatch(_A_TIME, value)
    if value.tzinfo is not None:
        raise Wrong.because("must be a local time without an offset; the zone is given elsewhere")
    if value.microsecond:
        raise Wrong.because("must be in whole seconds")
    return value


def read_date(value: Any, _: Any) -> date:
    """Return a day."""
    if type(value) is str:
        value = _day(value)
    if isinstance(value, datetime) or not isinstance(value, date):
        raise Mismatch(_A_DATE, value)
    return _plausible(value)


def read_datetime(value: Any, _: Any) -> datetime:
    """Return a moment, with an offset or local."""
    value = read_moment(value, None)
    if not isinstance(value, datetime):
        raise Mismatch('a moment such as "2027-06-15T09:00:00+01:00"', value)
    return value


def read_moment(value: Any, _: Any) -> datetime | date:
    """Return a moment or a day, whichever is written."""
    if type(value) is str:
        value = _day(value) if _DATE.fullmatch(value) else _moment(value)
    if not isinstance(value, date):
        raise Mismatch(_A_MOMENT, value)
    return _plausible(value)


def _day(text: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError as error:
        raise Wrong.because(f"{shown(text)} is no day of the calendar") from error
    raise Wrong.because(f"{shown(text)} is not {_A_DATE}")


def _moment(text: str) -> datetime:
    try:
        if _DATE.match(text):
            return datetime.fromisoformat(text)
    except ValueError as error:
        raise Wrong.because(f"{shown(text)} is not {_A_MOMENT}") from error
    raise Wrong.because(f"{shown(text)} is not {_A_MOMENT}")


def _plausible(value: _D) -> _D:
    if value.year not in _YEARS:
        raise Wrong.because(f"must lie in the years {_YEARS[0]} to {_YEARS[-1]}; leave it out for no bound")
    return value


def read_path(value: Any, _: Any) -> Path:
    """Return a path of the file system."""
    if type(value) is not str:
        raise Mismatch("a path as text", value)
    if not value or "\0" in value:
        raise Wrong.because("must be a path, not empty and without NUL characters")
    return Path(read_text(value, str))


def read_choice(value: Any, target: Any) -> Any:
    """Return the member of an enum or `Literal` that is spelled `value`."""
    choices = _choices(target)
    if type(value) in {type(choice) for choice in choices} and value in choices:
        return choices[value]
    names = ", ".join(shown(choice) if isinstance(choice, str) else str(choice) for choice in choices)
    if type(value) is not str:
        raise Mismatch(f"one of {names}", value)
    near = hint(value, (choice for choice in choices if isinstance(choice, str)))
    guess = near.removeprefix("; ") + " " if near.startswith("; did you mean") else ""
    raise Wrong.because(f"{shown(value)} is not known; {guess}known are {names}")


@cache
def _choices(target: Any) -> dict[Any, Any]:
    """Return the members of an enum or `Literal` by their spelling."""
    if isinstance(target, type) and issubclass(target, Enum):
        return {member.value: member for member in target}
    return {choice.value if isinstance(choice, Enum) else choice: choice for choice in get_args(target)}


def read_plain(value: Any, _: Any) -> Any:
    """Return free-form data that JSON can carry unchanged, to any use of it."""
    faults = list(_unplain(value, (), _DEPTH))
    if faults:
        raise Wrong(faults)
    return value


def _unplain(value: Any, place: Place, depth: int) -> list[tuple[Place, str]]:
    """List what JSON cannot carry in `value`."""
    if isinstance(value, (dict, list)) and depth == 0:
        return [(place, f"is nested too deeply; {_DEPTH} levels are the most")]
    if isinstance(value, dict):
        return [fault for key, item in value.items() for fault in _unplain(item, (*place, key), depth - 1)]
    if isinstance(value, list):
        return [fault for at, item in enumerate(value) for fault in _unplain(item, (*place, at), depth - 1)]
    if value is None or value is True or value is False:
        return []
    if type(value) not in (str, int, float):
        return [
            (
                place,
                f"must be text, a number, true, false, a list or a table, but is {kind(value)}; write it as text",
            )
        ]
    try:
        {str: read_text, int: read_int, float: read_float}[type(value)](value, type(value))
    except Wrong as wrong:
        return [(place, message) for _, message in wrong.faults]
    return []
