"""When a campaign will end: as fast as it came so far, within its windows.

A rough word for people who look at a campaign, not a forecast: that is what `plan` is for. Nothing tells before
somebody is done, and none is given to a campaign that nobody is dialled for. Quiet hours, holidays and the waits of
retries are not looked at by themselves; they are in the pace so far. Whole weeks are taken for alike, though clocks
change: a list of campaigns shows it for each. Pure: the present instant is an argument.
"""

from collections.abc import Sequence

from dialerd.model.instants import NEVER, WEEK, Duration, Instant
from dialerd.model.states import CampaignState
from dialerd.rules.constraints import Constraint, Refusal, campaign_constraints
from dialerd.rules.openings import HORIZON, Hours
from dialerd.rules.spans import Span, intersect
from dialerd.store.records import Totals


def expected_end(
    state: CampaignState, hours: Hours, totals: Totals, *, started_at: Instant | None, now: Instant
) -> Instant | None:
    """Return when a campaign will end if it goes on as it has, or None where nothing tells.

    Args:
        state: where it stands; only one that is running comes to an end by itself.
        hours: when it may ring.
        totals: how far it is.
        started_at: when it was launched or its first recipient was dialled, or None.
        now: the present instant.
    """
    done = sum(totals.finals.values())
    left = totals.recipients - done
    if state is not CampaignState.RUNNING or started_at is None or not done:
        return None
    constraints = campaign_constraints(hours.timezone, hours.windows, False, None)
    if isinstance(constraints, Refusal):
        return None
    a_week = _length(_open(constraints, now, now + WEEK))
    weeks, rest = divmod(max(0, now - started_at), WEEK)
    spent = weeks * a_week + _length(_open(constraints, now - rest, now))
    if spent <= 0:
        return None
    needed = left * spent // done
    weeks = max(0, needed - 1) // a_week if a_week else 0
    if weeks * WEEK >= HORIZON:
        return hours.end_at
    needed -= weeks * a_week
    at = now + weeks * WEEK
    for start, end in _open(constraints, at, at + 2 * WEEK):  # one would be too short where a clock is put forward
        if needed <= end - start:
            return _bounded(start + needed, hours)
        needed -= end - start
    return hours.end_at


def _bounded(at: Instant, hours: Hours) -> Instant:
    return min(at, NEVER if hours.end_at is None else hours.end_at)


def _length(spans: Sequence[Span]) -> Duration:
    return sum(end - start for start, end in spans)


def _open(constraints: Sequence[Constraint], start: Instant, end: Instant) -> Sequence[Span]:
    """Return when the campaign's windows are open between two instants."""
    spans: Sequence[Span] = [(start, end)] if start < end else []
    for constraint in constraints:
        spans = intersect(spans, constraint.allowed(start, end)) if spans else []
    return spans
