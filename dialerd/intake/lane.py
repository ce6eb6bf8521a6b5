"""A lane: files stand in it in their order until they are taken, small ones several at once."""

from math import inf
from typing import Final

import trio

from dialerd.intake.watchlist import Watched

HANDFUL: Final = 64
"""Small files that are taken together."""

HANDFUL_BYTES: Final = 16 * 1024
"""Bytes of files that are taken together; they hold about as many rows as one transaction of the store may have."""


class Lane:
    """Files in the order in which they are to be taken."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[Watched](inf)
        self._first: Watched | None = None  # came with the former handful and had no room in it

    def put(self, watched: Watched) -> None:
        """Let a file stand in line."""
        self._send.send_nowait(watched)

    async def next(self) -> list[Watched]:
        """Wait for files and take what is next: small files as many together as there are, any other by itself."""
        some = [self._first or await self._receive.receive()]
        self._first = None
        weight = some[0].weight
        while len(some) < HANDFUL:
            try:
                watched = self._receive.receive_nowait()
            except trio.WouldBlock:
                break
            weight += watched.weight
            if weight > HANDFUL_BYTES:
                self._first = watched
                break
            some.append(watched)
        return some
