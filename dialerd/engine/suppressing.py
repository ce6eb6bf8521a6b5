"""Do-not-call entries at work: when one is entered, no call that it concerns leaves any more.

Calls that are claimed already are kept back from memory, see `dialerd.engine.withheld`; claims that come later see the
entry itself. What called persons ask for themselves comes in here as well: while they are on the phone (`opt_out`), or
with the end of their call (`opt_out_soon`), and then its entry is stored in the transaction of that end.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Final

import trio
from attrs import evolve
from sqlalchemy import Connection

from dialerd.engine.clock import Clock
from dialerd.engine.dispatcher import Dispatcher
from dialerd.engine.live import LiveCall
from dialerd.engine.notices import suppression_added
from dialerd.engine.registry import Registry
from dialerd.engine.telling import Telling
from dialerd.model.errors import StoreError
from dialerd.model.settings import Settings
from dialerd.rules.routes import agent_name
from dialerd.store import notices, suppressions
from dialerd.store.store import Store
from dialerd.store.suppressions import Entry

_ASKED_FOR: Final = "the called person asked for it"

Also = Callable[[Connection, Mapping[int, int]], None]
"""What else goes into the transaction of entries; told how many recipients of which campaign they end."""


class Suppressing:
    """Enters do-not-call entries, and takes them away.

    Args:
        store: where they are durable.
        dispatcher: keeps back calls that are claimed already.
        registry: whose campaigns they concern.
        clock: the wall clock.
        telling: whether notices are written.
        settings: returns the settings in force.
    """

    def __init__(
        self,
        *,
        store: Store,
        dispatcher: Dispatcher,
        registry: Registry,
        clock: Clock,
        telling: Telling,
        settings: Callable[[], Settings],
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._registry = registry
        self._clock = clock
        self._telling = telling
        self._settings = settings
        self._nursery: trio.Nursery | None = None

    def open(self, nursery: trio.Nursery) -> None:
        """Begin: what the engine has to learn of entries that came with calls, it learns in tasks of `nursery`."""
        self._nursery = nursery

    def close(self) -> None:
        """End: what entries mean for the campaigns is left to the next life."""
        self._nursery = None

    async def enter(
        self, entries: Sequence[Entry], *, also: Also | None = None, bulk: bool = False
    ) -> Mapping[int, int]:
        """Store entries; when this returns, no call that they concern leaves any more.

        The engine's picture of the campaigns is brought up to date by `settle`, which may wait until all is entered.

        Args:
            entries: at most 2,000.
            also: goes into the same transaction.
            bulk: what is urgent goes first.

        Returns:
            How many queued recipients of which campaign they ended, by key.

        Raises:
            StoreError: they could not be stored.
        """
        withheld = self._dispatcher.withheld
        by_scope: dict[str, list[str]] = {}
        for entry in entries:
            by_scope.setdefault(entry.scope, []).append(entry.number)
        for scope, numbers in by_scope.items():
            withheld.hold(numbers, scope)
        try:
            write = self._store.write_bulk if bulk else self._store.write
            return await write(self.write, entries, also)
        finally:
            for scope, numbers in by_scope.items():
                withheld.stored(numbers, scope)
            self._dispatcher.wake()

    async def opt_out(self, call: LiveCall, /) -> None:
        """Enter a called number, because the person on the phone asked for it; returns once that is durable.

        Raises:
            StoreError: it could not be stored.
        """
        if call.opted_out:
            return
        ended = await self.enter([_entry(call)])
        call.opted_out = True
        self.entered(ended)

    def opt_out_soon(self, call: LiveCall) -> None:
        """Enter a called number with the next turn, which stores the call's end as well; it is withheld from now on."""
        if not call.opted_out:
            self._dispatcher.suppress(_entry(call))

    def entered(self, ended: Mapping[int, int]) -> None:
        """Let the engine's picture of the campaigns be brought up to date by and by."""
        if ended and self._nursery is not None:
            self._nursery.start_soon(self._settle_soon, ended)

    async def _settle_soon(self, campaign_ids: Iterable[int]) -> None:
        with suppress(StoreError):  # the store tells of its trouble itself, and claims find out who was ended
            await self.settle(campaign_ids)

    async def settle(self, campaign_ids: Iterable[int]) -> None:
        """Learn who of campaigns is due when, because recipients of them were ended or are due anew.

        Raises:
            StoreError: the store cannot be read now; claims find out by themselves who was ended.
        """
        for key in campaign_ids:
            campaign = self._registry.by_key(key)
            if campaign is not None:
                await self._registry.refresh(campaign)
                self._registry.idle(campaign)

    async def remove(self, number: str, scope: str) -> bool:
        """Take an entry away, and tell whether there was one; whom it held is dialled at once.

        Raises:
            StoreError: it could not be stored.
        """
        due = await self._store.write(suppressions.remove, number, scope, now=self._clock.now())
        if due is None:
            return False
        await self.settle(due)
        return True

    def write(self, connection: Connection, entries: Sequence[Entry], also: Also | None = None) -> Mapping[int, int]:
        """Store entries in a transaction; see `enter`."""
        now = self._clock.now()
        scopes = {entry.scope for entry in entries}
        spellings = {scope: self._spellings(scope) for scope in scopes if scope.startswith("agent:")}
        ended = suppressions.enter(connection, entries, spellings=spellings, now=now)
        if self._telling.on:
            for alike, some in groupby(entries, lambda entry: evolve(entry, number="")):
                body = suppression_added(
                    [entry.number for entry in some],
                    scope=alike.scope,
                    reason=alike.reason,
                    source=alike.source,
                    expires_at=alike.expires_at,
                    now=now,
                )
                notices.add(connection, "suppression.added", "", body, now=now)
        if also is not None:
            also(connection, ended)
        return ended

    def _spellings(self, scope: str) -> Sequence[str]:
        """Return what campaigns may have written to mean the agent of a scope: its name or its id."""
        name = scope.partition(":")[2]
        settings = self._settings()
        agent = settings.agents.get(name)
        known = agent is not None and agent.id is not None and agent_name(agent.id, settings) == name
        return (name, agent.id) if known and agent is not None and agent.id is not None else (name,)


def _entry(call: LiveCall) -> Entry:
    return Entry(number=call.claimed.number, reason=_ASKED_FOR, source=f"call:{call.claimed.uid}")
