"""`dialerd check-config`: says OK, or lists every fault of the settings."""

from pathlib import Path

import click
from attrs import evolve

from dialerd.daemon.crosschecks import warnings
from dialerd.daemon.places import place_warnings
from dialerd.daemon.settings import load_settings, lowered
from dialerd.model.settings import Settings
from dialerd.plugin.host import PluginHost
from dialerd.rules.accounts import accounts


def run(config: Path) -> int:
    """Check the settings in `config` and print the result.

    Args:
        config: the settings file.

    Returns:
        The exit code: 0, or 1 where a plugin's screen is broken, so that every call would be held.

    Raises:
        DialerdError: the file cannot be read or has faults; the command prints them and exits with 1.
    """
    host = PluginHost()
    settings = load_settings(config, host=host)
    broken = host.ask_all()
    for found in broken:
        message = f"plugin {found.plugin} ({found.target}) does not work: {found.problem}"
        if found.holds:
            click.echo(f"{message}; while it has no working screen, every call is held", err=True)
        else:
            click.echo(f"warning: {message}", err=True)
    for fault in [*warnings(settings), *lowered(config, settings), *place_warnings(settings, host)]:
        click.echo(f"warning: {evolve(fault, file=str(config))}", err=True)
    if any(found.holds for found in broken):
        return 1
    click.echo(f"OK {config}: {summary(settings)}")
    return 0


def summary(settings: Settings) -> str:
    """Return a line that tells what the settings describe."""
    hours = settings.quiet_hours
    called = f"calls from {hours.start:%H:%M} to {hours.end:%H:%M}" if hours.enabled else "quiet hours are off"
    sharing = [account.trunks for account in accounts(settings.trunks).values() if len(account.trunks) > 1]
    together = "; ".join(f"{', '.join(names)} share a pace" for names in sharing)
    return ", ".join(
        [
            _count(len(settings.trunks), "trunk") + (f" ({together})" if together else ""),
            _count(len(settings.numbers), "number"),
            _count(len(settings.agents), "agent"),
            f"at most {_count(settings.daemon.max_concurrent, 'call')} at once",
            called,
        ]
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
