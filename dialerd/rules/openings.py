"""Openings: when one zone group of one campaign may be rung.

    constraint   calling windows ▕██████████▏            ▕██████████▏
    constraint   quiet hours        ▕████████████▏          ▕████████████▏
    stretch      all of them        ▕███████▏               ▕███████▏          closes at c
    opening      a call may start   ▕█████▏                 ▕█████▏            until c - ring timeout

A call may start at t if everything stays open from t until t + ring timeout: a phone that still rings when the window
closes breaks the window as much as one that begins to. Everything is computed in spans of instants; local time comes
in at one place, `dialerd.rules.localtime`.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

from dialerd.model.campaign import CampaignSpec, Window, ZoneGroup
from dialerd.model.instants import DAY, NEVER, Duration, Instant, to_iso
from dialerd.model.settings import QuietHours
from dialerd.model.states import Rule
from dialerd.rules.constraints import Constraint, Refusal, campaign_constraints, quiet_constraints
from dialerd.rules.gate import Opening
from dialerd.rules.localtime import LAST, stretches, to_date
from dialerd.rules.spans import Span, intersect

LOOK_BACK: Final = 8 * DAY
"""How far `since` looks back: what recurs weekly has changed within it."""

HORIZON: Final = 400 * DAY
"""How far ahead an opening is looked for.

