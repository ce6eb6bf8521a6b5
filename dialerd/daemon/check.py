"""`dialerd check-config`: says OK, or lists every fault of the settings."""

from pathlib import Path

import click
from attrs import evolve

from dialerd.daemon.crosschecks import warnings
from dialerd.daemon.settings import load_settings
from dialerd.model.settings import Settings
from dialerd.plugin.host import PluginHost


def run(config: Path) -> int:
    """Check the settings in `config` and print the result.

    Args:
        config: the settings file.

    Returns:
        The exit code, 0.

    Raises:
        DialerdError: the file cannot be read or has faults; the command prints them and exits with 1.
    """
    host = PluginHost()
    settings = load_settings(config, host=host)
    for broken in host.broken:
        click.echo(f"warning: plugin {broken.plugin} ({broken.target}) does not work: {broken.problem}", err=True)
    for fault in warnings(settings):
        click.echo(f"warning: {evolve(fault, file=str(config))}", err=True)
    click.echo(f"OK {config}: {summary(settings)}")
    return 0


def summary(settings: Settings) -> str:
    """Return a line that tells what the settings describe."""
    hours = settings.quiet_hours
    called = f"calls from {hours.start:%H:%M} to {hours.end:%H:%M}" if hours.enabled else "quiet hours are off"
    return ", ".join(
        [
            _count(len(settings.trunks), "trunk"),
            _count(len(settings.numbers), "number"),
            _count(len(settings.agents), "agent"),
            f"at most {_count(settings.daemon.max_concurrent, 'call')} at once",
            called,
        ]
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
