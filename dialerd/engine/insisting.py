"""Insisting: a stop that ends, although a plugin does not let itself be cancelled (a shield without a deadline, a
blocking library in a thread). Everything else is stored by then; what the plugin holds is left to the next life.
"""

from collections.abc import Callable, Iterator

import structlog
import trio
from trio.lowlevel import Task

from dialerd.engine.dispatcher import Dispatcher

_log = structlog.get_logger()

_LOOK_S = 1.0
_AGAIN_S = 60.0
_NAMED = 5  # tasks that one line of the log names
_OURS = ("trio.", "trio", "dialerd.engine.", "dialerd.store.", "dialerd.daemon.", "outcome")


async def insist(
    dispatcher: Dispatcher, nurseries: list[trio.Nursery], after_s: float, stuck: Callable[[], None] | None
) -> None:
    """Tell who holds a stop up, and end it once everything is stored; to be cancelled when the stop has come about.

    Args:
        dispatcher: stores the ends.
        nurseries: which tasks may hold the stop up.
        after_s: how long plugins have, from now on.
        stuck: called then, or None to wait on.
    """
    await trio.sleep(after_s)
    while True:
        stored = not any(call.ended for call in dispatcher.calls.values())
        if stored or stuck is None:
            _log.error(
                "stop.held_up",
                waited_s=round(after_s),
                at=sorted({_where(task) for nursery in nurseries for task in _tasks(nursery)})[:_NAMED],
                calls=len(dispatcher.calls),
                remedy="a plugin does not let itself be cancelled where `at` says: report it to its author. everything "
                "else is stored; what it held is asked about at the next start, and killing the daemon now loses "
                "nothing",
            )
            if stuck is not None:
                stuck()
                return
        await trio.sleep(_AGAIN_S if stored else _LOOK_S)


def _tasks(nursery: trio.Nursery) -> Iterator[Task]:
    """Yield the tasks below a nursery that wait for something else than tasks of their own."""
    for task in nursery.child_tasks:
        inner = [child for nested in task.child_nurseries for child in nested.child_tasks]
        if not inner:
            yield task
        for nested in task.child_nurseries:
            yield from _tasks(nested)


def _where(task: Task) -> str:
    """Return where a task stands: the innermost line that is not trio's or the engine's."""
    found = f"task {task.name}"
    for frame, line in task.iter_await_frames():
        if not str(frame.f_globals.get("__name__", "")).startswith(_OURS):
            found = f"{frame.f_code.co_filename}:{line} in {frame.f_code.co_name}"
    return found
