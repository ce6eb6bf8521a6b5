"""Lines of one pass of the event loop, written together.

Calls end by the hundred, one line each, and a write lets go of the interpreter's lock, which the writer of the database
takes: beside it a line written by itself costs three times as much as making it. So lines wait until the tasks that are
running now have run, a few milliseconds at most. Warnings and errors take those before them along at once, and so does
everything that is logged outside the event loop: what tells of a crash is never kept.
"""

import threading
from typing import Final

import trio

from dialerd.daemon.outlet import Outlet

_MOST: Final = 100  # lines


class Gathering:
    """Puts lines into an outlet, together where that can be.

    Args:
        outlet: where they go.
    """

    def __init__(self, outlet: Outlet[bytes]) -> None:
        self._outlet = outlet
        self._lines: list[bytes] = []
        self._lock = threading.RLock()  # the same thread may log again from a finaliser

    def put(self, line: bytes, weighty: bool) -> None:
        """Take a line.

        Args:
            line: whole, with its end.
            weighty: a warning or more.
        """
        with self._lock:
            self._lines.append(line)
            if weighty or len(self._lines) >= _MOST:
                self._release(weighty)
            elif len(self._lines) == 1:
                try:
                    trio.lowlevel.current_trio_token().run_sync_soon(self.release, idempotent=True)
                except RuntimeError:  # there is no event loop here that would release it
                    self._release(weighty)

    def release(self) -> None:
        """Write what was gathered."""
        with self._lock:
            if self._lines:
                self._release(weighty=False)

    def _release(self, weighty: bool) -> None:
        lines, self._lines = self._lines, []
        if self._outlet.stuck:  # it counts what waits
            for line in lines:
                self._outlet.put(line, weighty)
        else:
            self._outlet.put(b"".join(lines), weighty)
