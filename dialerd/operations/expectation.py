"""When a campaign will end: as fast as it came so far, within its windows.

A rough word for people who look at a campaign, not a forecast: that is what `plan` is for. Nothing tells before
somebody is done, and none is given to a campaign that nobody is dialled for. Quiet hours, holidays and the waits of
retries are not looked at by themselves; they are in the pace so far. Pure: the present instant is an argument.
"""

from collections.abc import Sequence
from typing import Final

from dialerd.model.instants import DAY, NEVER, Instant
from dialerd.model.states import CampaignState
from dialerd.rules.constraints import Refusal, campaign_constraints
from dialerd.rules.openings import HORIZON, Hours
from dialerd.rules.spans import Span, intersect
from dialerd.store.records import Totals

_LOOK_BACK: Final = 400 * DAY  # of a campaign that runs longer, the windows since then have to do
_STEP: Final = 28 * DAY


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
    spent = sum(end - start for start, end in _open(hours, max(started_at, now - _LOOK_BACK), now))
    if not spent:
        return None
    needed = left * spent // done
    at = now
    while at < now + HORIZON:
        for start, end in _open(hours, at, at + _STEP):
            if needed <= end - start:
                return _bounded(start + needed, hours)
            needed -= end - start
        at += _STEP
    return hours.end_at


def _bounded(at: Instant, hours: Hours) -> Instant:
    return min(at, NEVER if hours.end_at is None else hours.end_at)


def _open(hours: Hours, start: Instant, end: Instant) -> Sequence[Span]:
    """Return when the campaign's windows are open between two instants."""
    spans: Sequence[Span] = [(start, end)] if start < end else []
    constraints = campaign_constraints(hours.timezone, hours.windows, False, None)
    if isinstance(constraints, Refusal):
        return []
    for constraint in constraints:
        spans = intersect(spans, constraint.allowed(start, end)) if spans else []
    return spans
