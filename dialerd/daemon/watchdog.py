"""The watchdog's side of the daemon: a sign of life, given only while the dispatcher moves.

A timer of its own would prove that timers work. What must work is that calls are let go and ends are stored, so each
look knocks at the dispatcher, and the sign is given when it has looked round since. One that waits for the disk is
alive: to kill it would not make the disk any faster. So is one that has ended, while the rest of the stop goes on.
"""

from collections.abc import Callable
from typing import Final, Protocol

import structlog
import trio

_log = structlog.get_logger()

_LOOKS: Final = 4
"""Looks in the time the manager allows: sd_watchdog_enabled(3) asks for two, and an answer takes a look more."""


class Moving(Protocol):
    """What must move; the dispatcher."""

    beats: int
    storing: bool

    def wake(self) -> None:
        """Ask it to look round."""


async def watch(
    moving: Moving, alive: Callable[[], None], watchdog_s: float | None, over: Callable[[], bool] = lambda: False
) -> None:
    """Give a sign of life as long as the dispatcher moves, until cancelled.

    Args:
        moving: the dispatcher.
        alive: gives the sign.
        watchdog_s: how long the manager waits for one; None = it does not, and this returns.
        over: tells whether the dispatcher has nothing to move any more.
    """
    if watchdog_s is None:
        return
    seen, held = moving.beats, False
    while True:
        moving.wake()
        await trio.sleep(watchdog_s / _LOOKS)
        moved = moving.beats != seen or moving.storing or over()
        seen = moving.beats
        if moved:
            alive()
        elif not held:
            remedy = "if it stays so the service manager restarts the daemon; its log then shows where it stood"
            _log.error("watchdog.sign_withheld", watchdog_s=watchdog_s, remedy=remedy)
        held = not moved
