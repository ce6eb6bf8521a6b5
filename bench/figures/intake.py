"""Intake of a long list while another campaign dials.

The real daemon takes a CSV file while a recipient of another campaign becomes due every 20 ms. Dispatch delay is from
the instant at which a recipient was due, with lines free, hours open and no pace to keep, to the instant at which the
network took the call by the simulator's ledger: claimed durably, past the last gate. Memory above idle is the daemon's
largest resident set and the reading process's largest together, less the daemon's before the list came.
"""

from bench.run import measure
from bench.table import Row, mib


def rows(scale: int) -> list[Row]:
    """Measure once."""
    found = measure("intake", "--count", 1_000_000 // scale)
    above = found["daemon_peak_kib"] + found["worker_peak_kib"] - found["daemon_before_kib"]
    parts = mib(found["daemon_before_kib"], found["daemon_peak_kib"], found["worker_peak_kib"])
    return [
        Row(
            what=f"{found['rows']:,} rows, {found['mib']:.0f} MiB",
            figure=f"{found['per_s']:,.0f}/s",
            goal="25,000/s",
            cpu=f"{found['cpu_s'] / found['rows'] * 1e6:.1f} µs",
            load=found["load"],
            notes=f"{found['wall_s']:.1f} s; processor time of the daemon, the other campaign's calls and the reader",
        ),
        Row(what="memory above idle", figure=mib(above), goal="150 MiB", notes=f"{parts}: daemon before, most; reader"),
        _delay("dispatch delay of the other meanwhile", found["busy"], "p99 under 100 ms"),
        _delay("the same before the list came", found["quiet"], ""),
    ]


def _delay(what: str, found: list[float], goal: str) -> Row:
    count, middle, p99, most = found
    figure = f"p50 {middle:.0f} ms, p99 {p99:.0f} ms, most {most:.0f} ms"
    return Row(what=what, figure=figure, goal=goal, notes=f"{count:,} calls")
