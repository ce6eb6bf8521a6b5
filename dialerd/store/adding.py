"""Additions: recipients on their way into a campaign that is there already.

Few are stored straight into it, in one transaction. Many are stored batch by batch in a campaign of their own, in state
`loading`, which nothing else sees and which a start discards like any intake that was cut off. Once they are whole, one
transaction writes into `adds_to` where they are to go: from then on they will go there, whatever happens, and the
campaign that waits for them cannot end before. They are moved in chunks, and the empty campaign is deleted with the
last. Knows nothing of files.
"""

from collections.abc import Iterable
from enum import Enum, auto

from attrs import frozen
from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from dialerd.model.errors import NotFound, WrongState
from dialerd.model.instants import Instant
from dialerd.model.states import CampaignState
from dialerd.store import recipients
from dialerd.store.counters import add_totals, driver
from dialerd.store.records import Duplicate, RecipientBatch

OPEN = (CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.PAUSED)
"""States of campaigns to which recipients may be added."""

_CHUNK = 2_000  # rows moved in one transaction, for which dispatch waits

_BEGIN = """INSERT INTO campaigns (uid, name, agent, state, spec, timezone, created_at, state_at)
    SELECT ?1, '', agent, 'loading', spec, timezone, ?2, ?2 FROM campaigns WHERE id = ?3"""
_COUNT = "INSERT INTO totals (campaign_id, changed_at) VALUES (?, ?)"
_PUBLISH = "UPDATE campaigns SET adds_to = ? WHERE id = ? AND state = 'loading'"
_STATE = "SELECT state, uid FROM campaigns WHERE id = ?"
_LOADED = "SELECT recipients FROM totals WHERE campaign_id = ?"
# few campaigns are in loading, and the index of the open ones leads to them
_UNDER_WAY = """SELECT id, adds_to FROM campaigns
    WHERE state = 'loading' AND ended_at IS NULL AND adds_to IS NOT NULL ORDER BY id"""
_TARGET = "SELECT adds_to FROM campaigns WHERE id = ? AND state = 'loading' AND adds_to IS NOT NULL"
_GIVE_UP = "UPDATE campaigns SET adds_to = NULL WHERE id = ?"
_SOME = "SELECT min(id), max(id) FROM (SELECT id FROM recipients WHERE campaign_id = ? ORDER BY id LIMIT ?)"
_MOVE = "UPDATE OR IGNORE recipients SET campaign_id = ?, next_at = ? WHERE campaign_id = ? AND id BETWEEN ? AND ?"
_DROP = "DELETE FROM recipients WHERE campaign_id = ? AND id BETWEEN ? AND ?"
_END = ("DELETE FROM totals WHERE campaign_id = ?", "DELETE FROM campaigns WHERE id = ?")


class Step(Enum):
    """What one step of a move came to."""

    MOVED = auto()
    """There may be more to move."""
    DONE = auto()
    """Everything is where it belongs."""
    LOST = auto()
    """The campaign is no more; what is left is to be discarded like an intake that was cut off."""


@frozen(kw_only=True)
class Moved:
    """What one step of a move did.

    Args:
        step: what it came to.
        rows: how many recipients it moved.
        dropped: how many stood in the campaign already.
    """

    step: Step
    rows: int = 0
    dropped: int = 0


def check_open(state: str, campaign: str) -> None:
    """Look that recipients may be added to a campaign.

    Args:
        state: where it stands.
        campaign: its id.

    Raises:
        NotFound: it is being deleted.
        WrongState: it is over.
    """
    if state == CampaignState.LOADING:
        raise NotFound(f"there is no campaign {campaign} any more")
    if state not in OPEN:
        raise WrongState(f"campaign {campaign} is {state}: recipients can be added only before a campaign is over")


def _check(connection: Connection, campaign_id: int) -> CampaignState:
    found = driver(connection).execute(_STATE, (campaign_id,)).fetchone()
    if found is None:
        raise NotFound("the campaign was deleted meanwhile")
    check_open(*found)
    return CampaignState(found[0])


