"""Ends: the rows of attempts that are over, and news of those that go on. Hot statements, for SQLite."""

import sqlite3
from collections import Counter
from collections.abc import Sequence

from attrs import define

from dialerd.model.instants import Instant
from dialerd.model.states import AttemptState
from dialerd.store.counters import add_totals
from dialerd.store.sets import SetStatement


@define(kw_only=True, slots=True, eq=False)
class Ended:
    """An attempt that is over, and what follows for its recipient.

    Args:
        attempt_id, recipient_id, campaign_id: keys.
        outcome: how it ended.
        refunded: it does not count, because nothing rang.
        bounded: it is one of the refunds of which a recipient may have so many; a call that the gate stopped is not.
        ringing_at, answered_at, ended_at: instants, or None.
        reference: the provider's id of the call, or None.
        cause, detail: JSON objects, or None.
        answered_by, digits: what the provider found, or None.
        state: the recipient's next state: pending or done.
        next_at: when its next attempt is due.
        final: what became of it, or None while it is pending.
        uncount: day counts to give back, as (key, day).
        notice: body of the notice as JSON, or None where nobody listens.
    """

    attempt_id: int
    recipient_id: int
    campaign_id: int
    outcome: str
    refunded: bool
    bounded: bool
    ringing_at: Instant | None
    answered_at: Instant | None
    ended_at: Instant
    reference: str | None
    cause: str | None
    answered_by: str | None
    digits: str | None
    detail: str | None
    state: str
    next_at: Instant
    final: str | None
    uncount: Sequence[tuple[str, str]] = ()
    notice: str | None = None


@define(kw_only=True, slots=True, eq=False)
class Progress:
    """What is known of a call that goes on.

    Args:
        attempt_id: its key.
        state: placed, ringing, answered or uncertain.
        ringing_at, answered_at: instants, or None.
        reference: the provider's id of the call, or None.
        provider_state: base64 of what the provider handed over, or None.
    """

    attempt_id: int
    state: AttemptState
    ringing_at: Instant | None
    answered_at: Instant | None
    reference: str | None
    provider_state: str | None


_END_ATTEMPTS = SetStatement(
    """WITH e(id, outcome, refunded, ringing_at, answered_at, ended_at, reference, cause, answered_by, digits, detail)
    AS (VALUES {rows})
    UPDATE attempts SET state = 'ended', outcome = e.outcome, refunded = e.refunded, ringing_at = e.ringing_at,
        answered_at = e.answered_at, ended_at = e.ended_at, reference = coalesce(e.reference, attempts.reference),
        cause = e.cause, answered_by = e.answered_by, digits = e.digits, detail = e.detail
    FROM e WHERE attempts.id = e.id""",
    11,
)
_END_RECIPIENTS = SetStatement(
    """WITH e(id, state, next_at, final, consumed, refunded) AS (VALUES {rows})
    UPDATE recipients SET state = e.state, next_at = e.next_at, final = e.final,
        attempts = attempts + e.consumed, refunds = refunds + e.refunded
    FROM e WHERE recipients.id = e.id""",
    6,
)
_PROGRESS = SetStatement(
    """WITH p(id, state, ringing_at, answered_at, reference, provider_state) AS (VALUES {rows})
    UPDATE attempts SET state = p.state, ringing_at = p.ringing_at, answered_at = p.answered_at,
        reference = coalesce(p.reference, attempts.reference),
        provider_state = coalesce(p.provider_state, attempts.provider_state)
    FROM p WHERE attempts.id = p.id""",
    6,
)
_NOTICES = SetStatement(
    """WITH n(kind, at, campaign_id, body) AS (VALUES {rows})
    INSERT INTO notices (kind, at, campaign, body)
    SELECT n.kind, n.at, campaigns.uid, n.body FROM n JOIN campaigns ON campaigns.id = n.campaign_id""",
    4,
)


def store_progress(dbapi: sqlite3.Connection, progress: Sequence[Progress]) -> None:
    """Write what is known of calls that go on."""
    _PROGRESS.run(
        dbapi,
        [(p.attempt_id, p.state, p.ringing_at, p.answered_at, p.reference, p.provider_state) for p in progress],
    )


def store_ended(
    dbapi: sqlite3.Connection, ended: Sequence[Ended], counts: Counter[tuple[str, str]], now: Instant
) -> None:
    """Write the ends of attempts and what follows for their recipients and campaigns.

    Args:
        dbapi: the driver's connection, inside a transaction.
        ended: attempts that are over.
        counts: changes of the day counts; added to.
        now: the present instant.
    """
    _END_ATTEMPTS.run(
        dbapi,
        [
            (
                e.attempt_id, e.outcome, e.refunded, e.ringing_at, e.answered_at, e.ended_at,
                e.reference, e.cause, e.answered_by, e.digits, e.detail,
            )
            for e in ended
        ],
    )  # fmt: skip
    _END_RECIPIENTS.run(
        dbapi, [(e.recipient_id, e.state, e.next_at, e.final, not e.refunded, e.bounded) for e in ended]
    )
    sums: dict[int, Counter[str]] = {}
    for e in ended:
        of_campaign = sums.get(e.campaign_id)
        if of_campaign is None:
            of_campaign = sums[e.campaign_id] = Counter()
        of_campaign["refunded" if e.refunded else f"outcome_{e.outcome}"] += 1
        if e.final is not None:
            of_campaign[f"final_{e.final}"] += 1
        if e.answered_at is not None:
            of_campaign["talk_ms"] += max(0, e.ended_at - e.answered_at)
        for key in e.uncount:
            counts[key] -= 1
    for campaign_id, columns in sums.items():
        add_totals(dbapi, campaign_id, columns, now)
    if notices := [("call.ended", e.ended_at, e.campaign_id, e.notice) for e in ended if e.notice is not None]:
        _NOTICES.run(dbapi, notices)
