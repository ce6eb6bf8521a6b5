"""Time zones by their IANA names. Knows nothing of what they are used for.

A name must be written as the IANA database writes it. `zoneinfo` alone would also take what its directory happens
to hold (`localtime`, `posix/Europe/London`), and on some hosts names in the wrong case.
"""

import difflib
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from dialerd.model.errors import DialerdError

_NOT_ZONES: Final = frozenset({"localtime", "Factory"})  # in the directory of some hosts, but no place on earth


class BadZone(DialerdError):
    """A name that is not an IANA time zone."""


@cache
def zone(name: str) -> ZoneInfo:
    """Return the zone called `name`.

    Raises:
        BadZone: there is none; the message proposes names that look like it.
    """
    if not known_zone(name):
        raise BadZone(f"{name!r} is not an IANA time zone; {_advice(name)}")
    return ZoneInfo(name)


def known_zone(name: str) -> bool:
    """Tell whether `name` is an IANA time zone, written exactly so."""
    return name in _names()


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones() - _NOT_ZONES)


def _advice(name: str) -> str:
    """Return what to write instead of `name`: the same letters in the right case first, then what looks like it."""
    by_lower = {known.lower(): known for known in sorted(_names())}
    asked = name.strip().lower().replace(" ", "_")
    near = [asked] if asked in by_lower else difflib.get_close_matches(asked, by_lower, n=3)
    if not near:  # "London", "new york": the city alone
        near = [lower for lower in by_lower if lower.rpartition("/")[2] == asked][:3]
    if not near:
        return 'write one such as "Europe/London"'
    return "did you mean " + " or ".join(f'"{by_lower[lower]}"' for lower in near) + "?"
