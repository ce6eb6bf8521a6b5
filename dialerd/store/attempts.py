"""Attempts without an end: what a former life left open."""

from attrs import frozen
from sqlalchemy import Connection, select

from dialerd.model.instants import Instant
from dialerd.model.states import AttemptState
from dialerd.store.claiming import Claimed
from dialerd.store.tables import attempts, recipients


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
