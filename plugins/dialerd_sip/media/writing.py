"""A thread that works on the disk, so that nobody waits for one. Knows nothing of what it does."""

from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import Final

_MOST: Final = 64 << 20  # bytes that wait: ten seconds of 800 recordings
_END_S: Final = 2.0  # how long the end of a process waits for its disk


class Writer:
    """Does pieces of work one after the other. Its thread is started by the first one."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._works: deque[tuple[Callable[[], None], int]] = deque()
        self._size = 0
        self._ends = False
        self._changed = Condition()
        self._thread: Thread | None = None

    def take(self, work: Callable[[], None], size: int) -> bool:
        """Take a piece of work, unless too many bytes wait already; one that holds none is always taken.

        Args:
            work: what is to be done; it raises nothing.
            size: bytes that it holds.
        """
        with self._changed:
            if size and self._size + size > self._most:
                return False
            self._size += size
            self._works.append((work, size))
            self._changed.notify()
        if self._thread is None:
            self._thread = Thread(target=self._run, name="writing", daemon=True)
            self._thread.start()
        return True

    def end(self) -> None:
        """Wait until all is done, but not for ever."""
        with self._changed:
            self._ends = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_END_S)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._works:
                    if self._ends:
                        return
                    self._changed.wait()
                work, size = self._works.popleft()
            work()
            with self._changed:
                self._size -= size
