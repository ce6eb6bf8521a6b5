"""What a call's processor time is made of.

    python -m bench.cost [--count 100000] [--hold-ms 0]

The writer's thread is measured by its own clock around each part of a turn; what is left of it is the commit: the WAL's
pages, fsync, checkpoints, and SQLAlchemy around them. The event loop's thread is sampled at every tick of its own
processor clock, and a sample belongs to the innermost frame of a room in `_ROOMS`: what trio, msgspec or attrs do for a
room is that room's, unless it is trio's own work. Sampling takes 1 to 2 % itself. Prints one line of JSON.
"""

import argparse
import ctypes
import gc
import json
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from types import FrameType
from typing import Any, Final, Self

import trio

from bench.calls import run
from dialerd.daemon import logging
from dialerd.store import turn

_ROOMS: Final = (  # the first that the path holds
    (str(Path(__file__).parent), "collecting garbage, watching"),
    ("/dialerd/daemon/logging", "log"),
    ("/structlog/", "log"),
    ("/dialerd_simulator/", "simulator"),
    ("/dialerd/engine/order", "order and gate"),
    ("/dialerd/rules/gate", "order and gate"),
    ("/dialerd/engine/calling", "call's task"),
    ("/dialerd/engine/checked", "call's task"),
    ("/dialerd/engine/live", "call's reports"),
    ("/dialerd/engine/conclude", "end of a call"),
    ("/dialerd/rules/", "dispatcher and rules"),
    ("/dialerd/engine/", "dispatcher and rules"),
    ("/dialerd/store/", "to the writer and back"),
    ("/trio/", "trio"),
)
_WRITER: Final = (  # functions of `dialerd.store.turn` that the writer's thread runs
    ("claim", "writer: claims"),
    ("store_ended", "writer: ends"),
    ("store_progress", "writer: progress"),
    ("add_day_counts", "writer: daily counts"),
)
_TICK_NS: Final = 1_000_000  # Linux rounds up to its own tick, 1 to 10 ms


class _Timer(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns"))


class Watch:
    """Where processor time goes between entering and leaving; enter it in the event loop's thread."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}  # processor seconds
        self.samples = 0
        self._rooms: Counter[str] = Counter()
        self._timer = ctypes.c_void_p()
        self._libc = ctypes.CDLL(None, use_errno=True)

    def __enter__(self) -> Self:
        for name, part in _WRITER:
            setattr(turn, name, self._timed(getattr(turn, name), part))
        gc.callbacks.append(self._collected)
        self._writer = next(thread for thread in threading.enumerate() if thread.name == "dialerd-writer")
        self._began = self._clocks()
        signal.signal(signal.SIGALRM, self._sample)  # the signal of a timer that names no other, timer_create(2)
        self._call("timer_create", time.CLOCK_THREAD_CPUTIME_ID, None, ctypes.byref(self._timer))
        self._call("timer_settime", self._timer, 0, ctypes.byref(_Timer(0, _TICK_NS, 0, _TICK_NS)), None)
        return self

    def __exit__(self, *_: object) -> None:
        self._call("timer_delete", self._timer)
        gc.callbacks.remove(self._collected)
        every, loop, writer = (now - then for now, then in zip(self._clocks(), self._began, strict=True))
        self.parts["writer: commit"] = writer - sum(self.parts.values())
        self.samples = self._rooms.total()
        for room, count in self._rooms.items():
            self.parts[room] = loop * count / self.samples
        self.parts["other threads"] = every - loop - writer

    def _clocks(self) -> tuple[float, float, float]:
        """Return the processor time of the process, of this thread and of the writer's."""
        assert self._writer.ident is not None
        writer = time.clock_gettime(time.pthread_getcpuclockid(self._writer.ident))
        return time.process_time(), time.thread_time(), writer

    def _timed(self, inner: Callable[..., Any], part: str) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.thread_time()
            try:
                return inner(*args, **kwargs)
            finally:
                self.parts[part] = self.parts.get(part, 0.0) + time.thread_time() - began

        return timed

    def _sample(self, _signal: int, frame: FrameType | None) -> None:
        while frame is not None:
            path = frame.f_code.co_filename
            for part, room in _ROOMS:
                if part in path:
                    self._rooms[room] += 1
                    return
            frame = frame.f_back
        self._rooms["elsewhere"] += 1

    def _collected(self, _phase: str, _info: object) -> None:
        """Stand where a collection begins and ends: a tick in its middle is taken at the next line of Python, here."""

    def _call(self, name: str, *arguments: object) -> None:
        if getattr(self._libc, name)(*arguments):
            raise OSError(ctypes.get_errno(), f"{name} failed")


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.cost")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--hold-ms", type=int, default=0)
    asked = parser.parse_args()
    watch = Watch()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder, (Path(folder) / "log").open("w") as stream:
        logging.configure("info", stream=stream)
        found = trio.run(run, f"sqlite:///{Path(folder).resolve()}/bench.db", asked.count, 500, asked.hold_ms, watch)
    each_us = {
        part: seconds / asked.count * 1e6
        for part, seconds in sorted(watch.parts.items(), key=itemgetter(1), reverse=True)
    }
    print(json.dumps({**found, "each_us": each_us, "samples": watch.samples}))


if __name__ == "__main__":
    main()
