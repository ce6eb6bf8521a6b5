"""The `dialerd` command. What a command needs is imported when it runs, so that `--help` answers at once."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dialerd.model.instants import Instant
    from dialerd.model.settings import Settings

_DEFAULT_CONFIG = "/etc/dialerd/dialerd.toml"


class _Group(click.Group):
    """Tells dialerd's own errors in sentences, without a traceback, and exits with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        from dialerd.model.errors import DialerdError

        try:
            code = super().invoke(ctx)
        except DialerdError as error:
            click.echo(str(error), err=True)
            code = 1
        except BaseExceptionGroup as group:
            known, other = group.split(DialerdError)
            if other is not None:
                raise
            click.echo("\n".join(str(leaf) for leaf in _leaves(known)), err=True)
            code = 1
        ctx.exit(code or 0)


def _leaves(error: BaseException | None) -> Iterator[BaseException]:
    """Go through the errors in nested groups, as nurseries raise them."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    elif error is not None:
        yield error


_config = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=_DEFAULT_CONFIG,
    show_default=True,
    envvar="DIALERD_CONFIG",
    help="Settings file.",
)


def _log_level(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        default=default,
        show_default=True,
        envvar="DIALERD_LOG_LEVEL",
        help="Least weight of what is logged.",
    )


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dialerd")
def cli() -> None:
    """Dial outbound campaigns: drop a campaign file into the spool, dialerd does the rest."""


@cli.command()
@_config
@_log_level("info")
def run(config: Path, log_level: str) -> int:
    """Run the daemon in the foreground, as systemd starts it."""
    import faulthandler

    # a watchdog ends a stuck daemon with SIGABRT: where each thread stood is then the only trace of the reason
    faulthandler.enable(file=2)
    # until the daemon can follow it, a reload must not end it, which is what the signal does by default
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    settings = _settings(config, log_level)
    from dialerd.daemon import service

    return service.run(settings, config)


@cli.command("check-config")
@_config
def check_config(config: Path) -> int:
    """Say OK, or list every fault of the settings and exit with 1."""
    from dialerd.daemon import check, logging

    logging.configure("error")  # what a plugin's loader says of itself is told among the warnings
    return check.run(config)


@cli.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default="config/demo.toml",
    show_default=True,
    help="Settings file; the campaigns lie in campaigns/ beside it.",
)
@_log_level("warning")
def demo(config: Path, log_level: str) -> int:
    """Dial the sample campaigns over the simulator and leave a report behind."""
    settings = _settings(config, log_level)
    from dialerd.daemon import demo

    return demo.run(settings, config)


@cli.command()
@click.argument("campaign")
@click.argument("number")
@_config
@_log_level("warning")
def why(campaign: str, number: str, config: Path, log_level: str) -> int:
    """Say which rule holds NUMBER in CAMPAIGN, since when, and when it may be dialled."""
    settings = _settings(config, log_level)
    from dialerd.daemon import why

    return why.run(settings, campaign, number)


@cli.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--from", "start", metavar="INSTANT", help="Begin at this day or moment.  [default: now]")
@click.option("--calls", type=click.Path(dir_okay=False, path_type=Path), help="Write every planned call to this CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print the forecast as JSON.")
@_config
@_log_level("warning")
def plan(  # noqa: PLR0917  # click passes options by name
    file: Path, start: str | None, calls: Path | None, as_json: bool, config: Path, log_level: str
) -> int:
    """Forecast the campaign in FILE: when it ends, calls per hour, what holds it up."""
    settings = _settings(config, log_level)
    start_at = parse_instant(start, settings.daemon.timezone)
    from dialerd.daemon import plan

    return plan.run(settings, file, start_at, calls, as_json)


def _settings(config: Path, log_level: str) -> "Settings":
    """Set up logging and return the settings; a fault in them is told before anything heavy is loaded."""
    from dialerd.daemon import logging
    from dialerd.daemon.settings import load_settings

    logging.configure(log_level)
    return load_settings(config)


def parse_instant(text: str | None, timezone: str) -> "Instant":
    """Return the instant written in `text`; a day or a local time is in `timezone`; None = now."""
    from datetime import UTC, datetime

    from dialerd.model.instants import to_instant
    from dialerd.model.scalars import read_moment
    from dialerd.model.wrong import Wrong
    from dialerd.rules.localtime import instant_of

    if text is None:
        return to_instant(datetime.now(UTC))
    try:
        moment = read_moment(text, None)
    except Wrong as wrong:
        raise click.BadParameter(wrong.faults[0][1], param_hint="--from") from wrong
    return instant_of(moment, timezone)


def main() -> None:
    """Run the command line and exit."""
    sys.exit(cli.main(prog_name="dialerd", standalone_mode=True))
