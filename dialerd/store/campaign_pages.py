"""Campaigns as doors list them: found by id, a page at a time, each with its counters and its file."""

from collections.abc import Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import ColumnElement, Connection, and_, func, select

from dialerd.model.states import CampaignState
from dialerd.store import reports
from dialerd.store.campaigns import row_of
from dialerd.store.records import CampaignRow, Totals
from dialerd.store.tables import campaigns, spool_files


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
        name: a part of its name, in capitals or not.
    """

    dialect: str | None = None
    agents: Sequence[str] = ()
    states: Sequence[CampaignState] = ()
    name: str | None = None


_VISIBLE = campaigns.c.state != CampaignState.LOADING


def by_name(connection: Connection, wanted: str) -> CampaignRow | None:
    """Return the campaign whose id or alias is `wanted`, or None; one that is loading or deleted is not found."""
    for column in (campaigns.c.uid, campaigns.c.alias):
        row = connection.execute(select(campaigns).where(column == wanted, _VISIBLE)).first()
        if row is not None:
            return row_of(row)
    return None


def one(connection: Connection, campaign_id: int) -> Listed | None:
    """Return the campaign of that key, or None where it is loading or deleted."""
    row = connection.execute(select(campaigns).where(campaigns.c.id == campaign_id, _VISIBLE)).first()
    return None if row is None else _listed(connection, [row])[0]


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
    conditions = and_(_VISIBLE, *_conditions(wanted))
    total = connection.scalar(select(func.count()).select_from(campaigns).where(conditions)) or 0
    query = select(campaigns).where(conditions).order_by(campaigns.c.id.desc()).limit(limit).offset(offset)
    if before is not None:
        query = query.where(campaigns.c.id < before)
    return _listed(connection, connection.execute(query).all()), total


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.dialect is not None:
        found.append(campaigns.c.dialect == wanted.dialect)
    if wanted.agents:
        found.append(campaigns.c.agent.in_(wanted.agents))
    if wanted.states:
        found.append(campaigns.c.state.in_(wanted.states))
    if wanted.name:
        found.append(func.instr(func.lower(campaigns.c.name), wanted.name.lower()) > 0)
    return found


def _listed(connection: Connection, rows: Sequence[Any]) -> list[Listed]:
    keys = [row.id for row in rows]
    counted = reports.totals(connection, keys)
    query = select(spool_files.c.campaign_id, spool_files.c.name).where(spool_files.c.campaign_id.in_(keys))
    files = {row.campaign_id: row.name for row in connection.execute(query)}
    return [Listed(row=row_of(row), totals=counted.get(row.id, Totals()), file=files.get(row.id)) for row in rows]
