"""Long calls.

A call holds its line for two seconds, so that thousands are in progress at once; memory is what the process grew by
from before the first call, for each of them.
"""

from bench.figures.rates import rate
from bench.run import measure
from bench.table import Row


def rows(scale: int) -> list[Row]:
    """Measure once."""
    lines = 5_000 // scale
    found = measure("calls", "--count", 5 * lines, "--hold-ms", 2_000, "--lines", lines)
    kib = (found["rss_most_kib"] - found["rss_before_kib"]) / max(1, found["most_calls"])
    what = f"{5 * lines:,} recipients, 2 s hold, {lines:,} lines, which allow {lines // 2:,}/s"
    return [
        rate(what, [found], f"{2_200 // scale:,}/s"),
        Row(what=f"memory for each of {found['most_calls']:,} calls in progress", figure=f"{kib:.1f} KiB"),
    ]
