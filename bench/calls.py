"""Calls a second: the engine and the store over the simulator, from start to the last durable outcome.

    python -m bench.calls [--count 100000] [--lines 500] [--hold-ms 0] [--log FILE]

The database is a file, `synchronous=FULL`; recipients are stored beforehand, with numbers in random order. The
simulator answers every call at once and holds it for the hold time. Prints one line of JSON.
"""

import argparse
import json
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import msgspec
import trio

from bench.machine import load, memory_kib, peak_kib
from dialerd.daemon import logging
from dialerd.daemon.tuning import tune
from dialerd.engine.clock import SystemClock
from dialerd.engine.engine import Engine
from dialerd.model.campaign import CampaignSpec, Pacing, ZoneGroup
from dialerd.model.instants import Instant, format_duration
from dialerd.model.settings import AgentSettings, DaemonSettings, NumberSettings, QuietHours, Settings, TrunkSettings
from dialerd.model.states import CampaignState
from dialerd.plugin.host import PluginHost
from dialerd.store import campaigns, recipients, reports
from dialerd.store.records import NewCampaign, RecipientBatch
from dialerd.store.store import Store, open_store

_BATCH = 2_000
_LOOKS = 10  # a look at memory costs as much as a call
_GROUPS = (ZoneGroup(country="GB", zones=("Europe/London",)),)


def settings(lines: int, hold_ms: int) -> Settings:
    """Return settings of one trunk with that many lines, which answers at once and holds calls that long."""
    options = {"ring_time": "0ms", "talk_time": format_duration(hold_ms), "outcomes": {"answered": 1}}
    return Settings(
        daemon=DaemonSettings(max_concurrent=lines),
        trunks={"sim": TrunkSettings(provider="simulator", max_concurrent=lines, countries=("GB",), options=options)},
        numbers={"+447111999001": NumberSettings(trunk="sim")},
        agents={"reminder": AgentSettings(say="Hello.")},
        quiet_hours=QuietHours(enabled=False),
    )


def number(index: int) -> str:
    """Return a number of its own for each index below 10**7, in an order that looks random to an index."""
    return f"+4471{index * 7_368_787 % 10**8:08}"  # the factor shares no divisor with 10**8


async def fill(
    store: Store, count: int, *, first: int = 0, pacing: Pacing | None = None, start_at: Instant | None = None
) -> int:
    """Store a campaign, ready to be dialled, and return its key.

    Args:
        store: where.
        count: its recipients.
        first: the index of the first one's number.
        pacing: how fast it dials; None = as fast as it can.
        start_at: when they become due; None = now.
    """
    now = SystemClock().now()
    spec = CampaignSpec(name="other", agent="reminder", pacing=pacing)
    new = NewCampaign(spec=spec, uid="other", timezone="Europe/London", start_at=start_at, end_at=None, created_at=now)
    key = await store.write(campaigns.begin, new)
    for begin in range(0, count, _BATCH):
        rows = [
            [at + 1, number(first + at), 0, None, None, '{"first":"Ann"}', None]
            for at in range(begin, min(count, begin + _BATCH))
        ]
        batch = RecipientBatch(groups=_GROUPS, rows=msgspec.json.encode(rows).decode(), count=len(rows))
        assert not await store.write_bulk(recipients.add, key, batch)
    await store.write(lambda c: campaigns.publish(c, key, state=CampaignState.SCHEDULED, taken=None, now=now))
    return key


async def run(
    url: str, count: int, lines: int, hold_ms: int, watch: AbstractContextManager[object] | None = None
) -> dict[str, object]:
    """Dial a campaign to its end and return what that took.

    Args:
        url: of a new database.
        count: recipients.
        lines: calls at once.
        hold_ms: how long each lasts.
        watch: entered before the first call and left after the last outcome; None = nothing watches.
    """
    async with open_store(url) as store:
        key = await fill(store, count)
        before = memory_kib()
        host = PluginHost()
        engine = Engine(store, settings(lines, hold_ms), host.make_provider, SystemClock())
        tune()
        most = largest = looks = 0
        async with trio.open_nursery() as nursery:
            wall, cpu = time.perf_counter(), time.process_time()
            with watch or nullcontext():
                await nursery.start(engine.run)
                while engine.campaigns.by_key(key) is not None:
                    await trio.sleep(0.01)
                    most = max(most, len(engine.dispatcher.calls))
                    if (looks := looks + 1) % _LOOKS == 0:
                        largest = max(largest, memory_kib())
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            engine.stop()
        (totals,) = (await store.read(reports.totals, [key])).values()
        assert sum(totals.finals.values()) == sum(totals.outcomes.values()) == count, totals
        return {
            "count": count,
            "lines": lines,
            "hold_ms": hold_ms,
            "wall_s": wall,
            "cpu_s": cpu,
            "per_s": count / wall,
            "calls_a_turn": count / engine.dispatcher.turns if engine.dispatcher.turns else 0.0,
            "most_calls": most,
            "rss_before_kib": before,
            "rss_most_kib": largest,
            "peak_kib": peak_kib(),
            "load": load(),
        }


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.calls")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--lines", type=int, default=500)
    parser.add_argument("--hold-ms", type=int, default=0)
    parser.add_argument("--log", type=Path, help="log as the daemon does, JSON at info, to this file; absent = no log")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder, open(asked.log or "/dev/null", "w") as stream:
        logging.configure("error" if asked.log is None else "info", stream=stream)
        url = f"sqlite:///{Path(folder).resolve()}/bench.db"
        print(json.dumps(trio.run(run, url, asked.count, asked.lines, asked.hold_ms)))


if __name__ == "__main__":
    main()
