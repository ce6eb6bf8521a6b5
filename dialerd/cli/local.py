"""Instants as people read them who plan by a campaign's clock: in its zone, with the weekday."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo


def zone(name: str) -> tzinfo:
    """Return a zone by its IANA name, or UTC where this host does not know it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # the daemon's host may have newer ones
        return UTC


def moment(instant: str, local: tzinfo) -> str:
    """Return an instant (RFC 3339) to the second, as `Tue 2027-06-15 09:00:00 BST`."""
    return f"{datetime.fromisoformat(instant).astimezone(local):%a %Y-%m-%d %H:%M:%S %Z}"


def hour(instant: str, local: tzinfo) -> str:
    """Return an instant (RFC 3339) to the minute, as `Tue 2027-06-15 09:00`."""
    return f"{datetime.fromisoformat(instant).astimezone(local):%a %Y-%m-%d %H:%M}"