Windows recur weekly, holidays and changes of summer time yearly; a year and the days by which Easter and the last
Sunday of March wander hold every opening that comes again, even one that needs two zones' clocks to change apart.
"""

_FIRST_LOOK: Final = LOOK_BACK + 4 * DAY  # over a weekend and a holiday; then twice as far each time


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


def hours_of(spec: CampaignSpec, *, timezone: str, start_at: Instant | None, end_at: Instant | None) -> Hours:
    """Return when a campaign may ring.

    Args:
        spec: the campaign.
        timezone: IANA zone that it has in the end, whoever gave it.
        start_at: its start as an instant, or None.
        end_at: its end as an instant, or None.
    """
    return Hours(
        timezone=timezone,
        windows=spec.windows,
        skip_holidays=spec.skip_holidays,
        start_at=start_at,
        end_at=end_at,
        ring_timeout=spec.ring_timeout,
    )


def opening(hours: Hours, group: ZoneGroup, quiet: QuietHours, now: Instant) -> Opening:
    """Return the stretch around `now`: open or closed, by which rule, since when, until when.

    Whoever keeps the answer may rely on it while `Opening.covers` holds: throughout, it is open or closed as it says.
    Of a closed stretch, `rule` is the first that objects at `now` and `since` is when that rule began to; later in
    the stretch another rule may object. `since` reaches back to `LOOK_BACK` at most, and is `now` for rules that
    have no beginning (not started, unknown zone, placeless number). `until` is NEVER where nothing opens within
    `HORIZON` of the later of `now` and the campaign's start; of an opening that no rule is seen to close by then, it
    is that horizon, so that it is looked at again.

    Args:
        hours: the campaign's.
        group: where the called number may lie.
        quiet: quiet hours as configured.
        now: the instant judged.
    """
    constraints, refusal = _constraints(hours, group, quiet)
    until = NEVER
    closing: tuple[Instant, Instant] | None = None
    if refusal is None:
        for start, close in _stretches(hours, constraints, now):
            first = start if hours.start_at is None else max(start, hours.start_at)
            last = close - max(hours.ring_timeout, 1) if close < NEVER else NEVER - 1
            if max(first, now) <= last:
                if first <= now:
                    return Opening(None, first, last + 1)
                until = first
                break
            if start <= now < close:
                closing = (max(first, last + 1), close)
    rule, since, detail = _objection(hours, constraints, refusal, closing, now)
    if refusal is not None and rule is not refusal.rule:
        detail = "; besides, ".join(filter(None, (detail, refusal.detail)))
    return Opening(rule, since, until, detail)


def opens_before_end(hours: Hours, group: ZoneGroup, quiet: QuietHours, now: Instant) -> bool:
    """Tell whether a call may start at `now` or later; if not, its recipients can only expire."""
    found = opening(hours, group, quiet, now)
    return found.rule is None or found.until < NEVER


def local_day(zone_name: str, now: Instant) -> tuple[Instant, Instant, str]:
    """Return the calendar day around `now`: its start, its end (excluded), and its ISO date.

    A day starts when its zone's calendar first shows it or a later one. So days never overlap and leave no gaps, even
    where a clock set back at midnight shows the old date once more.

    Args:
        zone_name: IANA zone.
        now: any instant.

    Raises:
        BadZone: there is no such zone.
    """
    among = stretches(zone_name, now - 3 * DAY, now + 3 * DAY)
    today = max((min(end, now + 1) - 1 + offset) // DAY for start, end, offset in among if start <= now)

    def starts(day: int) -> Instant:
        return next(max(start, day * DAY - offset) for start, end, offset in among if day * DAY - offset < end)

    return starts(today), starts(today + 1), to_date(today).isoformat()


def _constraints(hours: Hours, group: ZoneGroup, quiet: QuietHours) -> tuple[list[Constraint], Refusal | None]:
    """Return everything that applies, in the order of `Rule`, and what refuses for good."""
    own = campaign_constraints(hours.timezone, hours.windows, hours.skip_holidays, group.country)
    if isinstance(own, Refusal):
        return [], own
    theirs = quiet_constraints(group, quiet)
    if isinstance(theirs, Refusal):
        return own, theirs
    return own + theirs, None


def _stretches(hours: Hours, constraints: Sequence[Constraint], now: Instant) -> Iterator[Span]:
    """Yield the spans in which nothing objects, from `LOOK_BACK` ago on, whole however far they reach."""
    after = now if hours.start_at is None else max(now, hours.start_at)
    at = after - LOOK_BACK
    end = NEVER if hours.end_at is None else hours.end_at
    if not constraints:
        if at < end:
            yield at, end
        return
    end = min(end, after + HORIZON, LAST)
    size = _FIRST_LOOK
    pending: Span | None = None  # reaches the end of what was looked at, so that it may go on
    while at < end:
        ahead = min(at + size, end)
        spans: list[Span] = [(at, ahead)]
        for constraint in constraints:
            spans = intersect(spans, constraint.allowed(at, ahead))
            if not spans:
                break
        if pending is not None:
            if spans and spans[0][0] == pending[1]:
                spans[0] = (pending[0], spans[0][1])
            else:
                yield pending
        pending = spans.pop() if spans and spans[-1][1] == ahead else None
        yield from spans
        at, size = ahead, size * 2
    if pending is not None:
        yield pending


def _objection(
    hours: Hours,
    constraints: Sequence[Constraint],
    refusal: Refusal | None,
    closing: tuple[Instant, Instant] | None,
    now: Instant,
) -> tuple[Rule, Instant, str]:
    """Return the first rule that objects to `now`, since when, and the words for it."""
    if hours.start_at is not None and now < hours.start_at:
        return Rule.NOT_STARTED, now, f"it starts at {to_iso(hours.start_at)}"
    if hours.end_at is not None and now >= hours.end_at:
        return Rule.CAMPAIGN_END, hours.end_at, f"it ended at {to_iso(hours.end_at)}"
    for constraint in constraints:
        allowed = constraint.allowed(now - LOOK_BACK, now + 1)
        if not allowed or allowed[-1][1] <= now:
            since = allowed[-1][1] if allowed else now - LOOK_BACK
            return constraint.rule, since, constraint.objection(now)
    if refusal is not None:
        return refusal.rule, now, refusal.detail
    if closing is None:  # only beyond the calendars' end is there nothing to close
        return Rule.CAMPAIGN_END, now, "the calendar ends"
    since, close = closing
    return Rule.CLOSING, since, f"it closes at {to_iso(close)}, and a phone may ring for {hours.ring_timeout} ms"
