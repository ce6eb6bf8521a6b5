"""What `dialerctl` prints: tables with colour on a terminal, plain columns when piped, JSON when asked for."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
import msgspec
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_BAR: Final = 20  # columns of a progress bar
_COLOURS: Final = {
    "running": "green",
    "scheduled": "cyan",
    "paused": "yellow",
    "cancelled": "red",
    "completed": "dim",
    "draft": "dim",
    "up": "green",
    "down": "red",
    "resting": "yellow",
    "answered": "green",
    "failed": "red",
    "uncertain": "magenta",
}


def as_json(data: Any) -> None:
    """Print data as one line of JSON."""
    click.echo(msgspec.json.encode(data))


def console() -> Console:
    """Return where tables go: a terminal with colour, or plain text of any width."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(file=sys.stdout, highlight=False, width=10_000, no_color=True)


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = ()) -> None:
    """Print rows under their heads; piped, one line a row with the columns parted by tabs.

    Args:
        heads: names of the columns.
        rows: cells; None prints as a dash.
        right: columns of figures.
    """
    if not sys.stdout.isatty():
        click.echo("\t".join(heads))
        for row in rows:
            click.echo("\t".join(_plain(cell) for cell in row))
        return
    console().print(grid(heads, rows, right=right))


def grid(heads: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = ()) -> Table:
    """Return a table for a terminal; arguments as of `table`."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    figures = set(right)
    for head in heads:
        drawn.add_column(head, justify="right" if head in figures else "left", no_wrap=head in figures)
    for row in rows:
        drawn.add_row(*(_cell(cell) for cell in row))
    return drawn


def pairs(values: Mapping[str, Any]) -> None:
    """Print names and values, one pair a line; what is None is left out."""
    told = {name: value for name, value in values.items() if value is not None}
    width = max(map(len, told), default=0)
    for name, value in told.items():
        console().print(Text.assemble((f"{name:<{width}}  ", "bold"), _text(value)))


class Share:
    """A part of a whole, drawn as a bar on a terminal and written `done/total` elsewhere.

    Args:
        part: how much of it.
        whole: of how much; 0 draws nothing.
    """

    def __init__(self, part: float, whole: float) -> None:
        self.part = part
        self.whole = whole

    def __str__(self) -> str:
        return f"{self.part:g}/{self.whole:g}"

    def drawn(self) -> Table:
        """Return bar and figures side by side."""
        cell = Table.grid(padding=(0, 1))
        cell.add_row(ProgressBar(total=max(self.whole, 1), completed=self.part, width=_BAR), str(self))
        return cell


def moment(text: str | None) -> str | None:
    """Return an instant (RFC 3339) in the local time of whoever looks, to the second."""
    if text is None:
        return None
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def brief(text: str | None) -> str | None:
    """Return an instant as short as it is clear today: `14:05`, `Tue 09:00`, `2027-06-15 09:00`."""
    if text is None:
        return None
    then, now = datetime.fromisoformat(text).astimezone(), datetime.now(UTC).astimezone()
    days = (then.date() - now.date()).days
    if days == 0:
        return f"{then:%H:%M}"
    return f"{then:%a %H:%M}" if 0 < days < 7 else f"{then:%Y-%m-%d %H:%M}"


def percent(share: float | None) -> str | None:
    """Return a share of 0 to 1 as a percentage."""
    return None if share is None else f"{share:.0%}"


def _plain(cell: Any) -> str:
    return "-" if cell is None else " ".join(str(cell).split())


def _cell(cell: Any) -> Any:
    return cell.drawn() if isinstance(cell, Share) else _text("-" if cell is None else cell)


def _text(value: Any) -> Text:
    words = str(value)
    return Text(words, style=_COLOURS.get(words, ""))
