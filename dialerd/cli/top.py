"""`dialerctl top`: the daemon on a whole screen, drawn again and again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from dialerd.cli.campaigns import progress
from dialerd.cli.client import Client, Refused
from dialerd.cli.context import Asked, asks
from dialerd.cli.keys import QUIT, keys
from dialerd.cli.output import brief, grid, percent, table
from dialerd.cli.standing import TRUNK_HEADS, trunk_rows

_AT_WORK: Final = ("running", "scheduled", "paused")
_HEADS: Final = ("campaign", "state", "done", "in a call", "calls", "answered", "ends")


@click.command()
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Seconds between two looks."
)
@click.option("--looks", type=click.IntRange(min=1), help="End after so many.  [default: on q or Ctrl-C]")
@asks
def top(asked: Asked, interval: float, looks: int | None) -> None:
    """Watch lines, trunks and campaigns, until q or Ctrl-C; with --json, or piped, look once."""
    console = Console(highlight=False)
    seen = _look(asked.daemon)
    if asked.json or not console.is_terminal:
        asked.show(seen, _print)
        return
    try:
        _watch(asked.daemon, console, seen, interval, looks)
    except KeyboardInterrupt:
        return


def _watch(daemon: Client, console: Console, seen: Mapping[str, Any], interval: float, looks: int | None) -> None:
    since, first = datetime.now().astimezone(), _drawn(seen, console.width)
    with keys() as key, Live(first, console=console, screen=True, auto_refresh=False) as live:
        while (looks is None or (looks := looks - 1) > 0) and key(interval) not in (QUIT, "Q"):
            try:
                seen, since, why = _look(daemon), datetime.now().astimezone(), ""
            except Refused as refused:  # a restart of the daemon is what is watched most eagerly
                why = f"not reachable since {since:%H:%M:%S}: {refused}"
            live.update(_drawn(seen, console.width, why), refresh=True)


def _look(daemon: Client) -> dict[str, Any]:
    return {
        "status": daemon.get("/v1/status"),
        "trunks": daemon.get("/v1/trunks")["items"],
        "campaigns": [
            one for state in _AT_WORK for one in daemon.get("/v1/campaigns", status=state, limit=20)["items"]
        ],
    }


def _print(seen: Mapping[str, Any]) -> None:
    click.echo(f"dialerd {seen['status']['version']}\t{seen['status']['line']}")
    table(TRUNK_HEADS, trunk_rows(seen["trunks"]))
    table(_HEADS, map(_row, seen["campaigns"]))


def _drawn(seen: Mapping[str, Any], width: int, why: str = "") -> Group:
    trunks, _ = grid(TRUNK_HEADS, trunk_rows(seen["trunks"]), width, text=("why",), one_line=True)
    campaigns, _ = grid(
        _HEADS,
        [_row(one) for one in seen["campaigns"]],
        width,
        right=("in a call", "calls", "answered"),
        text=("campaign",),
        one_line=True,
    )
    status = seen["status"]
    return Group(
        Text.assemble(("dialerd ", "bold"), status["version"], "  ", status["line"], ("  q quits", "dim")),
        Text(why, style="bold red"),
        trunks,
        Text(),
        campaigns,
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
