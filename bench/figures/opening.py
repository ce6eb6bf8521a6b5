"""The opening of a window.

All are due at one instant, with 500 lines free. The delay is from the opening to the call's leaving through the last
gate. Lateness is over what the lines and the pace allow: the nth call may leave when n over the lines calls have
been held, and n intervals of the pace after the opening.
"""

from bench.run import Result, measure
from bench.table import Row


def rows(scale: int) -> list[Row]:
    """Measure calls without hold, with hold, and paced."""
    count, paced = 10_000 // scale, 500 // scale
    return [
        _row(f"{count:,} due, no hold", measure("opening", "--count", count)),
        _row(
            f"{count:,} due, 100 ms hold, which allow 5,000/s", measure("opening", "--count", count, "--hold-ms", 100)
        ),
        _row(f"{paced:,} due, paced at 50/s", measure("opening", "--count", paced, "--pace", 50)),
    ]


def _row(what: str, found: Result) -> Row:
    late = ", ".join(
        f"{name} {value:.0f} ms" for name, value in zip(("p50", "p99", "most"), found["late_ms"], strict=True)
    )
    return Row(
        what=what,
        figure=", ".join(
            f"{name} {value:,.0f} ms" for name, value in zip(("p50", "p99", "most"), found["delays_ms"], strict=True)
        ),
        cpu=f"{found['cpu_s'] / found['count'] * 1e6:.0f} µs",
        load=found["load"],
        notes=f"late by {late}; first after {found['first_ms']} ms",
    )
