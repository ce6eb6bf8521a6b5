"""`dialerctl top`: the daemon on a whole screen, drawn again and again."""

import time
from typing import Any, Final

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from dialerd.cli.campaigns import progress
from dialerd.cli.client import Client
from dialerd.cli.context import Asked, asks
from dialerd.cli.output import brief, grid, percent
from dialerd.cli.standing import TRUNK_HEADS, trunk_rows

_AT_WORK: Final = ("running", "scheduled", "paused")


@click.command()
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Seconds between two looks."
)
@click.option("--looks", type=click.IntRange(min=1), help="End after so many.  [default: when interrupted]")
@asks
def top(asked: Asked, interval: float, looks: int | None) -> None:
    """Watch lines, trunks and campaigns, until interrupted."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.print(_drawn(asked.daemon))
        return
    with Live(_drawn(asked.daemon), console=console, screen=True, auto_refresh=False) as live:
        try:
            while looks is None or (looks := looks - 1) > 0:
                time.sleep(interval)
                live.update(_drawn(asked.daemon), refresh=True)
        except KeyboardInterrupt:
            return


def _drawn(daemon: Client) -> Group:
    status = daemon.get("/v1/status")
    trunks = daemon.get("/v1/trunks")["items"]
    campaigns = [one for state in _AT_WORK for one in daemon.get("/v1/campaigns", status=state, limit=20)["items"]]
    return Group(
        Text.assemble(("dialerd ", "bold"), status["version"], "  ", status["line"]),
        Text(),
        grid(TRUNK_HEADS, trunk_rows(trunks)),
        Text(),
        grid(("campaign", "state", "done", "in a call", "calls", "answered", "ends"), map(_row, campaigns)),
    )


def _row(one: Any) -> tuple[Any, ...]:
    counters = one["counters"]
    return (
        one["spec"]["name"],
        one["state"],
        progress(one),
        counters["dialing"],
        counters["calls"],
        percent(counters["answer_rate"]),
        brief(one["expected_end_at"]),
    )
