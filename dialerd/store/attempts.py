"""Attempts, one by one: those that a former life left without an end, and what is added after one."""

from typing import Final

import msgspec
from attrs import frozen
from sqlalchemy import Connection, select

from dialerd.model.instants import Instant
from dialerd.model.states import AttemptState
from dialerd.store.claiming import Claimed
from dialerd.store.counters import driver
from dialerd.store.tables import attempts, recipients

REFERENCES: Final = 100
"""References of other attempts that are looked up: more than any number is called while a carrier is asked."""

_OTHERS = """
    SELECT reference FROM attempts INDEXED BY attempts_number
    WHERE number = ? AND id <> ? AND reference IS NOT NULL ORDER BY claimed_at DESC LIMIT ?"""
_FOUND = "SELECT detail, ended_at FROM attempts WHERE id = ? AND uid = ?"
_AMEND = "UPDATE attempts SET detail = ? WHERE id = ?"


@frozen(kw_only=True)
class OpenAttempt:
    """An attempt without an end.

    Args:
        claimed: its rows.
        campaign_id: whose it is.
        trunk: over which it went.
        state: where it stood.
        claimed_at, ringing_at, answered_at: its instants, or None.
        reference: the provider's id of the call, or None.
        provider_state: base64 of what the provider handed over, or None.
    """

    claimed: Claimed
    campaign_id: int
    trunk: str
    state: AttemptState
    claimed_at: Instant
    ringing_at: Instant | None
    answered_at: Instant | None
    reference: str | None
    provider_state: str | None


def open_attempts(connection: Connection) -> list[OpenAttempt]:
    """Return every attempt without an end, oldest first; at most as many as there were lines."""
    query = (
        select(attempts, recipients.c.group_id, recipients.c.attempts.label("consumed"), recipients.c.refunds)
        .add_columns(recipients.c.max_attempts, recipients.c.prompt, recipients.c.variables, recipients.c.metadata)
        .join(recipients, recipients.c.id == attempts.c.recipient_id)
        .where(attempts.c.ended_at.is_(None))
        .order_by(attempts.c.id)
    )
    return [
        OpenAttempt(
            claimed=Claimed(
                attempt_id=row.id,
                uid=row.uid,
                recipient_id=row.recipient_id,
                group_id=row.group_id,
                number=row.number,
                caller_id=row.caller_id,
                attempts=row.consumed,
                refunds=row.refunds,
                max_attempts=row.max_attempts,
                prompt=row.prompt,
                variables=row.variables,
                metadata=row.metadata,
            ),
            campaign_id=row.campaign_id,
            trunk=row.trunk,
            state=AttemptState(row.state),
            claimed_at=row.claimed_at,
            ringing_at=row.ringing_at,
            answered_at=row.answered_at,
            reference=row.reference,
            provider_state=row.provider_state,
        )
        for row in connection.execute(query)
    ]


def other_references(connection: Connection, number: str, attempt_id: int) -> tuple[str, ...]:
    """Return the references of other attempts to a number, the newest first, `REFERENCES` at most.

    Args:
        number: E.164.
        attempt_id: key of the attempt whose own is left out.
    """
    return tuple(row[0] for row in driver(connection).execute(_OTHERS, (number, attempt_id, REFERENCES)))


def amend(connection: Connection, attempt_id: int, uid: str, facts: str) -> bool:
    """Put facts over the detail of an attempt that has ended; return False where its end is not stored yet.

    Args:
        attempt_id: its key.
        uid: its id for the outside; nothing is done where the two do not belong together any more.
        facts: a JSON object.
    """
    dbapi = driver(connection)
    found = dbapi.execute(_FOUND, (attempt_id, uid)).fetchone()
    if found is None:  # it was pruned
        return True
    detail, ended_at = found
    if ended_at is None:
        return False
    whole = {**(msgspec.json.decode(detail) if detail else {}), **msgspec.json.decode(facts)}
    dbapi.execute(_AMEND, (msgspec.json.encode(whole).decode(), attempt_id))
    return True
