"""Noticing that the event loop stands still: a plugin that blocks it stops every call, and can be told only from
outside. A thread looks once a second whether the loop still moves, and where it stands when it does not.

A process that was stopped itself (SIGSTOP, a suspended or paused machine) is another matter: then this thread stood
still too, and nobody is to blame.
"""

import math
import sys
import threading
import time
from typing import Final

import structlog
import trio

from dialerd.engine.whereabouts import of_thread

_log = structlog.get_logger()

_LOOK_S: Final = 1.0
_BLOCKED_S: Final = 4.0
"""Seconds after its last beat at which the loop counts as blocked: it beats every second, and a busy one may be late.
The watchdog of the service manager, which kills, has more patience."""
_AGAIN_S: Final = 60.0
_STOPPED_S: Final = 3.0  # seconds by which this thread is late only when the whole process was stopped
_REMEDY: Final = (
    "the code at `at` does not let others work, and no call goes on while it does: if it is a plugin's, report it to "
    "its author (it must await, or use trio.to_thread), and take the trunk or the plugin out if it goes on"
)


class Stall:
    """Watches the event loop of the task that runs it."""

    def __init__(self) -> None:
        self._beat_at = _now_s()
        self._loop = 0
        self._over = threading.Event()
        self._blocked_since: float | None = None
        self._told_at = -math.inf

    async def run(self) -> None:
        """Watch until cancelled."""
        self._loop = threading.get_ident()
        self._beat_at = _now_s()
        watcher = threading.Thread(target=self._watch, name="stall", daemon=True)
        watcher.start()
        try:
            while True:
                self._beat_at = _now_s()
                await trio.sleep(_LOOK_S)
        finally:
            self._over.set()

    def _watch(self) -> None:
        looked_at, cpu_s = _now_s(), time.process_time()
        excused_at = looked_at  # a loop that was stopped with the process gets its time anew
        while not self._over.wait(_LOOK_S):
            now_s, used_s = _now_s(), time.process_time()
            late_s = now_s - looked_at - _LOOK_S
            # what holds the interpreter's lock keeps this thread from looking, but it uses the processor
            if late_s > _STOPPED_S and used_s - cpu_s < late_s / 2:
                excused_at = now_s
                _log.warning(
                    "process.was_stopped",
                    seconds=round(late_s, 1),
                    remedy="the machine or the process stood still (suspended, paused, SIGSTOP, or overloaded): calls "
                    "that ended meanwhile are told late; nothing is lost",
                )
            looked_at, cpu_s = now_s, used_s
            self._judge(now_s, max(self._beat_at, excused_at))

    def _judge(self, now_s: float, moved_at: float) -> None:
        if now_s - moved_at < _BLOCKED_S:
            if self._blocked_since is not None:
                _log.warning("loop.unblocked", blocked_s=round(moved_at - self._blocked_since, 1))
            self._blocked_since, self._told_at = None, -math.inf
            return
        self._blocked_since = moved_at
        if now_s - self._told_at >= _AGAIN_S:
            self._told_at = now_s
            at, inside = of_thread(sys._current_frames().get(self._loop))
            _log.error("loop.blocked", blocked_s=round(now_s - moved_at, 1), at=at, inside=inside, remedy=_REMEDY)


def _now_s() -> float:
    """Return seconds that go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
