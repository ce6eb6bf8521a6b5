"""Many small files.

Campaign files of one recipient each, dropped at once: each is read, stored, moved, dialled and reported by the real
daemon.
"""

from bench.run import measure
from bench.table import Row, mib


def rows(scale: int) -> list[Row]:
    """Measure once."""
    found = measure("files", "--count", 2_000 // scale)
    count = found["count"]
    return [
        Row(what=f"{count:,} files taken", figure=f"{count / found['taken_s']:.0f}/s", load=found["load"]),
        Row(
            what="until each is dialled and has its report",
            figure=f"{found['reported_s']:.1f} s",
            cpu=f"{found['cpu_s'] / count * 1e3:.1f} ms a file",
            load=found["load"],
            notes=f"{mib(found['peak_kib'])} at most",
        ),
    ]
