"""Restart with a long list queued.

The real daemon, from the start of its process. The list is taken before, with no other campaign beside it. Memory is
the largest resident set of the process.
"""

from bench.run import measure, rounds
from bench.table import Row, mib, spread


def rows(scale: int) -> list[Row]:
    """Measure an idle daemon, the intake, and some starts."""
    found = measure("restart", "--count", 1_000_000 // scale, "--starts", rounds(scale))
    taken, due = found["intake"], found["due"]
    starts = f"restart with {found['count']:,} queued"
    calls = spread([one["first_call_s"] for one in due], "{:.2f}")
    dials = spread([one["started_s"] for one in due], "{:.2f}")
    dialling = mib(max(one["dialling_kib"] for one in due))
    return [
        Row(
            what=f"intake of {taken['rows']:,} rows beforehand",
            figure=f"{taken['per_s']:,.0f}/s",
            goal="25,000/s",
            cpu=f"{taken['cpu_s'] / taken['rows'] * 1e6:.1f} µs",
            load=taken["load"],
            notes=f"{taken['wall_s']:.1f} s; {taken['database_mib']:.0f} MiB of database",
        ),
        Row(what=f"{starts}: first call", figure=f"{calls} s", goal="2 s", notes=f"started after {dials} s"),
        Row(what="memory while dialling", figure=dialling, goal="130 MiB", load=due[-1]["load"]),
        Row(what="memory while all of them wait for their hours", figure=mib(found["idle_kib"]), goal="130 MiB"),
        Row(what="processor while they wait", figure=f"{found['idle_share']:.2%} of a core", goal="under 1 %"),
        Row(
            what="processor with an empty store",
            figure=f"{found['empty_share']:.2%} of a core",
            goal="under 1 %",
            notes=f"{mib(found['empty_kib'])}",
        ),
    ]
