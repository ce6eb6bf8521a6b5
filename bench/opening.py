"""The opening of a window: many are due at one instant, and how long after it each call leaves.

    python -m bench.opening [--count 10000] [--lines 500] [--hold-ms 0] [--pace CALLS_PER_SECOND]

The engine over the simulator, on the host's clock, with a log as the daemon has it; the campaign is stored and taken in
beforehand and opens two seconds later. A call leaves when the gate lets it go. Lateness is over the instant at which
lines and pace allow the nth call: n over the lines, times the hold, and n over the pace. Prints one line of JSON.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import trio

from bench.calls import fill, settings
from bench.machine import load
from bench.table import quantile
from dialerd.daemon import logging
from dialerd.daemon.tuning import tune
from dialerd.engine.clock import SystemClock
from dialerd.engine.engine import Engine
from dialerd.engine.live import LiveCall
from dialerd.model.campaign import Pacing
from dialerd.model.instants import Instant
from dialerd.plugin.host import PluginHost
from dialerd.store.ending import Ended
from dialerd.store.store import open_store

_OPENS_IN_S = 2.0
_STORED_S = 0.0001  # a recipient, at most


async def run(url: str, count: int, lines: int, hold_ms: int, pace: float | None) -> dict[str, object]:
    """Dial a campaign from its opening to its end and return when its calls left."""
    clock, left_at = SystemClock(), list[Instant]()

    def observe(call: LiveCall, _end: Ended) -> None:
        assert call.left_at is not None
        left_at.append(call.left_at)

    async with open_store(url) as store:
        opens_at = clock.now() + int((_OPENS_IN_S + count * _STORED_S) * 1_000)
        key = await fill(store, count, pacing=Pacing(calls_per_second=pace), start_at=opens_at)
        engine = Engine(store, settings(lines, hold_ms), PluginHost().make_provider, clock, observe=observe)
        tune()
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            assert clock.now() < opens_at - 500, "the campaign was taken in too late"
            await trio.sleep((opens_at - clock.now()) / 1_000)
            wall, cpu = time.perf_counter(), time.process_time()
            while engine.campaigns.by_key(key) is not None:  # noqa: ASYNC110  # looked at from outside, as by anybody
                await trio.sleep(0.01)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            engine.stop()
    assert len(left_at) == count
    delays = sorted(at - opens_at for at in left_at)
    late = [delay - allowed(index, lines, hold_ms, pace) for index, delay in enumerate(delays)]
    shares = (0.5, 0.99, 1)
    return {
        "count": count,
        "wall_s": wall,
        "cpu_s": cpu,
        "first_ms": delays[0],
        "delays_ms": [quantile(delays, share) for share in shares],
        "late_ms": [quantile(late, share) for share in shares],
        "load": load(),
    }


def allowed(index: int, lines: int, hold_ms: int, pace: float | None) -> float:
    """Return how long after the opening lines and pace let a call go, in milliseconds."""
    paced_ms = 0.0 if pace is None else index * 1_000 / pace
    return max(paced_ms, index // lines * hold_ms)


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.opening")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--lines", type=int, default=500)
    parser.add_argument("--hold-ms", type=int, default=0)
    parser.add_argument("--pace", type=float, help="calls a second; absent = as fast as lines allow")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder, (Path(folder) / "log").open("w") as stream:
        logging.configure("info", stream=stream)
        url = f"sqlite:///{Path(folder).resolve()}/bench.db"
        print(json.dumps(trio.run(run, url, asked.count, asked.lines, asked.hold_ms, asked.pace)))


if __name__ == "__main__":
    main()
