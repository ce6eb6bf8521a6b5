"""`dialerd demo`: the sample campaigns, dialled over the simulator by a real daemon in a process of its own.

It does what a sysadmin would: starts the daemon, drops files into the spool, watches the status, reads the report.
"""

import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from dialerd.daemon.instance import LOCK
from dialerd.intake.folders import Folders
from dialerd.model.errors import DialerdError
from dialerd.model.settings import Settings

_PATIENCE_S = 120.0
_LOOK_S = 0.2


def run(settings: Settings, config: Path) -> int:
    """Dial the campaigns that lie beside `config` and leave their reports behind.

    Args:
        settings: what `config` holds.
        config: settings of a simulated trunk; the campaigns lie in `campaigns/` beside it.

    Returns:
        The exit code: 0, or 1 where a report is missing or its counts do not add up.

    Raises:
        DialerdError: the demonstration cannot be set up, or did not end in time.
    """
    if any(trunk.provider != "simulator" for trunk in settings.trunks.values()):
        raise DialerdError(f"{config} has trunks that could ring people; a demonstration uses the simulator alone")
    campaigns = sorted((config.parent / "campaigns").glob("*"))
    if not campaigns:
        raise DialerdError(f"no campaign lies in {config.parent / 'campaigns'}; name other settings with --config")
    console = Console()
    _clear(settings.daemon.state_dir)
    folders = Folders.below(settings.daemon.spool_dir)
    log = settings.daemon.state_dir / "daemon.log"
    began = time.monotonic()
    with _daemon(config, folders, log) as daemon:
        specs = [path.name for path in campaigns if path.suffix in (".toml", ".json")]
        console.print(f"dialerd runs (pid {daemon.pid}); dropping {', '.join(specs)} into")
        console.print(f"  {folders.incoming}", soft_wrap=True)
        for path in campaigns:  # a campaign file waits for its recipients' file, so the order does not matter
            part = folders.incoming / f"{path.name}.part"
            shutil.copy(path, part)
            part.rename(folders.incoming / path.name)
        _watch(console, folders, specs, daemon, log)
    reports = sorted(folders.reports.glob("*/summary.toml"))
    whole = _print_reports(console, reports)
    console.print(f"done in {time.monotonic() - began:.0f} s; the daemon's log: {log}", soft_wrap=True)
    return 0 if whole and len(reports) == len(specs) else 1


def _clear(state_dir: Path) -> None:
    """Take away what the last demonstration left; its campaigns would be known as dialled already."""
    if state_dir.exists():
        if not (state_dir / LOCK).exists() and any(state_dir.iterdir()):
            raise DialerdError(f"{state_dir} is no state directory of dialerd; move it away, it would be cleared")
        shutil.rmtree(state_dir)
    state_dir.mkdir(parents=True)


@contextmanager
def _daemon(config: Path, folders: Folders, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a daemon until the block ends, then stop it as systemd would."""
    with log.open("wb") as out:
        command = [sys.executable, "-m", "dialerd", "run", "--config", str(config)]
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        _until(folders.incoming.is_dir, process, log)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE_S)


def _watch(console: Console, folders: Folders, specs: list[str], daemon: "subprocess.Popen[bytes]", log: Path) -> None:
    """Show the campaigns' progress until each has its report."""
    progress = Progress(
        TextColumn("{task.fields[label]}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("people   {task.fields[calls]}"),
    )
    tasks = {spec: progress.add_task(spec, total=None, label=spec, calls="") for spec in specs}

    def ended() -> bool:
        statuses = {spec: _status(folders.accepted / f"{spec}.status.toml") for spec in specs}
        for spec, status in statuses.items():
            people = status.get("recipients", {})
            done = people.get("total", 0) - people.get("pending", 0) - people.get("dialing", 0)
            progress.update(
                tasks[spec],
                total=people.get("total"),
                completed=done,
                label=status.get("name", spec),
                calls=_calls(status.get("attempts", {})),
            )
        return len(list(folders.reports.glob("*/summary.toml"))) >= len(specs)

    with Live(Group(Text(), progress), console=console, refresh_per_second=5, transient=not console.is_terminal):
        _until(ended, daemon, log)


def _status(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}


def _calls(attempts: dict[str, Any]) -> str:
    return f"{attempts.get('total', 0)} calls, {attempts.get('answered', 0)} answered"


def _until(ready: Any, daemon: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not ready():
        if daemon.poll() is not None:
            raise DialerdError(f"the daemon stopped by itself (exit code {daemon.returncode}); look at {log}")
        if time.monotonic() > deadline:
            raise DialerdError(f"the demonstration did not end within {_PATIENCE_S:.0f} s; look at {log}")
        time.sleep(_LOOK_S)


def _print_reports(console: Console, reports: list[Path]) -> bool:
    """Print the reports and return whether their counts add up."""
    table = Table(box=None, pad_edge=False)
    for title in ("campaign", "people", "succeeded", "failed", "exhausted", "calls", "answered"):
        table.add_column(title, justify="left" if title == "campaign" else "right", no_wrap=True)
    whole = True
    for path in reports:
        summary = tomllib.loads(path.read_text())
        people = summary["recipients"]
        ends = {name: count for name, count in people.items() if name not in ("total", "undialed")}
        if sum(ends.values()) != people["total"]:
            click.echo(f"{path}: the final states {ends} do not add up to {people['total']}", err=True)
            whole = False
        table.add_row(
            summary["name"],
            *(str(people[name]) for name in ("total", "succeeded", "failed", "exhausted")),
            str(summary["attempts"]["total"]),
            f"{summary['answer_rate']:.0%}",
        )
    console.print(table)
    for path in reports:
        console.print(f"report: {path.parent}", soft_wrap=True)
    return whole
