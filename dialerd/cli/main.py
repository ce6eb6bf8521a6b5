"""The `dialerctl` command: what people and scripts say to a running daemon."""

import errno
from pathlib import Path
from typing import Any, Final

import click

from dialerd.cli import asking, calls, campaigns, completion, events, standing, suppressions, top
from dialerd.cli.client import Refused
from dialerd.cli.context import json_option, wants_json
from dialerd.cli.exits import Exit
from dialerd.cli.output import as_json

_SOCKET: Final = "/run/dialerd/dialerd.sock"


class _Group(click.Group):
    """Tells what the daemon objects to in sentences, and exits with its code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Refused as refused:
            if wants_json(ctx) and refused.problem is not None:
                as_json(refused.problem)
            else:
                click.echo(str(refused), err=True)
            ctx.exit(refused.code)
        except OSError as error:  # files are minded where they are used; this is the standard output
            if error.errno == errno.EPIPE:  # whoever read it has seen enough; click ends quietly
                raise
            click.echo(f"the output cannot be written: {error.strerror}", err=True)
            ctx.exit(Exit.FAILED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--socket",
    type=click.Path(path_type=Path, readable=False),  # whether it is open to us is told by connecting
    default=_SOCKET,
    show_default=True,
    envvar="DIALERD_SOCKET",
    help="The daemon's Unix socket.",
)
@json_option
@click.version_option(package_name="dialerd")
def cli(socket: Path) -> None:
    """Ask a running dialerd, and tell it what to do.

    A campaign is named by its id, by the id that another system's request got for it, or by its name where only one has
    that name.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 the thing's state does not allow it or its name is not
    clear, 5 the daemon cannot be reached.
    """


for _command in (
    campaigns.campaign,
    calls.call,
    suppressions.suppress,
    asking.why,
    asking.plan,
    standing.trunk,
    standing.status,
    standing.reload,
    events.events,
    top.top,
    completion.completion,
):
    cli.add_command(_command)


def main() -> None:
    """Run the command line."""
    cli(prog_name="dialerctl")
