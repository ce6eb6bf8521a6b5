"""A forecast for people, from the plain data of a `PlanView`: with colours and bars on a terminal, plain elsewhere."""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dialerd.cli.faults import words
from dialerd.cli.local import hour, moment, zone
from dialerd.cli.output import console

_HOURS_SHOWN: Final = 48
_WARNINGS_SHOWN: Final = 20
_BAR: Final = 30  # columns of the busiest hour's bar


def show(plan: Mapping[str, Any], out: Console | None = None) -> None:
    """Print a forecast; times are in the campaign's zone.

    Args:
        plan: as `/v1/plan` answers it.
        out: where to; None = standard output.
    """
    out = out or console()
    local = zone(plan["timezone"])
    out.print(f"[bold]{escape(plan['name'])}[/bold], forecast from {moment(plan['starts_at'], local)}")
    ends = "[bold red]never by itself[/bold red]" if plan["ends_at"] is None else moment(plan["ends_at"], local)
    out.print(f"ends         {ends}")
    if plan["first_call_at"] is not None:
        out.print(f"first call   {moment(plan['first_call_at'], local)}")
        out.print(f"last call    {moment(plan['last_call_at'], local)}")
    for title, total, counts in (
        ("recipients", plan["recipients"], plan["finals"]),
        ("calls", plan["calls"], plan["outcomes"]),
    ):
        parts = ", ".join(f"{count} {name}" for name, count in counts.items())
        out.print(f"{title:<12} {total}" + (f": {parts}" if parts else ""))
    out.print(f"peak lines   {plan['peak_lines']}")
    for title, counts in (("put off", plan["held"]), ("never rung", plan["never_open"])):
        if counts:
            out.print(f"{title:<12} " + ", ".join(f"{count} by {rule}" for rule, count in counts.items()))
    _hours(out, plan["calls_per_hour"], local)
    for warning in plan["warnings"][:_WARNINGS_SHOWN]:
        out.print(f"[yellow]warning:[/yellow] {escape(words(warning))}")
    if (more := plan["warnings_count"] - _WARNINGS_SHOWN) > 0:
        out.print(f"[yellow]and {more} more warnings[/yellow]")


def _hours(out: Console, counts: Mapping[str, int], local: tzinfo) -> None:
    if not counts:
        return
    most = max(counts.values())
    table = Table("hour", "calls", "", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for start, count in list(counts.items())[:_HOURS_SHOWN]:
        table.add_row(hour(start, local), str(count), "█" * max(1, round(_BAR * count / most)))
    out.print(table)
    if len(counts) > _HOURS_SHOWN:
        out.print(f"and {len(counts) - _HOURS_SHOWN} more hours; --json lists them all")
