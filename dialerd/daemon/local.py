"""Instants as commands print them: in a campaign's zone, with the weekday by which people plan."""

from datetime import tzinfo

from dialerd.model.instants import Instant, to_datetime


def moment(instant: Instant, local: tzinfo) -> str:
    """Return an instant to the second, as `Tue 2027-06-15 09:00:00 BST`."""
    return f"{to_datetime(instant).astimezone(local):%a %Y-%m-%d %H:%M:%S %Z}"


def hour(instant: Instant, local: tzinfo) -> str:
    """Return an instant to the minute, as `Tue 2027-06-15 09:00`."""
    return f"{to_datetime(instant).astimezone(local):%a %Y-%m-%d %H:%M}"
