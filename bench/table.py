"""Figures as a Markdown table that can be read on a terminal too."""

from collections.abc import Sequence
from statistics import median

from attrs import asdict, frozen


@frozen(kw_only=True)
class Row:
    """A figure.

    Args:
        what: what was measured.
        figure: what came out.
        goal: what is to be reached, and aimed at.
        cpu: processor time a call, or a row, beside a rate.
        load: the machine's load average at the end of each run.
        notes: what else is worth knowing.
    """

    what: str
    figure: str
    goal: str = ""
    cpu: str = ""
    load: str = ""
    notes: str = ""


def spread(values: Sequence[float], form: str = "{:,.0f}") -> str:
    """Return the median of `values`, and the least and the most where there are several."""
    middle = form.format(median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({form.format(min(values))} to {form.format(max(values))})"


def mib(*kib: float) -> str:
    """Return amounts of memory given in KiB."""
    return ", ".join(f"{figure / 1024:.0f} MiB" for figure in kib)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the least of `values` that at least `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def table(rows: Sequence[Row]) -> str:
    """Return rows as a table, its columns aligned, without columns that have nothing in them."""
    lines = [asdict(row) for row in rows]
    names = [name for name in lines[0] if any(line[name] for line in lines)]
    cells = [names, *([line[name] for name in names] for line in lines)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    aligned = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return "\n".join([aligned[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *aligned[1:]])
