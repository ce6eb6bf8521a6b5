"""Recipients as doors show them: one by its number, and pages of a campaign, each of a bounded number of rows.

The order is that of the keys: of the list in which they came, and of the lists in the order in which they were added.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

import msgspec
from attrs import frozen
from sqlalchemy import Connection

from dialerd.model.call_view import RecipientView
from dialerd.model.states import Final as Word
from dialerd.model.states import RecipientState
from dialerd.store import call_pages, campaign_pages
from dialerd.store.call_pages import StoredCall
from dialerd.store.counters import driver
from dialerd.store.scanning import Row, cursor_of, place_of, scan

SCANNED: Final = 5_000
"""Rows that a page looks at: some milliseconds of a reader."""

_COLUMNS: Final = "id, number, position, state, final, next_at, attempts, max_attempts, prompt, variables, metadata"
# the order of the index is that of the keys, so that no more rows are read than are wanted
_PAGE: Final = f"""
    SELECT {_COLUMNS} FROM recipients INDEXED BY recipients_campaign
    WHERE campaign_id = ? AND id > ? ORDER BY id"""
_ONE: Final = f"SELECT {_COLUMNS} FROM recipients WHERE number = ? AND campaign_id = ?"


@frozen(kw_only=True)
class StoredRecipient:
    """A recipient, and its calls where they were asked for.

    Args:
        view: the recipient, without its calls.
        calls: its calls, oldest first; None where they were not asked for.
    """

    view: RecipientView
    calls: Sequence[StoredCall] | None = None


def one(connection: Connection, campaign_id: int, uid: str, number: str) -> StoredRecipient | None:
    """Return the recipient of that number with its calls, or None.

    Args:
        campaign_id, uid: its campaign's key and id.
        number: E.164.
    """
    row = driver(connection).execute(_ONE, (number, campaign_id)).fetchone()
    return None if row is None else _stored(connection, row, uid, calls=True)


def page(
    connection: Connection,
    campaign_id: int,
    uid: str,
    *,
    state: RecipientState | None = None,
    final: Word | None = None,
    limit: int,
    after: str | None = None,
    calls: bool = False,
) -> tuple[list[StoredRecipient], str | None]:
    """Return recipients of a campaign and where to go on; None = there are no more.

    A page may hold fewer than `limit` though more follow.

    Args:
        campaign_id, uid: their campaign's key and id.
        state: where they stand; None = anywhere.
        final: what became of them; None = whatever it was.
        limit: how many at most.
        after: where the page before ended; None = the first page.
        calls: whether their calls are wanted.

    Raises:
        BadCursor: `after` is not what a page has given.
    """
    found, place = _rows(driver(connection), (campaign_id, *(place_of(after, 1) or (0,))), state, final, limit)
    return [_stored(connection, row, uid, calls=calls) for row in found], place


def page_of(connection: Connection, campaign: str, /, **wanted: Any) -> tuple[list[StoredRecipient], str | None] | None:
    """Return `page` of the campaign whose id or alias is `campaign`, or None where there is none.

    Args:
        campaign: id or alias.
        wanted: see `page`.

    Raises:
        BadCursor: see `page`.
    """
    row = campaign_pages.by_name(connection, campaign)
    return None if row is None else page(connection, row.id, row.uid, **wanted)


def _rows(
    dbapi: sqlite3.Connection, values: tuple[int, ...], state: RecipientState | None, final: Word | None, limit: int
) -> tuple[list[Row], str | None]:
    """Take rows until there are enough, or enough were looked at."""

    def wanted(row: Row) -> bool:
        return (state is None or row[3] == state) and (final is None or row[4] == final)

    with closing(dbapi.execute(_PAGE, values)) as rows:
        found, last = scan(rows, wanted, limit=limit, most=SCANNED)
    return found, None if last is None else cursor_of(last[0])


def _stored(connection: Connection, row: Row, uid: str, *, calls: bool) -> StoredRecipient:
    key, number, position, state, final, next_at, attempts, max_attempts, prompt, variables, metadata = row
    view = RecipientView(
        number=number,
        campaign_id=uid,
        position=position,
        state=RecipientState(state),
        final=Word(final) if final else None,
        # a fresh one is due as soon as its campaign is
        next_at=next_at if next_at and state == RecipientState.PENDING else None,
        attempts=attempts,
        max_attempts=max_attempts,
        prompt=prompt,
        variables=msgspec.json.decode(variables) if variables else {},
        metadata=msgspec.json.decode(metadata) if metadata else {},
    )
    return StoredRecipient(view=view, calls=call_pages.of_recipient(connection, number, key) if calls else None)
