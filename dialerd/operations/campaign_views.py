"""Stored campaigns as doors show them."""

from typing import Final as Constant

from dialerd.engine.hours import hours_of
from dialerd.model.campaign_view import CampaignView, Counters
from dialerd.model.instants import MINUTE, Instant
from dialerd.model.states import Final, Outcome
from dialerd.operations.expectation import expected_end
from dialerd.store.campaign_pages import Listed
from dialerd.store.records import Totals

_NO_FINALS: Constant = dict.fromkeys(Final, 0)
_NO_OUTCOMES: Constant = dict.fromkeys(Outcome, 0)


def view_of(listed: Listed, now: Instant) -> CampaignView:
    """Return a stored campaign as doors show it."""
    row, totals = listed.row, listed.totals
    return CampaignView(
        id=row.uid,
        alias=row.alias,
        state=row.state,
        state_at=row.state_at,
        spec=row.spec,
        timezone=row.timezone,
        created_at=row.created_at,
        start_at=row.start_at,
        end_at=row.end_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        expected_end_at=expected_end(row.state, hours_of(row), totals, started_at=row.started_at, now=now),
        counters=counters_of(totals),
        file=listed.file,
        dialect=row.dialect,
        extra=row.extra,
    )


def counters_of(totals: Totals) -> Counters:
    """Return a campaign's counters as doors show them."""
    outcomes = {**_NO_OUTCOMES, **totals.outcomes}
    calls = sum(outcomes.values())
    return Counters(
        total=totals.recipients,
        pending=totals.pending,
        dialing=totals.dialing,
        done={**_NO_FINALS, **totals.finals},
        outcomes=outcomes,
        calls=calls,
        refunded=totals.refunded,
        answer_rate=round(outcomes[Outcome.ANSWERED] / calls, 4) if calls else None,
        minutes=round(totals.talk_ms / MINUTE, 2),
    )
