"""Campaigns as doors list them: found by id, a page at a time, each with its counters and its file."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from attrs import frozen
from sqlalchemy import Connection

from dialerd.model.states import CampaignState
from dialerd.store.campaigns import COLUMNS, FIELDS, row_of
from dialerd.store.counters import driver
from dialerd.store.records import CampaignRow, Totals
from dialerd.store.reports import COUNTS, totals_of


@frozen(kw_only=True)
class Listed:
    """A campaign of a list.

    Args:
        row: as it is stored.
        totals: its counters.
        file: name of the spool file that it came from, or None.
    """

    row: CampaignRow
    totals: Totals
    file: str | None


@frozen(kw_only=True)
class Filter:
    """Which campaigns are wanted; what is None or empty does not filter.

    Args:
        dialect: the dialect in which it was ordered.
        agents: names and ids of an agent, any of which a campaign may have written.
        states: any of them.
        name: its name.
    """

    dialect: str | None = None
    agents: Sequence[str] = ()
    states: Sequence[CampaignState] = ()
    name: str | None = None


_LISTED: Final = f"""
    SELECT (SELECT f.name FROM spool_files AS f WHERE f.campaign_id = c.id), {FIELDS}, {COUNTS}
    FROM campaigns AS c JOIN totals AS t ON t.campaign_id = c.id WHERE c.state <> 'loading' AND """
_ROW: Final = f"SELECT {FIELDS} FROM campaigns AS c WHERE c.state <> 'loading' AND "
_LAST: Final = 2**63 - 1  # SQLite's largest key
_NAMES: Final = ("c.uid = ?", "c.alias = ?")
_END: Final = 1 + len(COLUMNS)  # of a campaign's columns in `_LISTED`


def by_name(connection: Connection, wanted: str) -> CampaignRow | None:
    """Return the campaign whose id or alias is `wanted`, or None; one that is loading or deleted is not found."""
    for named in _NAMES:
        if (row := driver(connection).execute(_ROW + named, (wanted,)).fetchone()) is not None:
            return row_of(row)
    return None


def one_by_name(connection: Connection, wanted: str) -> Listed | None:
    """Return what `by_name` does, with its counters and its file."""
    for named in _NAMES:
        if (row := driver(connection).execute(_LISTED + named, (wanted,)).fetchone()) is not None:
            return _listed(row)
    return None


def one(connection: Connection, campaign_id: int) -> Listed | None:
    """Return the campaign of that key, or None where it is loading or deleted."""
    row = driver(connection).execute(f"{_LISTED} c.id = ?", (campaign_id,)).fetchone()
    return None if row is None else _listed(row)


def page(
    connection: Connection, wanted: Filter, *, limit: int, offset: int = 0, before: int | None = None
) -> tuple[list[Listed], int]:
    """Return some campaigns, latest first, and how many there are in all.

    Args:
        wanted: which.
        limit: at most so many.
        offset: how many of them are passed over.
        before: only those that are older than the one of this key; they count in the total all the same.
    """
    dbapi = driver(connection)
    conditions, values = _conditions(wanted)
    (total,) = dbapi.execute(f"SELECT count(*) FROM campaigns AS c WHERE {conditions}", values).fetchone()
    query = f"{_LISTED} c.id < ? AND {conditions} ORDER BY c.id DESC LIMIT ? OFFSET ?"
    rows = dbapi.execute(query, (_LAST if before is None else before, *values, limit, offset))
    return [_listed(row) for row in rows], total


def _conditions(wanted: Filter) -> tuple[str, list[str]]:
    """Return the conditions as SQL text, and the values of its question marks."""
    found, values = ["c.state <> 'loading'"], []
    if wanted.dialect is not None:
        found.append("c.dialect = ?")
        values.append(wanted.dialect)
    for column, words in (("agent", wanted.agents), ("state", wanted.states)):
        if words:
            found.append(f"c.{column} IN (SELECT value FROM json_each(?))")
            values.append(msgspec.json.encode(list(words)).decode())
    if wanted.name:
        found.append("c.name = ?")
        values.append(wanted.name)
    return " AND ".join(found), values


def _listed(row: Sequence[Any]) -> Listed:
    return Listed(row=row_of(row[1:_END]), totals=totals_of(row[_END:]), file=row[0])
