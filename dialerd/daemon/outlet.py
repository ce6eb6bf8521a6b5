"""How lines leave the process: at once, in order, whole, and without ever keeping the event loop waiting.

A line is written when it comes here. What cannot be written now (a pipe that nobody reads, a full disk, a
journal that is restarted) waits in memory and is tried again, by the next line or by a thread; what finds no room
there is counted, and the count is logged as soon as something can be written again.
"""

import os
import select
import stat
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TextIO, TypeVar

T = TypeVar("T")

MOST_WAITING: Final = 10_000
"""How many lines wait, some 5 MB; those of weight may be twice as many."""
_FIRST_REST_S: Final = 0.005  # a pipe holds 64 KiB, so this lets 13 MB a second through
_LONGEST_REST_S: Final = 1.0


class Way(Protocol[T]):
    """Where lines go."""

    def send(self, item: T) -> T | None:
        """Write as much of `item` as can be written without waiting.

        Returns:
            What is left of it; None = nothing.

        Raises:
            OSError: nothing of it can be written at present.
        """


class Outlet(Generic[T]):
    """Sends lines on their way, and keeps those for which the way is closed.

    Args:
        way: where they go.
        lost: makes the line that tells how many lines were dropped.
    """

    def __init__(self, way: Way[T], lost: Callable[[int], T]) -> None:
        self._send = way.send
        self._lost = lost
        self._lock = threading.RLock()  # the same thread may log again from a finaliser
        self._waiting: deque[T] = deque()
        self._dropped = 0
        self._carrier: threading.Thread | None = None

    @property
    def stuck(self) -> bool:
        """Whether lines wait because they could not be written."""
        return bool(self._waiting)

    def put(self, item: T, weighty: bool = False) -> None:
        """Write a line, or keep it until it can be written.

        Args:
            item: the line.
            weighty: a warning or more, for which there is room when there is none for others.
        """
        with self._lock:
            if not self._waiting:
                try:
                    rest = self._send(item)
                except OSError:
                    rest = item
                if rest is None:
                    return
                self._waiting.append(rest)
                self._flush()
            elif self._flush():
                self.put(item, weighty)
                return
            elif len(self._waiting) < MOST_WAITING * (2 if weighty else 1):
                self._waiting.append(item)
            else:
                self._dropped += 1
            if self._waiting and self._carrier is None:
                self._carrier = threading.Thread(target=self._carry, name="log", daemon=True)
                self._carrier.start()

    def close(self, patience_s: float) -> int:
        """Write what waits; return how many lines could not be written.

        Args:
            patience_s: how long to try, in seconds.
        """
        until = time.monotonic() + patience_s
        while not self._flush() and time.monotonic() < until:
            time.sleep(_FIRST_REST_S)
        return len(self._waiting) + self._dropped

    def _flush(self) -> bool:
        """Write what waits as far as it goes; return whether nothing waits any more."""
        with self._lock:
            while self._waiting:
                try:
                    rest = self._send(self._waiting[0])
                except OSError:
                    return False
                if rest is not None:
                    self._waiting[0] = rest
                    continue
                self._waiting.popleft()
                if self._dropped and not self._waiting:
                    self._waiting.append(self._lost(self._dropped))
                    self._dropped = 0
            return True

    def _carry(self) -> None:
        """Write what waits when nothing new is logged that would take it along."""
        rest_s = _FIRST_REST_S
        while True:
            time.sleep(rest_s)
            with self._lock:
                stuck_at = self._waiting[0] if self._waiting else None
                if self._flush():
                    self._carrier = None
                    return
                moves = self._waiting[0] is not stuck_at
            rest_s = _FIRST_REST_S if moves else min(2 * rest_s, _LONGEST_REST_S)


class FileWay:
    """An open file, pipe or socket; a pipe that is full is not waited for, though it be a blocking one.

    Args:
        stream: what has the file open; a descriptor of our own is kept of it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._fd = os.dup(stream.fileno())
        weakref.finalize(self, os.close, self._fd).atexit = False  # what waits is written at the exit
        self._poll: Any = None
        if stat.S_ISFIFO(mode := os.fstat(self._fd).st_mode) or stat.S_ISSOCK(mode):
            self._poll = select.poll()
            self._poll.register(self._fd, select.POLLOUT)

    def send(self, item: bytes) -> bytes | None:
        """Write as much of the line as there is room for."""
        if self._poll is None:
            written = os.write(self._fd, item)
        elif self._poll.poll(0):
            written = os.write(self._fd, item[: select.PIPE_BUF])  # more could block, less cannot: pipe(7)
        else:
            raise BlockingIOError
        return None if written == len(item) else item[written:]


class TextWay:
    """A stream of text without a file behind it.

    Args:
        stream: what is written to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def send(self, item: bytes) -> None:
        """Write the line."""
        if not self._stream.closed:
            self._stream.write(item.decode())
