"""What reports and status files are about: campaigns that changed or ended, in brief, and their counters."""

from collections.abc import Iterable, Sequence
from typing import Any
from typing import Final as Constant

import msgspec
from sqlalchemy import Connection

from dialerd.model.instants import Instant
from dialerd.model.states import CampaignState, Final, Outcome
from dialerd.store.counters import driver
from dialerd.store.records import Brief, Totals
from dialerd.store.sets import SetStatement

_FINALS = tuple(Final)
_OUTCOMES = tuple(Outcome)
COUNTS: Constant = ", ".join(
    [
        "(SELECT count(*) FROM attempts AS a WHERE a.campaign_id = t.campaign_id AND a.ended_at IS NULL)",
        "t.recipients",
        "t.refunded",
        "t.talk_ms",
        *(f"t.final_{final}" for final in _FINALS),
        *(f"t.outcome_{outcome}" for outcome in _OUTCOMES),
    ]
)
"""What `totals_of` wants, as SQL text, of `totals AS t`."""

_BRIEF = f"""
    SELECT c.id, c.uid, c.name, c.agent, c.state, c.created_at, c.start_at, c.end_at, c.ended_at, f.name, {COUNTS}
    FROM totals AS t JOIN campaigns AS c ON c.id = t.campaign_id LEFT JOIN spool_files AS f ON f.campaign_id = c.id
    """
_CHANGED = f"{_BRIEF} WHERE t.changed_at >= ? AND c.state <> 'loading' ORDER BY c.id"
_OPEN = f"{_BRIEF} WHERE c.ended_at IS NULL AND c.state NOT IN ('loading', 'draft') ORDER BY c.id"
_UNREPORTED = f"{_BRIEF} WHERE c.ended_at IS NOT NULL AND c.reported_at IS NULL ORDER BY c.id"
_TOTALS = f"SELECT t.campaign_id, {COUNTS} FROM totals AS t WHERE t.campaign_id IN (SELECT value FROM json_each(?))"
_REPORTED = SetStatement("UPDATE campaigns SET reported_at = ? WHERE id IN (VALUES {rows})", 1)


def unreported(connection: Connection) -> list[Brief]:
    """Return the campaigns that have ended and have no report yet."""
    return _briefs(connection, _UNREPORTED)


def mark_reported(connection: Connection, *campaign_ids: int, now: Instant) -> None:
    """Note that the reports of campaigns are durable."""
    _REPORTED.run(driver(connection), [(campaign_id,) for campaign_id in campaign_ids], now)


def changed_since(connection: Connection, instant: Instant) -> list[Brief]:
    """Return the visible campaigns whose counters or state changed at or after `instant`."""
    return _briefs(connection, _CHANGED, instant)


def open_briefs(connection: Connection) -> list[Brief]:
    """Return every campaign that waits or is at work: not loading, not a draft, and not ended."""
    return _briefs(connection, _OPEN)


def totals(connection: Connection, campaign_ids: Iterable[int]) -> dict[int, Totals]:
    """Return the counters of the campaigns of these keys."""
    keys = msgspec.json.encode(list(campaign_ids)).decode()
    return {row[0]: totals_of(row[1:]) for row in driver(connection).execute(_TOTALS, (keys,))}


def _briefs(connection: Connection, query: str, *values: int) -> list[Brief]:
    return [_brief(row) for row in driver(connection).execute(query, values)]


def _brief(row: Sequence[Any]) -> Brief:
    key, uid, name, agent, state, created_at, start_at, end_at, ended_at, file, *counts = row
    return Brief(
        id=key,
        uid=uid,
        name=name,
        agent=agent,
        state=CampaignState(state),
        created_at=created_at,
        start_at=start_at,
        end_at=end_at,
        ended_at=ended_at,
        file=file,
        totals=totals_of(counts),
    )


def totals_of(counts: Sequence[int]) -> Totals:
    """Return the counters of a row of `COUNTS`."""
    dialing, recipients, refunded, talk_ms = counts[:4]
    finals = dict(zip(_FINALS, counts[4:], strict=False))
    return Totals(
        recipients=recipients,
        pending=recipients - dialing - sum(finals.values()),
        dialing=dialing,
        finals=finals,
        outcomes=dict(zip(_OUTCOMES, counts[4 + len(_FINALS) :], strict=True)),
        refunded=refunded,
        talk_ms=talk_ms,
    )
