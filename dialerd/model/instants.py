"""Instants and durations: whole milliseconds, everywhere the same.

An instant is the number of milliseconds since the Unix epoch, UTC; a duration is a number of milliseconds.
Whole numbers compare exactly, sort in SQL and cross JSON unchanged; a float second would drift and a datetime
would cost a microsecond at each step of the hot path. Local time exists only in `dialerd.rules`.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, get_args, get_origin

Instant = Annotated[int, "instant"]
"""Milliseconds since the Unix epoch, UTC."""

Duration = Annotated[int, "duration"]
"""Milliseconds; written `"250ms"`, `"90s"`, `"10m"`, `"2h"` or `"1d"` in files."""

Plain = Annotated[Any, "plain"]
"""Free-form data of a file's author that JSON can carry unchanged: no dates, no infinities."""

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY

NEVER: Final[Instant] = 2**62
"""Later than every instant that can occur; compares as infinity and fits SQLite's integer."""

_UNITS: Final = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
# 999999999d, the longest, has 17 digits in milliseconds
_DURATION: Final = re.compile(r"([0-9]{1,9}|[0-9]{1,17}(?= ?ms)) ?(ms|s|m|h|d)")


def to_instant(moment: datetime) -> Instant:
    """Return the instant of an aware `datetime`, rounded down to a millisecond.

    Raises:
        ValueError: `moment` has no offset; a local time alone is no instant.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no UTC offset")
    return (moment - _EPOCH) // _MILLISECOND


def to_datetime(instant: Instant) -> datetime:
    """Return `instant` as an aware `datetime` in UTC."""
    return _EPOCH + instant * _MILLISECOND


def to_iso(instant: Instant) -> str:
    """Return `instant` as RFC 3339 text in UTC, with milliseconds only where there are any."""
    moment = to_datetime(instant)
    text = moment.isoformat(timespec="milliseconds" if instant % SECOND else "seconds")
    return text.replace("+00:00", "Z")


def parse_duration(text: str) -> Duration:
    """Return the milliseconds written in `text`, such as `"250ms"`, `"90s"`, `"10m"`, `"2h"`, `"1d"`.

    Raises:
        ValueError: `text` is not a whole number followed by one of these units.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'{text!r} is not a duration; write a whole number and a unit, as in "90s" or "10m"')
    return int(match[1]) * _UNITS[match[2]]


def format_duration(duration: Duration) -> str:
    """Return `duration` in the largest unit that divides it, as `parse_duration` reads it."""
    for unit in ("d", "h", "m", "s"):
        if duration and duration % _UNITS[unit] == 0:
            return f"{duration // _UNITS[unit]}{unit}"
    return f"{duration}ms"


def holds_duration(target: Any) -> bool:
    """Tell whether whole numbers in a value of the type `target` are durations."""
    if get_origin(target) is Annotated:
        return "duration" in target.__metadata__
    return any(map(holds_duration, get_args(target)))


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC) - _EPOCH
