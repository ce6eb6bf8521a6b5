"""The event stream while the dialer runs as fast as it can: followers in another process, over the real server.

    python -m bench.events [--count 100000] [--followers 100]

Engine, store and log are those of `bench.calls`; the server and the route are the daemon's. The delay of an event is
the time from the instant at which its call ended, as it says itself, until a follower has read it: the wait for the
turn, the commit and the stream together. Prints one line of JSON.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import trio

from bench.calls import fill, settings
from bench.machine import load, memory_kib, peak_kib
from dialerd.api.app import create_app
from dialerd.api.server import Server
from dialerd.api.sockets import listen
from dialerd.daemon import logging
from dialerd.daemon.tuning import tune
from dialerd.engine.clock import SystemClock
from dialerd.engine.engine import Engine
from dialerd.intake.reading import Reader
from dialerd.operations.ground import Ground
from dialerd.operations.operations import Operations
from dialerd.plugin.host import PluginHost
from dialerd.store import notices
from dialerd.store.store import open_store

_LOOK_S = 0.01
_LATE_S = 60


async def run(folder: Path, count: int, followers: int) -> dict[str, object]:
    """Dial a campaign to its end with so many followers and return what that took."""
    clock, wanted = SystemClock(), settings(500, 0)
    async with open_store(f"sqlite:///{folder / 'bench.db'}") as store:
        key = await fill(store, count)
        engine = Engine(store, wanted, PluginHost().make_provider, clock)

        async def reload() -> None:
            raise NotImplementedError

        ground = Ground(
            store=store,
            engine=engine,
            reader=Reader(),
            settings=lambda: wanted,
            now=clock.now,
            scratch=folder,
            reload=reload,
            standing=str,
        )
        operations = Operations(ground)
        events = operations.events
        server = Server(create_app(operations), max_connections=1_000, patience=30_000)
        door = server.door(listen(folder / "x.sock", read_only=True))
        tune()
        most = 0
        found: dict[str, object] = {}
        async with trio.open_nursery() as outer:
            outer.start_soon(events.run)
            await outer.start(door.run)
            command = [sys.executable, "-m", "bench.followers", str(folder / "x.sock"), str(followers)]
            with subprocess.Popen(  # noqa: ASYNC220  # nothing goes on yet
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as others:
                assert others.stdin is not None
                assert others.stdout is not None
                assert await trio.to_thread.run_sync(others.stdout.readline) == "ready\n"
                before = memory_kib()
                async with trio.open_nursery() as nursery:
                    wall, cpu = time.perf_counter(), time.process_time()
                    await nursery.start(engine.run)
                    while engine.campaigns.by_key(key) is not None:
                        await trio.sleep(_LOOK_S)
                        most = max(most, memory_kib())
                    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                    engine.stop()
                if followers:
                    print(await store.read(notices.last_id), file=others.stdin, flush=True)
                    with trio.fail_after(_LATE_S):
                        found = json.loads(await trio.to_thread.run_sync(others.stdout.readline))
                    if found["behind"] or found["counted"] != count:
                        raise SystemExit(f"followers have not had everything: {found}")
                await events.finish()
                door.close()
                others.stdin.close()
            outer.cancel_scope.cancel()
    return {
        "count": count,
        "followers": followers,
        "wall_s": wall,
        "cpu_s": cpu,
        "per_s": count / wall,
        "rss_before_kib": before,
        "rss_most_kib": most,
        "peak_kib": peak_kib(),
        "load": load(),
        **found,
    }


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.events")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--followers", type=int, default=100)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder, (Path(folder) / "log").open("w") as stream:
        logging.configure("info", stream=stream)
        print(json.dumps(trio.run(run, Path(folder), asked.count, asked.followers)))


if __name__ == "__main__":
    main()
