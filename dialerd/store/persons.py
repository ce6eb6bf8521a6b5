"""What is known of called numbers over all campaigns: do-not-call entries and recent calls."""

import sqlite3
from collections.abc import Iterable
from typing import Final

import msgspec

from dialerd.model.instants import DAY, WEEK, Duration, Instant
from dialerd.rules.gate import PastCall, Person

LOOK_BACK: Final[Duration] = WEEK + DAY
"""How long ago a call may have begun that still counts: the longest rest (a week) after the longest call (a day)."""

_CALLS = """
    SELECT number, claimed_at, ended_at FROM attempts
    WHERE number IN (SELECT value FROM json_each(?)) AND claimed_at > ? AND NOT refunded
    ORDER BY number, claimed_at"""
_SUPPRESSED = """
    SELECT number, max(expires_at) FROM suppressions
    WHERE number IN (SELECT value FROM json_each(?)) AND scope IN ('all', ?, ?) AND expires_at > ?
    GROUP BY number"""


def of_numbers(
    dbapi: sqlite3.Connection, numbers: Iterable[str], *, agent: str, campaign: str, now: Instant
) -> dict[str, Person]:
    """Return what is known of each of `numbers`.

    Args:
        dbapi: the driver's connection, inside a transaction.
        numbers: E.164.
        agent: name of the agent, whose suppressions count.
        campaign: id of the campaign, whose suppressions count.
        now: the present instant.
    """
    wanted = list(numbers)
    text = msgspec.json.encode(wanted).decode()
    calls: dict[str, list[PastCall]] = {}
    for number, started_at, ended_at in dbapi.execute(_CALLS, (text, now - LOOK_BACK)):
        calls.setdefault(number, []).append(PastCall(started_at, ended_at))
    scopes = (scope_of_agent(agent), scope_of_campaign(campaign))
    until: dict[str, Instant] = dict(dbapi.execute(_SUPPRESSED, (text, *scopes, now)).fetchall())
    return {number: Person(suppressed_until=until.get(number), calls=tuple(calls.get(number, ()))) for number in wanted}


def scope_of_agent(agent: str) -> str:
    """Return the stored scope of a do-not-call entry that concerns one agent."""
    return f"agent:{agent}"


def scope_of_campaign(campaign: str) -> str:
    """Return the stored scope of a do-not-call entry that concerns one campaign."""
    return f"campaign:{campaign}"
