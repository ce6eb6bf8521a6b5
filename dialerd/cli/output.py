"""What `dialerctl` prints: tables with colour on a terminal, plain columns when piped, JSON when asked for."""

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_BAR: Final = 20  # columns of a progress bar
_TEXT: Final = 16  # columns that free text gets at the least
_GAP: Final = 2  # blanks between two columns
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
    "slowed": "yellow",
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


def table(
    heads: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = (), text: Iterable[str] = ()
) -> None:
    """Print rows under their heads; piped, one line a row with the columns parted by tabs.

    On a terminal nothing is cut: columns for which there is no room are left out, the last ones first, and are named.

    Args:
        heads: names of the columns.
        rows: cells; None prints as a dash.
        right: columns of figures.
        text: columns of free text, which may go over several lines.
    """
    if not sys.stdout.isatty():
        click.echo("\t".join(heads))
        for row in rows:
            click.echo("\t".join(_plain(cell) for cell in row))
        return
    out = console()
    drawn, left_out = grid(heads, list(rows), out.width, right=right, text=text)
    out.print(drawn)
    if left_out:
        out.print(Text(f"no room for {', '.join(left_out)}: widen the terminal, or use --json", style="dim"))


def grid(
    heads: Sequence[str],
    rows: Sequence[Sequence[Any]],
    width: int,
    *,
    right: Iterable[str] = (),
    text: Iterable[str] = (),
    one_line: bool = False,
) -> tuple[Table, Sequence[str]]:
    """Return a table for a terminal of a width, and the heads for which it has no room.

    Args:
        heads, rows, right, text: as of `table`.
        width: in columns.
        one_line: free text is cut to one line.
    """
    figures, free = set(right), set(text)
    bars = _needed(heads, rows, free, bars=True) <= width
    count = len(heads)
    while count > 1 and _needed(heads[:count], rows, free, bars=bars) > width:
        count -= 1
    drawn = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for head in heads[:count]:
        drawn.add_column(
            head,
            justify="right" if head in figures else "left",
            no_wrap=head not in free or one_line,
            overflow="ellipsis" if head in free and one_line else "fold",
        )
    for row in rows:
        drawn.add_row(*(_cell(cell, bars) for cell in row[:count]))
    return drawn, heads[count:]


def _needed(heads: Sequence[str], rows: Sequence[Sequence[Any]], free: Collection[str], *, bars: bool) -> int:
    """Return how wide a table has to be, with the bars of its shares or without."""
    total = _GAP * (len(heads) - 1)
    for nth, head in enumerate(heads):
        cells = [row[nth] for row in rows]
        widest = max(
            cell_len(_plain(cell)) + (_BAR + 1) * (bars and isinstance(cell, Share)) for cell in [head, *cells]
        )
        total += min(widest, _TEXT) if head in free else widest
    return total


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


def span(seconds: float) -> str:
    """Return a time in its two largest units: `7 s`, `5 min 7 s`, `3 d 4 h`."""
    left, parts = int(seconds), list[str]()
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, unit)
        if count or parts or unit == 1:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


def percent(share: float | None) -> str | None:
    """Return a share of 0 to 1 as a percentage."""
    return None if share is None else f"{share:.0%}"


def _plain(cell: Any) -> str:
    return "-" if cell is None else " ".join(str(cell).split())


def _cell(cell: Any, bars: bool) -> Any:
    return cell.drawn() if bars and isinstance(cell, Share) else _text("-" if cell is None else cell)


def _text(value: Any) -> Text:
    words = str(value)
    return Text(words, style=_COLOURS.get(words, ""))
