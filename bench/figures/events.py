"""Events: 100 followers while the dialer runs as fast as it can.

Calls without hold, 500 lines, with the log; the followers are one process on the machine's other core, and each reads
every event over a connection of its own. The delay of an event is the time from the end of its call to its receipt:
the wait for the turn, the commit and the stream together. Without followers no event is written.
"""

from typing import Any

from bench.run import Result, measure, rounds
from bench.table import Row, mib, spread


def rows(scale: int) -> list[Row]:
    """Measure without followers, with one and with 100, in turn."""
    count = 100_000 // scale
    found: dict[int, list[Result]] = {0: [], 1: [], 100: []}
    for _ in range(rounds(scale)):
        for followers, results in found.items():
            results.append(measure("events", "--count", count, "--followers", followers))
    return [_row(followers, results) for followers, results in found.items()]


def _row(followers: int, results: list[dict[str, Any]]) -> Row:
    notes = []
    if followers:
        middle, p99, most = (spread([one["ms"][at] for one in results]) for at in range(3))
        sent = spread([one["mib"] / one["wall_s"] for one in results])
        notes = [f"delay p50 {middle} ms, p99 {p99} ms, most {most} ms", f"{sent} MiB/s sent"]
    return Row(
        what=f"{results[0]['count']:,} calls, {followers or 'no'} follower{'' if followers == 1 else 's'}",
        figure=spread([one["per_s"] for one in results]) + "/s",
        cpu=spread([one["cpu_s"] / one["count"] * 1e6 for one in results]) + " µs",
        load=" ".join(one["load"] for one in results),
        notes="; ".join([*notes, f"{mib(max(one['peak_kib'] for one in results))} at most"]),
    )
