"""`dialerd plan`: forecasts a campaign file and prints when it ends, what holds it up, and how busy the lines get."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from dialerd.api.rendering import plain
from dialerd.cli import plan_text
from dialerd.intake.read_now import read_now
from dialerd.model.errors import DialerdError, Fault
from dialerd.model.instants import Instant, to_iso
from dialerd.model.plan_view import PlanView
from dialerd.model.settings import Settings
from dialerd.operations.forecast import PlannedCall, forecast
from dialerd.operations.planned import plan_view


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
    data = _data(plan_view(new, result, warnings))
    if as_json:
        click.echo(msgspec.json.encode(data))
    else:
        plan_text.show(data)
        if calls is not None:
            click.echo(f"every call   {calls}")
    return 0 if result.end_at is not None else 1


def _data(plan: PlanView) -> dict[str, Any]:
    """Return a forecast as `/v1/plan` answers it, and with each warning the file that it is about."""
    data: dict[str, Any] = plain(plan, PlanView)
    for warning, fault in zip(data["warnings"], plan.warnings, strict=True):
        warning["file"] = fault.file
    return data


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
