"""Days, moments and times of day in the writings of other systems, as values of campaign files and back.

A campaign file has moments as ISO 8601 text and times of day as `"HH:MM"`, where `"00:00"` is also the end of a day.
Knows nothing of windows and requests.
"""

import re
from datetime import UTC, date, datetime, time
from typing import Final

from dialerd.model.instants import SECOND, Instant, to_iso

_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::00)?")
_DAY_MINUTES: Final = 24 * 60
_YEARS: Final = range(1970, 3000)  # what campaign files take


def clock(text: str) -> str:
    """Return a time of day written `9:00`, `09:00`, `09:00:00` or `24:00` as a campaign file has it.

    Raises:
        ValueError: it is none.
    """
    match = _CLOCK.fullmatch(text.strip())
    minutes = -1 if match is None else int(match[1]) * 60 + int(match[2])
    if match is None or int(match[2]) > 59 or minutes > _DAY_MINUTES:
        raise ValueError('is not a time of day; write hours and minutes from "00:00" to "24:00", such as "09:00"')
    return from_minutes(minutes)


def from_minutes(minutes: int) -> str:
    """Return minutes since midnight, 0 to 1440, as a campaign file's time of day.

    Raises:
        ValueError: there is no such minute in a day.
    """
    if not 0 <= minutes <= _DAY_MINUTES:
        raise ValueError(f"must be minutes since midnight, 0 to {_DAY_MINUTES}, but is {minutes}")
    minutes %= _DAY_MINUTES
    return f"{minutes // 60:02}:{minutes % 60:02}"


def to_clock(moment: time, *, end: bool = False) -> str:
    """Return a time of day as `HH:MM`; with `end`, midnight is `24:00`."""
    return "24:00" if end and (moment.hour, moment.minute) == (0, 0) else f"{moment:%H:%M}"


def from_unix_ms(milliseconds: int) -> str:
    """Return a Unix time in milliseconds as a campaign file's moment.

    Raises:
        ValueError: it lies outside the years that a campaign file takes.
    """
    try:
        year = datetime.fromtimestamp(milliseconds // SECOND, UTC).year
    except (OverflowError, OSError, ValueError):
        year = 0
    if year not in _YEARS:
        raise ValueError("must be a Unix time in milliseconds, such as 1813050000000")
    return to_iso(milliseconds)


def in_utc(moment: datetime | date) -> str:
    """Return a moment as a campaign file has it, in UTC where it has no offset; a day is its beginning in UTC."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).isoformat()


def whole_seconds(instant: Instant) -> str:
    """Return an instant as RFC 3339 text in UTC without a fraction, as these systems write it."""
    return to_iso(instant // SECOND * SECOND)
