"""`dialerd plan`: forecasts a campaign file and prints when it ends, what holds it up, and how busy the lines get."""

import csv
import os
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from dialerd.daemon.forecast import Forecast, PlannedCall, forecast
from dialerd.daemon.local import hour, moment
from dialerd.intake.read_now import read_now
from dialerd.model.errors import DialerdError, Fault
from dialerd.model.instants import SECOND, Instant, to_iso
from dialerd.model.settings import Settings
from dialerd.rules.zones import zone
from dialerd.store.records import NewCampaign

_HOURS_SHOWN = 48
_WARNINGS_SHOWN = 20


def run(settings: Settings, file: Path, start: Instant, calls: Path | None, as_json: bool) -> int:
    """Forecast the campaign in `file` and print the result.

    Args:
        settings: the settings in force.
        file: a campaign file.
        start: the instant from which it is forecast.
        calls: CSV to write every planned call to, or None.
        as_json: print JSON instead of tables.

    Returns:
        The exit code: 0, or 1 where the campaign does not end by itself.

    Raises:
        InvalidInput: the file has faults.
        DialerdError: the CSV cannot be written.
    """
    warnings: list[Fault] = []
    new, people = read_now(file, settings, start, warn=warnings.append)
    result = forecast(new, people, settings, start)
    if calls is not None:
        _write_calls(calls, result.calls)
    if as_json:
        click.echo(msgspec.json.encode(as_data(new, result, warnings)))
    else:
        _print(new, result, warnings, calls)
    return 0 if result.end_at is not None else 1


def as_data(new: NewCampaign, result: Forecast, warnings: Sequence[Fault]) -> dict[str, Any]:
    """Return a forecast as plain JSON data."""
    totals = result.totals
    return {
        "name": new.spec.name,
        "timezone": new.timezone,
        "from": to_iso(result.start_at),
        "ends_at": None if result.end_at is None else to_iso(result.end_at),
        "recipients": totals.recipients,
        "calls": len(result.calls),
        "first_call_at": to_iso(result.calls[0].started_at) if result.calls else None,
        "last_call_at": to_iso(result.calls[-1].started_at) if result.calls else None,
        "peak_lines": result.peak_lines,
        "calls_per_hour": {to_iso(hour): count for hour, count in result.calls_per_hour().items()},
        "finals": {final: count for final, count in totals.finals.items() if count},
        "outcomes": {outcome: count for outcome, count in totals.outcomes.items() if count},
        "talk_s": totals.talk_ms / SECOND,
        "held": dict(result.held),
        "never_open": dict(result.never_open),
        "warnings": [str(warning) for warning in warnings],
    }


def _write_calls(path: Path, calls: Sequence[PlannedCall]) -> None:
    """Write the calls beside `path` and put the whole in its place."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["number", "caller_id", "started_at", "outcome"])
            writer.writerows([call.number, call.caller_id, to_iso(call.started_at), call.outcome] for call in calls)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise DialerdError(f"{path} cannot be written: {error.strerror}; choose another place for --calls") from error


def _print(new: NewCampaign, result: Forecast, warnings: Sequence[Fault], calls: Path | None) -> None:
    console = Console(highlight=False)
    local = zone(new.timezone)
    console.print(f"[bold]{new.spec.name}[/bold], forecast from {moment(result.start_at, local)}")
    if result.end_at is not None:
        console.print(f"ends         {moment(result.end_at, local)}")
    else:
        console.print("ends         [bold red]never by itself[/bold red]")
    if result.calls:
        console.print(f"first call   {moment(result.calls[0].started_at, local)}")
        console.print(f"last call    {moment(result.calls[-1].started_at, local)}")
    finals = ", ".join(f"{count} {final}" for final, count in result.totals.finals.items() if count)
    console.print(f"recipients   {result.totals.recipients}" + (f": {finals}" if finals else ""))
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in result.totals.outcomes.items() if count)
    console.print(f"calls        {len(result.calls)}" + (f": {outcomes}" if outcomes else ""))
    console.print(f"peak lines   {result.peak_lines}")
    for title, counts in (("put off", result.held), ("never rung", result.never_open)):
        if counts:
            console.print(f"{title:<12} " + ", ".join(f"{count} by {rule}" for rule, count in counts.items()))
    _print_hours(console, result, local)
    for warning in warnings[:_WARNINGS_SHOWN]:
        console.print(f"[yellow]warning:[/yellow] {warning}")
    if len(warnings) > _WARNINGS_SHOWN:
        console.print(f"[yellow]and {len(warnings) - _WARNINGS_SHOWN} more warnings[/yellow]")
    if calls is not None:
        console.print(f"every call   {calls}")


def _print_hours(console: Console, result: Forecast, local: tzinfo) -> None:
    hours = result.calls_per_hour()
    if not hours:
        return
    most = max(hours.values())
    table = Table("hour", "calls", "", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for start, count in list(hours.items())[:_HOURS_SHOWN]:
        bar = "█" * max(1, round(30 * count / most))
        table.add_row(hour(start, local), str(count), bar)
    console.print(table)
    if len(hours) > _HOURS_SHOWN:
        console.print(f"and {len(hours) - _HOURS_SHOWN} more hours; --json lists them all")
