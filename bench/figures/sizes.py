"""Cost as work grows.

The same calls without hold, over 500 lines and without a log, from campaigns of three sizes.
"""

from statistics import median

from bench.figures.rates import rate
from bench.run import measure, rounds
from bench.table import Row, mib


def rows(scale: int) -> list[Row]:
    """Measure the smaller sizes three times, on both sides of the largest."""
    small, middle, large = 10_000 // scale, 100_000 // scale, 1_000_000 // scale
    found = {size: [measure("calls", "--count", size)] for size in (small, middle, large)}
    for size in (small, middle) * (rounds(scale) - 1):
        found[size].append(measure("calls", "--count", size))
    listed = [rate(f"{size:,} recipients", results) for size, results in found.items()]
    rates = [median(result["per_s"] for result in results) for results in found.values()]
    cpu = [median(result["cpu_s"] / size for result in results) for size, results in found.items()]
    grown = found[large][0]["rss_most_kib"] - found[large][0]["rss_before_kib"]
    return [
        *listed,
        Row(
            what="the slowest over the fastest, the cheapest over the dearest",
            figure=f"{min(rates) / max(rates):.2f}",
            goal="0.80",
            cpu=f"{min(cpu) / max(cpu):.2f}",
        ),
        Row(what=f"memory that dialling {large:,} added", figure=mib(grown)),
    ]
