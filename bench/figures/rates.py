"""Rates of calls as rows, and how two rates that were measured in turn compare."""

from collections.abc import Sequence

from bench.run import Result
from bench.table import Row, mib, spread


def rate(what: str, results: Sequence[Result], goal: str = "") -> Row:
    """Return the row of some runs' calls a second."""
    count = results[0]["count"]
    cpu = spread([result["cpu_s"] / count * 1e6 for result in results])
    notes = [f"{spread([result['wall_s'] / count * 1e6 for result in results])} µs wall a call"]
    if "calls_a_turn" in results[0]:
        notes.append(f"{sum(result['calls_a_turn'] for result in results) / len(results):.0f} calls a commit")
    if "redis_cpu_s" in results[0]:
        redis = spread([result["redis_cpu_s"] / count * 1e6 for result in results])
        notes.append(f"of the processor time Redis has {redis} µs")
    notes.append(f"{mib(max(result['peak_kib'] for result in results))} at most")
    return Row(
        what=what,
        figure=spread([result["per_s"] for result in results]) + "/s",
        goal=goal,
        cpu=f"{cpu} µs",
        load=" ".join(result["load"] for result in results),
        notes="; ".join(notes),
    )


def ratio(what: str, results: Sequence[Result], others: Sequence[Result], goal: str = "") -> Row:
    """Return the row of the rates of `results` over those of `others`, pair by pair as they were run."""
    pairs = list(zip(results, others, strict=True))
    rates = spread([one["per_s"] / other["per_s"] for one, other in pairs], "{:.2f}")
    cpu = spread([one["cpu_s"] / other["cpu_s"] for one, other in pairs], "{:.2f}")
    return Row(what=what, figure=rates, goal=goal, cpu=f"{cpu} times")
