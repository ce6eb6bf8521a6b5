"""Calls a second beside BullMQ's jobs.

The same number of calls and jobs, the same concurrency, the same file system, the same durability: `synchronous=FULL`
here, `appendfsync always` there. A job does nothing, or waits as long as a call holds its line. dialerd writes its log,
a JSON line a call, to a file, as the daemon does. The bare loop is trio and SQLite with the same transactions and
nothing that makes it a dialer. They run in turn, three times; ratios are of runs of the same round. Completed jobs are
kept, as attempts are. BullMQ's processor time is that of Node and Redis together.
"""

from pathlib import Path

from bench import bullmq
from bench.figures.rates import rate, ratio
from bench.run import Result, measure, rounds
from bench.table import Row, mib

_GOALS = {0: ("10,000/s, 60 µs; ahead of BullMQ, 45 µs", "1", "0.50"), 20: ("10,000/s; 14,500/s", "", "")}


def rows(scale: int) -> list[Row]:
    """Measure without hold and with 20 ms, then what waits in memory."""
    if missing := bullmq.missing():
        head = Row(what="BullMQ", figure="skipped", notes=missing)
    else:
        head = Row(what="BullMQ", figure="compared", notes=bullmq.versions())
    listed = [head, *(row for hold_ms in _GOALS for row in _side_by_side(scale, hold_ms, not missing))]
    return listed if missing else [*listed, _waiting(1_000_000 // scale)]


def _side_by_side(scale: int, hold_ms: int, with_bullmq: bool) -> list[Row]:
    count, log = 100_000 // scale, Path("bench-calls.log")
    common = ("--count", count, "--hold-ms", hold_ms)
    theirs: list[Result] = []
    ours: list[Result] = []
    bare: list[Result] = []
    lazy: list[Result] = []
    try:
        for _ in range(rounds(scale)):
            if with_bullmq:
                theirs.append(measure("bullmq", *common))
            ours.append(measure("calls", *common, "--log", log))
            bare.append(measure("bare", *common))
            if with_bullmq and not hold_ms:
                lazy.append(measure("bullmq", *common, "--fsync", "everysec"))
    finally:
        log.unlink(missing_ok=True)
    goal, beside_bullmq, beside_bare = _GOALS[hold_ms]
    what = f"{count:,} calls, {hold_ms} ms hold, 500 lines" if hold_ms else f"{count:,} calls, no hold, 500 lines"
    listed = [rate(what, ours, goal)]
    if theirs:
        listed.append(rate("the same, BullMQ, appendfsync always", theirs))
        listed.append(ratio("dialerd over BullMQ, always", ours, theirs, beside_bullmq))
    if lazy:
        listed.append(rate("the same, BullMQ, appendfsync everysec", lazy))
    return [*listed, rate("the same, bare loop", bare), ratio("dialerd over the bare loop", ours, bare, beside_bare)]


def _waiting(count: int) -> Row:
    found = measure("bullmq", "--count", count, "--fsync", "everysec", "--wait")
    return Row(
        what=f"Redis's memory with {found['waiting']:,} jobs waiting",
        figure=mib(found["redis_kib"]),
        load=found["load"],
        notes=f"added in {found['add_s']:.0f} s; {mib(found['redis_before_kib'])} before",
    )
