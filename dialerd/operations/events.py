"""What happens, told to whoever follows: nothing is missed and nothing told twice, also over a restart.

Events are the notices of the store. They are written while somebody follows, and for `[api] events_keep` after the last
one has left, so that one who comes back finds what was missed. One task reads what is new, once for all: it is woken by
commits, and takes what has come in since by the handful. Knows nothing of how events travel.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog
import trio

from dialerd.model.errors import StoreError
from dialerd.model.instants import NEVER, SECOND
from dialerd.operations.event_text import Row
from dialerd.operations.follower import Follower, wanted
from dialerd.operations.ground import Ground
from dialerd.operations.ring import Ring, chunk
from dialerd.rules.reminders import Reminder
from dialerd.store import notices

_log = structlog.get_logger()

_EVERY_S: Final = 0.05  # events of so long travel together where there are many; one alone travels at once
_AT_ONCE: Final = 2_000  # read at once
_PAGE: Final = 500  # read at once for one that fell behind
_RING: Final = 16 * 2**20  # bytes of text
_STORE_RETRY_S: Final = 1.0
_LOOKS: Final = 10  # in the time that events are kept
_LOOK_S: Final = (1.0, 60.0)


class Events:
    """The events of this daemon.

    Args:
        ground: what it stands on.

    Attributes:
        ring: the newest.
        followers: how many follow.
        over: nothing will be added any more.
    """

    def __init__(self, ground: Ground) -> None:
        self.ring = Ring(_RING)
        self.followers = 0
        self.over = False
        self._ground = ground
        self._store = ground.store
        self._telling = ground.engine.telling
        self._added = trio.Event()
        self._joined = trio.Event()
        self._left_s = trio.current_time()
        self._keeping = trio.Lock()  # between the first that comes and the last that has left
        self._reading = trio.Lock()
        self._paging = trio.Semaphore(1)  # those who fell behind must not take the store's readers from everybody
        self._trouble = Reminder()

    async def run(self) -> None:
        """Serve followers, and drop what is kept no longer; until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read)
            nursery.start_soon(self._tidy)

    async def finish(self) -> None:
        """Give followers what was stored last, and let them end; the engine has stored everything."""
        try:
            more = self.followers > 0
            while more:
                more = await self._read_some() > 0
        except StoreError as error:
            _log.debug("events.end_not_read", error=error.what)  # they find it when they come back
        self.over = True
        self._wake()

    @asynccontextmanager
    async def follow(
        self, after: int | None = None, *, campaigns: Sequence[str] = (), kinds: Sequence[str] = ()
    ) -> AsyncIterator[Follower]:
        """Follow what happens.

        Args:
            after: id of the last event that the client has had; None = it wants those from now on.
            campaigns: ids or aliases of those whose events it wants; empty = of all, and of none.
            kinds: how the kinds begin that it wants; empty = all.

        Raises:
            NotFound: there is no such campaign.
            StoreError: nothing can be kept for it.
        """
        ids = [(await self._ground.campaign(name)).uid for name in campaigns]
        self.followers += 1
        try:
            kept = await self._keep()
            has_gap = after is not None and not (kept.since_before and kept.after <= after <= kept.last)
            begin = kept.last if after is None else kept.after if has_gap else after
            yield Follower(self, after=begin, asked=after if has_gap else None, wanted=wanted(ids, kinds))
        finally:
            self.followers -= 1
            self._left_s = trio.current_time()

    async def more(self) -> None:
        """See `Source.more`."""
        await self._added.wait()

    async def page(self, after: int) -> tuple[int, Sequence[Row]]:
        """See `Source.page`."""
        async with self._paging:
            return await self._store.read(notices.page_for_followers, after, _PAGE)

    async def _keep(self) -> notices.Kept:
        """Have notices written for followers; return which there are."""
        async with self._keeping:
            was_followed = self._telling.followed
            self._telling.follow(True)
            try:
                kept = await self._store.write(notices.keep_for_followers)
            except StoreError:
                self._telling.follow(was_followed)
                raise
            self._telling.follow(True)  # again: the engine may have begun meanwhile
            if not self._joined.is_set():
                self.ring.begin(kept.last)
                self._joined.set()
            return kept

    async def _read(self) -> None:
        """Read what is new while anybody follows."""
        while True:
            await self._joined.wait()
            writes = self._store.writes
            read_s = trio.current_time()
            try:
                found = await self._read_some()
            except StoreError as error:
                if self._trouble.due(trio.current_time()):
                    _log.error("events.not_read", error=error.what, remedy=error.remedy)
                await trio.sleep(_STORE_RETRY_S)
                continue
            self._trouble.over()
            if not self.followers:
                self._joined = trio.Event()
                self.ring.begin(self.ring.last)
                continue
            if found < _AT_ONCE:
                await self._store.written(writes)
            await trio.sleep_until(read_s + _EVERY_S)

    async def _read_some(self) -> int:
        """Read some of what is new and let followers know; return how many events that were."""
        async with self._reading:
            after = self.ring.last
            rows = await self._store.read(notices.page, after, _AT_ONCE)
            if rows:
                self.ring.add(chunk(after, rows))
                self._wake()
            return len(rows)

    def _wake(self) -> None:
        self._added.set()
        self._added = trio.Event()

    async def _tidy(self) -> None:
        """Drop what is kept no longer, and write nothing any more once nobody has followed for so long."""
        while True:
            keep_s = self._ground.settings().api.events_keep / SECOND
            least, most = _LOOK_S
            await trio.sleep(min(max(keep_s / _LOOKS, least), most))
            if not self._telling.followed:
                continue
            try:
                if not self.followers and trio.current_time() - self._left_s >= keep_s:
                    await self._keep_no_more()
                else:
                    await self._drop(self._ground.now() - round(keep_s * SECOND))
            except StoreError as error:
                _log.debug("events.drop_deferred", error=error.what)

    async def _drop(self, before: int) -> None:
        while await self._store.write_bulk(notices.drop_old, before=before, now=self._ground.now()):
            if before == NEVER and self.followers:
                break

    async def _keep_no_more(self) -> None:
        await self._drop(NEVER)
        async with self._keeping:
            if not self.followers:
                await self._store.write(notices.forget_followers)
                self._telling.follow(False)
