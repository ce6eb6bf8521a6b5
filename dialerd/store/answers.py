"""Answers to requests with an idempotency key: what was made, and what was said of it.

What a request made is noted in the very transaction that made it, so that neither a crash nor a second sender can come
between. Knows nothing of what the requests are.
"""

from attrs import frozen
from sqlalchemy import Connection

from dialerd.model.errors import KeyReused
from dialerd.model.instants import HOUR, Instant
from dialerd.model.once import Once
from dialerd.store.counters import driver

KEPT = 24 * HOUR
"""How long an answer is remembered; after that its key may be used anew."""

_CHUNK = 1_000  # rows that one pruning transaction deletes

_FORGET = "DELETE FROM answers WHERE key = ? AND created_at <= ?"
_CLAIM = "INSERT INTO answers (key, fingerprint, result, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_RESULT = """SELECT fingerprint, result, created_at, status, content_type, body FROM answers
    WHERE key = ? AND created_at > ?"""
_KEEP = """UPDATE answers SET status = ?, content_type = ?, body = ?
    WHERE key = ? AND fingerprint = ? AND status IS NULL"""
_PRUNE = """DELETE FROM answers WHERE key IN (SELECT key FROM answers WHERE created_at <= ? LIMIT ?)"""


@frozen(kw_only=True)
class AnswerRow:
    """What is known of a key.

    Args:
        fingerprint: of the request.
        result: JSON text: what it made.
        created_at: when.
        status, content_type, body: what was answered; None where that is not known.
    """

    fingerprint: str
    result: str
    created_at: Instant
    status: int | None
    content_type: str | None
    body: str | None


def claim(connection: Connection, once: Once, result_json: str, now: Instant) -> None:
    """Note what a request makes, in the transaction that makes it.

    Args:
        once: the request.
        result_json: JSON text by which what was made is found again.
        now: the present instant.

    Raises:
        KeyReused: the key was used already; the transaction must not be committed.
    """
    dbapi = driver(connection)
    dbapi.execute(_FORGET, (once.key, now - KEPT))
    if not dbapi.execute(_CLAIM, (once.key, once.fingerprint, result_json, now)).rowcount:
        raise KeyReused(f"the idempotency key {once.key!r} was used already; use a new one for each request")


def result(connection: Connection, key: str, *, now: Instant) -> AnswerRow | None:
    """Return what is known of a key, or None where it is new or forgotten."""
    row = driver(connection).execute(_RESULT, (key, now - KEPT)).fetchone()
    if row is None:
        return None
    fingerprint, made, created_at, status, content_type, body = row
    return AnswerRow(
        fingerprint=fingerprint,
        result=made,
        created_at=created_at,
        status=status,
        content_type=content_type,
        body=body,
    )


def keep(connection: Connection, once: Once, status: int, content_type: str, body: str) -> None:
    """Note what was answered, unless that is known already or nothing was made."""
    driver(connection).execute(_KEEP, (status, content_type, body, once.key, once.fingerprint))


def prune_some(connection: Connection, *, now: Instant) -> bool:
    """Forget some of the answers that are old; return whether there may be more."""
    return driver(connection).execute(_PRUNE, (now - KEPT, _CHUNK)).rowcount == _CHUNK
