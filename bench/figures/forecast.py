"""A forecast.

`dialerd plan` of a campaign that takes ten days; the seconds are those of the whole command.
"""

from bench.run import measure, rounds
from bench.table import Row, mib, spread


def rows(scale: int) -> list[Row]:
    """Measure three times."""
    found = [measure("forecast", "--count", 10_000 // scale) for _ in range(rounds(scale))]
    return [
        Row(
            what=f"{10_000 // scale:,} recipients over ten days",
            figure=spread([result["wall_s"] for result in found], "{:.1f}") + " s",
            cpu=spread([result["cpu_s"] for result in found], "{:.1f}") + " s",
            load=" ".join(result["load"] for result in found),
            notes=f"{mib(max(result['peak_kib'] for result in found))} at most",
        )
    ]
