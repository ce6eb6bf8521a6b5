"""One recipient with everything the store knows of it, for `why`."""

from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import Connection, func, select

from dialerd.model.campaign import ZoneGroup
from dialerd.model.instants import Instant
from dialerd.model.states import AttemptState, Final, Outcome, RecipientState
from dialerd.store.recipients import group
from dialerd.store.tables import attempts, recipients, suppressions


@frozen(kw_only=True)
class Tried:
    """An attempt, as `why` tells of it.

    Args:
        attempt_id: UUIDv7.
        state: where it stands.
        caller_id, trunk: over what it went.
        claimed_at, ended_at: its instants; None while it lasts.
        outcome: how it ended, or None.
        refunded: it did not count.
    """

    attempt_id: str
    state: AttemptState
    caller_id: str
    trunk: str
    claimed_at: Instant
    ended_at: Instant | None
    outcome: Outcome | None
    refunded: bool


@frozen(kw_only=True)
class Found:
    """A recipient of a campaign.

    Args:
        number: E.164.
        position: its place in the list.
        group: where the number may lie.
        state: where it stands.
        final: what became of it, or None.
        next_at: when its next attempt is due.
        attempts: attempts that counted.
        max_attempts: its own limit, or None.
        caller_id: the one that a sticky campaign keeps, or None.
        tried: its attempts, oldest first.
    """

    number: str
    position: int
    group: ZoneGroup
    state: RecipientState
    final: Final | None
    next_at: Instant
    attempts: int
    max_attempts: int | None
    caller_id: str | None
    tried: Sequence[Tried]


def suppressed_since(connection: Connection, number: str) -> Instant | None:
    """Return since when there is a do-not-call entry for a number, or None."""
    since: Instant | None = connection.scalar(
        select(func.min(suppressions.c.created_at)).where(suppressions.c.number == number)
    )
    return since


def recipient(connection: Connection, campaign_id: int, number: str) -> Found | None:
    """Return the recipient of that number in a campaign, or None."""
    row = connection.execute(
        select(recipients).where(recipients.c.number == number, recipients.c.campaign_id == campaign_id)
    ).first()
    if row is None:
        return None
    tried = connection.execute(
        select(attempts)
        .where(attempts.c.number == number, attempts.c.recipient_id == row.id)
        .order_by(attempts.c.claimed_at, attempts.c.id)
    )
    return Found(
        number=number,
        position=row.position,
        group=group(connection, row.group_id),
        state=RecipientState(row.state),
        final=Final(row.final) if row.final else None,
        next_at=row.next_at,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        caller_id=row.caller_id,
        tried=[
            Tried(
                attempt_id=one.uid,
                state=AttemptState(one.state),
                caller_id=one.caller_id,
                trunk=one.trunk,
                claimed_at=one.claimed_at,
                ended_at=one.ended_at,
                outcome=Outcome(one.outcome) if one.outcome else None,
                refunded=bool(one.refunded),
            )
            for one in tried
        ],
    )
