"""Recipients who wait for their next try, judged anew because their campaign's retry policy has changed."""

from collections.abc import Callable

from sqlalchemy import Connection

from dialerd.model.instants import Instant
from dialerd.model.states import Final, Outcome
from dialerd.rules.retry import Done, RetryAt
from dialerd.store.counters import add_totals, driver
from dialerd.store.sets import SetStatement

Judge = Callable[[Outcome, int, int | None, Instant], RetryAt | Done]
"""Returns what follows an attempt by its outcome, the attempts that counted, the recipient's own limit, and its end."""

_SCANNED = 5_000  # recipients looked at in one transaction, for which dispatch waits; few of them wait for a retry

_PAGE = """SELECT max(id) FROM (SELECT id FROM recipients INDEXED BY recipients_campaign
    WHERE campaign_id = ? AND id > ? ORDER BY id LIMIT ?)"""
_WAITING = """
    SELECT r.id, r.attempts, r.max_attempts, a.outcome, a.ended_at
    FROM recipients AS r INDEXED BY recipients_campaign JOIN attempts AS a ON a.id = (
        SELECT id FROM attempts INDEXED BY attempts_number
        WHERE number = r.number AND recipient_id = r.id AND NOT refunded AND ended_at IS NOT NULL
        ORDER BY claimed_at DESC, id DESC LIMIT 1)
    WHERE r.campaign_id = ? AND r.id > ? AND r.id <= ? AND r.state = 'pending' AND r.attempts > 0"""
_AGAIN = SetStatement(
    """WITH h(id, next_at) AS (VALUES {rows})
    UPDATE recipients SET next_at = h.next_at FROM h WHERE recipients.id = h.id""",
    2,
)
_DONE = SetStatement("UPDATE recipients SET state = 'done', final = ? WHERE id IN (VALUES {rows})", 1)


def rejudge_some(connection: Connection, campaign_id: int, after_id: int, judge: Judge, *, now: Instant) -> int | None:
    """Judge some of those who wait for a retry.

    Args:
        campaign_id: whose recipients.
        after_id: what the step before returned, 0 for the first.
        judge: says what follows their last attempt by now.
        now: the present instant.

    Returns:
        Where to go on; None = there are no more.
    """
    dbapi = driver(connection)
    last_id: int | None = dbapi.execute(_PAGE, (campaign_id, after_id, _SCANNED)).fetchone()[0]
    if last_id is None:
        return None
    again: list[tuple[int, Instant]] = []
    done: dict[Final, list[tuple[int]]] = {}
    for key, attempts, limit, outcome, ended_at in dbapi.execute(_WAITING, (campaign_id, after_id, last_id)).fetchall():
        # a phone that rang when it was hung up on was not reached
        ended = Outcome.NO_ANSWER if outcome == Outcome.CANCELLED else Outcome(outcome)
        step = judge(ended, attempts, limit, ended_at)
        if isinstance(step, Done):
            done.setdefault(step.final, []).append((key,))
        else:
            again.append((key, step.at))
    if again:
        _AGAIN.run(dbapi, again)
    for final, keys in done.items():
        _DONE.run(dbapi, keys, final)
    if done:
        add_totals(dbapi, campaign_id, {f"final_{final}": len(keys) for final, keys in done.items()}, now)
    return last_id
