"""Openings: when one zone group of one campaign may be rung."""

from attrs import frozen

from dialerd.model.campaign import Window, ZoneGroup
from dialerd.model.instants import Duration, Instant
from dialerd.model.settings import QuietHours
from dialerd.rules.gate import Opening


@frozen(kw_only=True)
class Hours:
    """When a campaign may ring, resolved from its spec.

    Args:
        timezone: IANA zone of the windows.
        windows: calling windows; empty = always.
        skip_holidays: no calls on public holidays of the called number's country.
        start_at: not before; None = now.
        end_at: nobody rings at or after it; None = open-ended.
        ring_timeout: a call starts only if it cannot ring beyond a close.
    """

    timezone: str
    windows: tuple[Window, ...] = ()
    skip_holidays: bool = False
    start_at: Instant | None = None
    end_at: Instant | None = None
    ring_timeout: Duration = 45_000


def opening(hours: Hours, group: ZoneGroup, quiet: QuietHours, now: Instant) -> Opening:
    """Return the stretch around `now`: open or closed, by which rule, since when, until when."""
    raise NotImplementedError
