"""Figures as a Markdown table that can be read on a terminal too."""

from collections.abc import Sequence
from statistics import median

from attrs import frozen


@frozen
class Row:
    """A figure.

    Args:
        what: what was measured.
        figure: what came out.
        load: the machine's load average beside it.
        notes: what else is worth knowing.
    """

    what: str
    figure: str
    load: str
    notes: str = ""


def spread(values: Sequence[float], form: str) -> str:
    """Return the median of `values`, and the least and the most where there are several."""
    middle = form.format(median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({form.format(min(values))} to {form.format(max(values))})"


def table(rows: Sequence[Row]) -> str:
    """Return rows as a table, its columns aligned."""
    cells = [("what", "figure", "load", "notes"), *((row.what, row.figure, row.load, row.notes) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
