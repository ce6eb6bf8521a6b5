"""The local API beside a campaign of 1,000,000 recipients.

The recipients are streamed into a draft as one CSV body. Then requests come over eight connections: a campaign with one
recipient is created, the long campaign is got with its counters, 50 campaigns are listed, 50 of its recipients are
listed. Latencies are the client's, which is a Python process on the machine's other core. Memory above idle is the
daemon's largest resident set and the reading process's largest together, less the daemon's before the list came.
"""

from typing import Any

from bench.run import measure
from bench.table import Row, mib


def rows(scale: int) -> list[Row]:
    """Measure once."""
    found = measure("api", "--count", 1_000_000 // scale, "--requests", 4_000 // scale)
    above = found["daemon_peak_kib"] + found["worker_peak_kib"] - found["daemon_before_kib"]
    return [
        Row(
            what=f"{found['rows']:,} recipients streamed in",
            figure=f"{found['per_s']:,.0f}/s",
            cpu=f"{found['cpu_s'] / found['rows'] * 1e6:.1f} µs",
            load=found["load"],
            notes=f"{found['wall_s']:.1f} s; memory above idle {mib(above)}",
        ),
        *(_requests(what, found[what]) for what in ("create", "get", "list", "people")),
    ]


def _requests(what: str, found: dict[str, Any]) -> Row:
    names = {"create": "create a campaign", "get": "get", "list": "list 50 campaigns", "people": "list 50 recipients"}
    middle, p99, most = found["ms"]
    return Row(
        what=names[what],
        figure=f"{found['per_s']:,.0f}/s",
        cpu=f"{found['cpu_us']:.0f} µs",
        notes=f"p50 {middle:.1f} ms, p99 {p99:.1f} ms, most {most:.1f} ms; {found['requests']:,} requests",
    )
