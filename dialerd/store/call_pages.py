"""Calls as doors show them: one by its id, and pages of many, each of which looks at a bounded number of rows.

Knows nothing of calls in progress beyond what is stored of them.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

import msgspec
from attrs import frozen
from sqlalchemy import Connection

from dialerd.model.call_view import CallResult, CallView
from dialerd.model.states import AnsweredBy, AttemptState, Outcome
from dialerd.model.structuring import structure
from dialerd.model.unstructuring import unstructure
from dialerd.store.counters import driver
from dialerd.store.scanning import Row, cursor_of, place_of, scan

SCANNED: Final = 1_000
"""Rows that a page looks at: some ten milliseconds of a reader."""

_CALL: Final = (
    "a.id, a.uid, a.number, a.caller_id, a.trunk, a.state, a.claimed_at, a.ringing_at, a.answered_at, a.ended_at, "
    "a.outcome, a.refunded, a.cause, a.answered_by, a.digits, a.reference, a.detail, a.result, a.campaign_id"
)
_UID: Final = "(SELECT uid FROM campaigns WHERE id = a.campaign_id)"
_COLUMNS: Final = f"{_CALL}, {_UID}"
_ONE: Final = f"SELECT {_COLUMNS} FROM attempts AS a WHERE uid = ?"
_OF_RECIPIENT: Final = f"""
    SELECT {_COLUMNS} FROM attempts AS a WHERE number = ? AND recipient_id = ? ORDER BY claimed_at, id"""
# Rows come one by one in the order of an index, so that no more are read than are wanted. Which index is said outright:
# with another one, the same rows would be searched for among all that there are.
_NEWEST: Final = f"SELECT {_COLUMNS} FROM attempts AS a NOT INDEXED WHERE id < ? ORDER BY id DESC"
_OPEN: Final = f"""
    SELECT {_COLUMNS} FROM attempts AS a INDEXED BY attempts_open WHERE ended_at IS NULL AND id < ? ORDER BY id DESC"""
_OF_NUMBER: Final = f"""
    SELECT {_COLUMNS} FROM attempts AS a INDEXED BY attempts_number
    WHERE number = ? AND (claimed_at, id) < (?, ?) ORDER BY claimed_at DESC, id DESC"""
_OPEN_OF_CAMPAIGN: Final = f"""
    SELECT {_COLUMNS}, a.recipient_id FROM attempts AS a INDEXED BY attempts_open
    WHERE campaign_id = ? AND ended_at IS NULL AND (recipient_id, id) > (?, ?) ORDER BY recipient_id, id"""
_OF_CAMPAIGN: Final = f"""
    SELECT {_COLUMNS}, r.id
    FROM recipients AS r INDEXED BY recipients_campaign LEFT JOIN attempts AS a INDEXED BY attempts_number
        ON a.number = r.number AND a.recipient_id = r.id
    WHERE r.campaign_id = ? AND r.id >= ? ORDER BY r.id, a.id"""
_REPORT: Final = "UPDATE attempts SET result = ? WHERE uid = ?"
_LAST: Final = 1 << 62  # beyond every key and every instant


@frozen(kw_only=True)
class StoredCall:
    """A call with its key inside the store, by which the calls in progress are known.

    Args:
        key: the attempt's.
        view: the call as it is stored.
    """

    key: int
    view: CallView


@frozen(kw_only=True)
class Wanted:
    """Which calls a page is to hold.

    Args:
        campaign_id: key of their campaign; None = of any.
        number: called number; None = any.
        state: where they stand; None = anywhere.
        outcome: how they ended; None = any, also those that go on.
        phases: where calls in progress stand by now, by key.
    """

    campaign_id: int | None = None
    number: str | None = None
    state: AttemptState | None = None
    outcome: Outcome | None = None
    phases: Mapping[int, AttemptState] | None = None

    @property
    def open(self) -> bool:
        """Whether only calls without a stored end are wanted."""
        return self.state is not None and self.state is not AttemptState.ENDED

    def suits(self, row: Row) -> bool:
        """Tell whether a row is wanted, as far as the query does not see to it."""
        if self.campaign_id is not None and row[18] != self.campaign_id:
            return False
        if self.outcome is not None and row[10] != self.outcome:
            return False
        if self.state is None:
            return True
        return (self.phases or {}).get(row[0], row[5]) == self.state if row[9] is None else not self.open


def one(connection: Connection, uid: str) -> StoredCall | None:
    """Return the call of that id, or None."""
    row = driver(connection).execute(_ONE, (uid,)).fetchone()
    return None if row is None else _stored(row)


def of_recipient(connection: Connection, number: str, recipient_id: int) -> list[StoredCall]:
    """Return the calls to a recipient, oldest first."""
    return [_stored(row) for row in driver(connection).execute(_OF_RECIPIENT, (number, recipient_id))]


def report(connection: Connection, uid: str, result: CallResult) -> StoredCall | None:
    """Keep an agent's report of a call in place of an earlier one, and return the call; None = there is none."""
    text = msgspec.json.encode(unstructure(result)).decode()
    driver(connection).execute(_REPORT, (text, uid))
    return one(connection, uid)


