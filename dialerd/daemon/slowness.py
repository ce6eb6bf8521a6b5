"""Slowness of the database's disk: one that hangs raises nothing, so nobody would be told why nobody is dialled."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
import trio

from dialerd.rules.reminders import Reminder

_log = structlog.get_logger()

_LOOK_S: Final = 1.0
_SLOW_S: Final = 5.0
"""Seconds after which a transaction, which takes milliseconds, is slow."""


async def tell_slow(waits_for_s: Callable[[], float], database: Path | None) -> None:
    """Tell of transactions that do not end, when it is noticed and once a minute, and when they do; until cancelled.

    Args:
        waits_for_s: returns for how many seconds the transaction under way has gone on; 0 = there is none.
        database: the file, to be named.
    """
    trouble, longest_s = Reminder(), 0.0
    while True:
        await trio.sleep(_LOOK_S)
        waited_s = waits_for_s()
        if waited_s >= _SLOW_S:
            longest_s = waited_s
            if trouble.due(trio.current_time()):
                _log.error(
                    "store.slow",
                    waited_s=round(waited_s, 1),
                    database=str(database),
                    remedy="nobody is dialled while the disk of the database does not answer, and calls go on: look at "
                    "the kernel log and at what else uses the disk (iostat, fuser); dialerd goes on by itself",
                )
        elif trouble.since_s is not None:
            _log.info("store.caught_up", waited_s=round(longest_s, 1))
            trouble.over()
