"""What a call costs.

Where the processor time of a call goes, 500 lines, with the log. The writer's thread is measured by its own clock
around each part of a turn; its commit is the rest of it: the WAL's pages, fsync, checkpoints. The event loop's thread
is sampled at each tick of its own processor clock, and a sample belongs to the innermost room that it is in.
"""

from bench.run import measure
from bench.table import Row


def rows(scale: int) -> list[Row]:
    """Measure calls without hold and calls of 20 ms."""
    count = 100_000 // scale
    found = {hold: measure("cost", "--count", count, "--hold-ms", hold) for hold in (0, 20)}
    plain, held = ({"all of it": one["cpu_s"] / count * 1e6} | one["each_us"] for one in found.values())
    samples = " and ".join(f"{one['samples']:,}" for one in found.values())
    return [
        Row(what=f"{count:,} calls", figure="no hold", notes=f"20 ms hold; {samples} samples"),
        *(
            Row(what=part, figure=_share(plain, part), notes=_share(held, part))
            for part in sorted(plain.keys() | held.keys(), key=lambda part: -plain.get(part, 0.0))
        ),
    ]


def _share(parts: dict[str, float], part: str) -> str:
    each = parts.get(part, 0.0)
    return f"{each:5.1f} µs {each / parts['all of it']:5.0%}"
