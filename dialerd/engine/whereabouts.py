"""Whereabouts: in which line of whose code a task or a thread stands, for who has to know which plugin it is."""

import sysconfig
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Final

import trio
from trio.lowlevel import Task

_LOOP: Final = ("trio.", "outcome.", "pluggy.")
_CORE: Final = "dialerd."
_STDLIB: Final = sysconfig.get_path("stdlib")


def of_tasks(nurseries: Iterable[trio.Nursery]) -> list[str]:
    """Return where the tasks below some nurseries stand, those that wait for tasks of their own left out.

    Of each the innermost line that is neither Python's nor the event loop's; those of plugins first.
    """
    found = {_of_task(task) for nursery in nurseries for task in _tasks(nursery)}
    return [at for _, at in sorted(found)]


def below(task: Task, skip: int = 0) -> list[str]:
    """Return where the tasks below `task` stand, or `task` itself where there are none; as `of_tasks` does.

    Args:
        task: whose.
        skip: how many of its nurseries, the outermost ones, are left out.
    """
    return of_tasks(task.child_nurseries[skip:]) or [_of_task(task)[1]]


def _of_task(task: Task) -> tuple[bool, str]:
    """Return whether a task stands in dialerd itself, and where."""
    at, _ = _place(reversed(list(task.iter_await_frames())))
    return at or (True, f"task {task.name}")


def of_thread(frame: FrameType | None) -> tuple[str, str]:
    """Return where a thread stands: the innermost line that is neither Python's nor the loop's, and the innermost.

    Args:
        frame: its innermost one.
    """
    at, inside = _place(_outwards(frame))
    return at[1] if at else inside or "unknown", inside or "unknown"


def _tasks(nursery: trio.Nursery) -> Iterator[Task]:
    """Yield the tasks below a nursery that wait for something else than tasks of their own."""
    for task in nursery.child_tasks:
        inner = [child for nested in task.child_nurseries for child in nested.child_tasks]
        if not inner:
            yield task
        for nested in task.child_nurseries:
            yield from _tasks(nested)


def _outwards(frame: FrameType | None) -> Iterator[tuple[FrameType, int]]:
    while frame is not None:
        yield frame, frame.f_lineno
        frame = frame.f_back


def _place(frames: Iterable[tuple[FrameType, int]]) -> tuple[tuple[bool, str] | None, str | None]:
    """Return the innermost line that is neither Python's nor the loop's, and the innermost of all; None = none.

    The former with whether it is dialerd's own.

    Args:
        frames: the innermost first, each with its line.
    """
    inside = None
    for frame, line in frames:
        code, module = frame.f_code, f"{frame.f_globals.get('__name__', '')}."
        here = f"{code.co_filename}:{line} in {code.co_name}"
        inside = inside or here
        of_python = code.co_filename.startswith((_STDLIB, "<frozen")) and "site-packages" not in code.co_filename
        core = module.startswith(_CORE)
        if core or not (of_python or module.startswith(_LOOP)):
            return (core, here), inside
    return None, inside
