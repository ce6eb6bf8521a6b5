"""Calls a second, and what the log takes.

No hold, 500 lines, from start to the last durable outcome; recipients are stored beforehand. With the log is how the
daemon runs: a JSON line a call to a file.
"""

from pathlib import Path

from bench.figures.rates import rate, ratio
from bench.run import Result, measure, rounds
from bench.table import Row


def rows(scale: int) -> list[Row]:
    """Measure with the log and without it, in turn."""
    count, log = 100_000 // scale, Path("bench-calls.log")
    logged: list[Result] = []
    silent: list[Result] = []
    try:
        for _ in range(rounds(scale)):
            logged.append(measure("calls", "--count", count, "--log", log))
            silent.append(measure("calls", "--count", count))
    finally:
        log.unlink(missing_ok=True)
    return [
        rate(f"{count:,} recipients, with the log", logged, "10,000/s, 60 µs; 45 µs"),
        rate("without a log", silent),
        ratio("speed with the log over that without", logged, silent),
    ]