def page(
    connection: Connection, wanted: Wanted, *, limit: int, after: str | None = None
) -> tuple[list[StoredCall], str | None]:
    """Return calls and where to go on; None = there are no more.

    Newest first, but those of one campaign, without a number, in the order of its recipients. A page may hold fewer
    than `limit` calls though more follow.

    Args:
        wanted: which.
        limit: how many at most.
        after: where the page before ended; None = the first page.

    Raises:
        BadCursor: `after` is not what a page of these calls has given.
    """
    dbapi = driver(connection)
    values: tuple[Any, ...]
    if wanted.number is not None:
        values = (wanted.number, *(place_of(after, 2) or (_LAST, _LAST)))
        return _fill(dbapi, _OF_NUMBER, values, wanted, limit=limit, place=lambda row: (row[6], row[0]))
    if wanted.campaign_id is None:
        query, values = _OPEN if wanted.open else _NEWEST, place_of(after, 1) or (_LAST,)
        return _fill(dbapi, query, values, wanted, limit=limit, place=lambda row: (row[0],))
    first, done = place_of(after, 2) or (0, _LAST)
    if wanted.open:
        values = (wanted.campaign_id, first, done)  # of the first page: (0, …), before every recipient
        return _fill(dbapi, _OPEN_OF_CAMPAIGN, values, wanted, limit=limit, place=lambda row: (row[-1], row[0]))
    return _fill(
        dbapi,
        _OF_CAMPAIGN,
        (wanted.campaign_id, first),
        wanted,
        limit=limit,
        place=lambda row: (row[-1], row[0] or 0),
        # a recipient's calls may be parted by the end of a page
        told=lambda row: row[-1] == first and (row[0] or 0) <= done,
    )


def _fill(
    dbapi: sqlite3.Connection,
    query: str,
    values: Sequence[Any],
    wanted: Wanted,
    *,
    limit: int,
    place: Callable[[Row], tuple[int, ...]],
    told: Callable[[Row], bool] = lambda _: False,
) -> tuple[list[StoredCall], str | None]:
    """Take rows until there are enough, or enough were looked at."""
    with closing(dbapi.execute(query, values)) as rows:
        found, last = scan(
            rows, lambda row: row[0] is not None and not told(row) and wanted.suits(row), limit=limit, most=SCANNED
        )
    return [_stored(row) for row in found], None if last is None else cursor_of(*place(last))


def _stored(row: Row) -> StoredCall:
    key, uid, number, caller_id, trunk, state, claimed_at, ringing_at, answered_at, ended_at = row[:10]
    outcome, refunded, cause, answered_by, digits, reference, detail, result, _, campaign = row[10:20]
    lasted = None if answered_at is None or ended_at is None else max(0, ended_at - answered_at) / 1_000
    view = CallView(
        id=uid,
        campaign_id=campaign or "",  # a campaign that was pruned takes its calls with it
        number=number,
        caller_id=caller_id,
        trunk=trunk,
        state=AttemptState(state),
        claimed_at=claimed_at,
        ringing_at=ringing_at,
        answered_at=answered_at,
        ended_at=ended_at,
        outcome=Outcome(outcome) if outcome else None,
        counted=not refunded,
        cause=msgspec.json.decode(cause) if cause else None,
        answered_by=AnsweredBy(answered_by) if answered_by else None,
        digits=digits,
        talk_s=lasted,
        reference=reference,
        detail=msgspec.json.decode(detail) if detail else {},
        result=structure(msgspec.json.decode(result), CallResult) if result else None,
    )
    return StoredCall(key=key, view=view)
