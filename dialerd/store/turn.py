"""The turn: the dispatcher's one transaction, which stores what has ended and claims what is next."""

from collections import Counter
from collections.abc import Callable, Sequence

from attrs import frozen
from sqlalchemy import Connection

from dialerd.model.instants import Instant
from dialerd.model.settings import PersonSettings
from dialerd.store.claiming import Answer, Ask, claim
from dialerd.store.counters import add_day_counts, driver
from dialerd.store.ending import Ended, Progress, store_ended, store_progress


@frozen(kw_only=True)
class Turn:
    """What one turn stores and wants.

    Args:
        ended: attempts that are over.
        progress: news of calls that go on.
        asks: wishes to claim, for lines that are held.
        enter: stores do-not-call entries, between the ends and the claims; None = there are none.
        limits: what one called number may bear.
        now: the present instant.
    """

    ended: Sequence[Ended] = ()
    progress: Sequence[Progress] = ()
    asks: Sequence[Ask] = ()
    enter: Callable[[Connection], None] | None = None
    limits: PersonSettings
    now: Instant


def take(connection: Connection, turn: Turn) -> list[Answer]:
    """Store what has ended, then claim what is asked for; return one answer an ask."""
    dbapi = driver(connection)
    counts: Counter[tuple[str, str]] = Counter()
    if turn.progress:
        store_progress(dbapi, turn.progress)
    if turn.ended:
        store_ended(dbapi, turn.ended, counts, turn.now)
    if turn.enter is not None:
        turn.enter(connection)
    taken: dict[str, Instant] = {}
    answers = [claim(dbapi, ask, taken=taken, counts=counts, limits=turn.limits, now=turn.now) for ask in turn.asks]
    add_day_counts(dbapi, counts)
    return answers