def _due_at(state: str, now: Instant) -> Instant:
    """Return when those who come later are due: behind whoever waits for a retry by then, who would never be next."""
    return 0 if state in (CampaignState.DRAFT, CampaignState.SCHEDULED) else now


def add(
    connection: Connection, campaign_id: int, batches: Iterable[RecipientBatch], *, now: Instant
) -> tuple[Duplicate, ...]:
    """Store batches straight into an open campaign, 2,000 rows in all; return those that stand there already.

    Raises:
        NotFound, WrongState: see `check_open`; nothing is stored.
    """
    due_at = _due_at(_check(connection, campaign_id), now)
    after = recipients.highest(connection)
    duplicates: list[Duplicate] = []
    for batch in batches:
        duplicates += recipients.add(connection, campaign_id, batch, after=after, due_at=due_at)
    return tuple(duplicates)


def begin(connection: Connection, campaign_id: int, *, now: Instant) -> int:
    """Begin a large addition to a campaign and return its key; nobody sees it.

    Raises:
        NotFound, WrongState: see `check_open`.
    """
    _check(connection, campaign_id)
    dbapi = driver(connection)
    key = dbapi.execute(_BEGIN, (str(uuid7()), now, campaign_id)).lastrowid
    assert key is not None
    dbapi.execute(_COUNT, (key, now))
    return key


def publish(connection: Connection, key: int, campaign_id: int) -> int:
    """Let an addition that is whole go to its campaign, from now on whatever happens; return how many people it has.

    Args:
        key: the addition.
        campaign_id: where it goes.

    Raises:
        NotFound, WrongState: see `check_open`; it is to be discarded.
    """
    _check(connection, campaign_id)
    dbapi = driver(connection)
    published = dbapi.execute(_PUBLISH, (campaign_id, key)).rowcount
    assert published == 1, "only what is being loaded can be published"
    count: int = dbapi.execute(_LOADED, (key,)).fetchone()[0]
    return count


def under_way(connection: Connection) -> list[tuple[int, int]]:
    """Return the additions that are published and not moved to their end, each with the campaign that it goes to."""
    return [(row[0], row[1]) for row in driver(connection).execute(_UNDER_WAY)]


def is_expected(connection: Connection, campaign_id: int) -> bool:
    """Tell whether recipients are on their way to a campaign."""
    return any(target == campaign_id for _, target in under_way(connection))


def move_some(connection: Connection, key: int, *, now: Instant) -> Moved:
    """Move up to a chunk of a published addition to its campaign; with the last of it the addition is deleted."""
    dbapi = driver(connection)
    found = dbapi.execute(_TARGET, (key,)).fetchone()
    if found is None:
        return Moved(step=Step.DONE)
    target = found[0]
    state = dbapi.execute(_STATE, (target,)).fetchone()
    if state is None or (state[0] not in OPEN and not _is_winding_up(connection, target)):
        dbapi.execute(_GIVE_UP, (key,))
        return Moved(step=Step.LOST)
    first, last = dbapi.execute(_SOME, (key, _CHUNK)).fetchone()
    if first is None:
        for statement in _END:
            dbapi.execute(statement, (key,))
        return Moved(step=Step.DONE)
    moved = dbapi.execute(_MOVE, (target, _due_at(state[0], now), key, first, last)).rowcount
    dropped = dbapi.execute(_DROP, (key, first, last)).rowcount
    if moved:
        add_totals(dbapi, target, {"recipients": moved}, now)
    add_totals(dbapi, key, {"recipients": -moved - dropped}, now)
    return Moved(step=Step.MOVED, rows=moved, dropped=dropped)


def _is_winding_up(connection: Connection, campaign_id: int) -> bool:
    """Tell whether a campaign was cancelled and has not ended: its recipients are being ended, the new ones too."""
    query = "SELECT 1 FROM campaigns WHERE id = ? AND state = 'cancelled' AND ended_at IS NULL"
    return driver(connection).execute(query, (campaign_id,)).fetchone() is not None
