"""The daemon's figures, for whoever watches it: counted by the engine and the store, put together when asked for.

Knows nothing of the form in which they are shown.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import trio
from attrs import frozen
from sqlalchemy import Connection

from dialerd.model.histogram import Histogram
from dialerd.operations.callbacks import CallbackOperations
from dialerd.operations.events import Events
from dialerd.operations.ground import Ground
from dialerd.rules.breaker import BreakerState
from dialerd.store import notices
from dialerd.store.queue import open_counts

_STALE_S: Final = 5.0  # for so long what the store says is not asked for again


@frozen(kw_only=True)
class TrunkFigures:
    """How a trunk stands.

    Args:
        used: lines in use.
        most: its limit.
        up: its provider is there.
        resting: it fails, and is tried now and then only.
    """

    used: int
    most: float
    up: bool
    resting: bool


@frozen(kw_only=True)
class Look:
    """The figures at an instant.

    Args:
        calls: ended calls of this life of the daemon, by trunk and outcome.
        refunded: how many of them did not count, because nothing rang.
        delays: seconds from the instant at which somebody could have been rung to that at which the call left.
        commits: seconds that transactions took.
        trunks: by name.
        campaigns: how many are not over, by state.
        pending: recipients who wait, by their campaign's state.
        unread: notices that plugins have not been told yet, by plugin.
        followers: how many follow events.
        callbacks: requests of carriers in this life of the daemon, by trunk and status of the answer.
    """

    calls: Mapping[tuple[str, str], int]
    refunded: int
    delays: Histogram
    commits: Histogram
    trunks: Mapping[str, TrunkFigures]
    campaigns: Mapping[str, int]
    pending: Mapping[str, int]
    unread: Mapping[str, int]
    followers: int
    callbacks: Mapping[tuple[str, int], int]


Stored = tuple[Sequence[tuple[str, int, int]], dict[str, int]]


class Metrics:
    """Puts the figures together.

    Args:
        ground: what it stands on.
        events: whose followers are counted.
        callbacks: whose requests are counted.
    """

    def __init__(self, ground: Ground, events: Events, callbacks: CallbackOperations) -> None:
        self._ground = ground
        self._events = events
        self._callbacks = callbacks
        self._stored: Stored = ((), {})
        self._asked_s: float | None = None
        self._asking = trio.Lock()

    async def look(self) -> Look:
        """Return the figures.

        Raises:
            StoreError: those of the store cannot be read.
        """
        async with self._asking:
            if self._asked_s is None or trio.current_time() - self._asked_s >= _STALE_S:
                self._stored = await self._ground.store.read(_stored)
                self._asked_s = trio.current_time()
        engine = self._ground.engine
        counts, unread = self._stored
        return Look(
            calls=engine.figures.calls,
            refunded=engine.figures.refunded,
            delays=engine.figures.delays,
            commits=self._ground.store.commits,
            trunks={
                name: TrunkFigures(
                    used=trunk.limit.used,
                    most=trunk.limit.total,
                    up=trunk.provider is not None,
                    resting=trunk.breaker.state is not BreakerState.CLOSED,
                )
                for name, trunk in engine.lines.trunks.items()
            },
            campaigns={state: campaigns for state, campaigns, _ in counts},
            pending={state: pending for state, _, pending in counts},
            unread=unread,
            followers=self._events.followers,
            callbacks=self._callbacks.counts,
        )


def _stored(connection: Connection) -> Stored:
    return open_counts(connection), notices.backlog(connection)
