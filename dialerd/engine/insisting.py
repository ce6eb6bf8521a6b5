"""Insisting: a stop that ends, although a plugin does not let itself be cancelled (a shield without a deadline, a
blocking library in a thread), or the database cannot be written. What is held up is left to the next life, which asks
the carriers about every call whose end is not stored.
"""

from collections.abc import Callable
from typing import Final

import structlog
import trio

from dialerd.engine.dispatcher import Dispatcher
from dialerd.engine.whereabouts import of_tasks
from dialerd.rules.reminders import Reminder
from dialerd.store.store import Store

_log = structlog.get_logger()

_LOOK_S = 1.0
_TOLD_S = 3.0  # how long ends may wait to be stored before it is told
_UNSTORED_S = 30.0  # how long a stop waits for a disk that stores nothing
_HURRIED_S: Final = 2.0  # the same, once somebody has asked for the stop a second time
_NAMED = 5  # tasks that one line of the log names
_WITHOUT_LOSS: Final = "the carriers are asked about these calls at the next start, and killing dialerd loses nothing"

Stuck = Callable[[bool], None]
"""Ends the process; told whether everything is stored."""


async def insist(  # noqa: PLR0917  # trio passes what a task is started with by position
    dispatcher: Dispatcher,
    store: Store,
    nurseries: list[trio.Nursery],
    after_s: float,
    stuck: Stuck | None,
    hurried: trio.Event,
) -> None:
    """Tell who holds a stop up, and end it in the end; to be cancelled when the stop has come about.

    Args:
        dispatcher: stores the ends.
        store: where.
        nurseries: which tasks may hold the stop up.
        after_s: how long plugins have, from now on.
        stuck: called when it is enough, or None to wait on.
        hurried: set once somebody asks a second time.
    """
    began_s = moved_s = trio.current_time()
    turns = dispatcher.turns
    disk, plugins = Reminder(), Reminder()
    while True:
        await trio.sleep(_LOOK_S)
        now_s = trio.current_time()
        if dispatcher.turns != turns:
            turns, moved_s = dispatcher.turns, now_s
        ends = sum(call.ended for call in dispatcher.calls.values())
        if ends or dispatcher.storing or store.waits_for_s() > _TOLD_S:
            patience_s = min(_UNSTORED_S, _HURRIED_S) if hurried.is_set() else _UNSTORED_S
            enough = stuck is not None and now_s - moved_s >= patience_s
            if not enough and now_s - moved_s >= _TOLD_S and disk.due(now_s):
                _tell_disk(ends, now_s - moved_s, patience_s if stuck else None)
            if enough and stuck is not None:
                _log.error("stop.gave_up", ends=ends, waited_s=round(now_s - moved_s), remedy=_WITHOUT_LOSS)
                stuck(False)
                return
        elif now_s - began_s >= after_s:
            if plugins.due(now_s):
                _tell_plugins(nurseries, now_s - began_s, len(dispatcher.calls))
            if stuck is not None:
                stuck(True)
                return


def _tell_disk(ends: int, waited_s: float, patience_s: float | None) -> None:
    rest = "" if patience_s is None else f" dialerd ends by itself after {patience_s:g} s of this;"
    _log.error(
        "stop.store_awaited",
        ends=ends,
        waited_s=round(waited_s),
        remedy="all calls are over, but the database cannot be written: free space or mend its disk (see store.failed "
        f"or store.slow), and they are stored;{rest} a second SIGTERM ends it now; {_WITHOUT_LOSS}",
    )


def _tell_plugins(nurseries: list[trio.Nursery], waited_s: float, calls: int) -> None:
    _log.error(
        "stop.held_up",
        waited_s=round(waited_s),
        at=of_tasks(nurseries)[:_NAMED],
        calls=calls,
        remedy="a plugin does not let itself be cancelled where `at` says: report it to its author. everything else "
        "is stored; what it held is asked about at the next start, and killing the daemon now loses nothing",
    )
