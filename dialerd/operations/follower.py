"""A follower of events: its place among them, and what it gets next. Knows nothing of how the bytes travel."""

from collections.abc import Collection, Sequence
from typing import Protocol, Self

import trio

from dialerd.operations.event_text import Row, beginning, lost
from dialerd.operations.ring import Ring, Wanted, chunk


class Source(Protocol):
    """Where followers get their events from.

    Attributes:
        ring: the newest of them.
        over: nothing will be added any more.
    """

    ring: Ring
    over: bool

    async def more(self) -> None:
        """Wait until something was added, or nothing will be."""

    async def page(self, after: int) -> tuple[int, Sequence[Row]]:
        """Return the id up to which nothing is kept, and the next notices after both, from the store."""


class Follower:
    """Gives events in order, each once, as chunks of text; it may be asked again after a cancellation.

    Args:
        source: where they come from.
        after: the id after which it begins.
        asked: the id after which its client wanted to go on, where what follows that is not kept; None = it is.
        wanted: which it gets; None = all.

    Attributes:
        last: the id up to which it has had everything that it wants.
    """

    def __init__(self, source: Source, *, after: int, asked: int | None = None, wanted: Wanted | None = None) -> None:
        self.last = after
        self._source = source
        self._wanted = wanted
        self._beginning: bytes | None = beginning(after) + (b"" if asked is None else lost(asked, after))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk, at once where there is one.

        Raises:
            StopAsyncIteration: the daemon has stopped, and this follower has had everything.
            StoreError: what it wants next cannot be read.
        """
        await trio.lowlevel.checkpoint()
        if self._beginning is not None:
            data, self._beginning = self._beginning, None
            return data
        source = self._source
        while True:
            if self.last >= source.ring.last:
                if source.over:
                    raise StopAsyncIteration
                await source.more()
                continue
            found = source.ring.next_after(self.last)
            if found is None:  # it fell behind: it goes on at its own pace until it is back
                behind = source.ring.last
                kept_after, rows = await source.page(self.last)
                if kept_after > self.last:
                    data, self.last = lost(self.last, kept_after), kept_after
                    return data
                if not rows:
                    self.last = behind
                    continue
                found = chunk(self.last, rows)
            data = found.part(self.last, self._wanted)
            self.last = found.last
            if data:
                return data


def wanted(campaigns: Collection[str], kinds: Sequence[str]) -> Wanted | None:
    """Return which events a follower gets; None = all.

    Args:
        campaigns: ids; empty = those of every campaign, and of none.
        kinds: how kinds begin; empty = any.
    """
    if not campaigns and not kinds:
        return None
    ids, begins = frozenset(campaigns), tuple(kinds)

    def is_wanted(kind: str, campaign: str) -> bool:
        return (not ids or campaign in ids) and (not begins or kind.startswith(begins))

    return is_wanted
