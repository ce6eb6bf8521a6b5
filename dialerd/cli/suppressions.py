"""`dialerctl suppress`: the do-not-call list."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from dialerd.cli.client import path_of
from dialerd.cli.context import Asked, asks
from dialerd.cli.instants import FORMS, INSTANT
from dialerd.cli.output import brief, table
from dialerd.cli.saving import save

_scope = click.option(
    "--scope", default="all", show_default=True, help="Whom it binds: all, agent:NAME or campaign:ID."
)
_reason = click.option("--reason", help="Why, for people.")
_source = click.option("--source", help="Where it comes from, for people.")


@click.group()
def suppress() -> None:
    """Enter numbers that are not to be called, take them out, look them up."""


@suppress.command()
@click.argument("numbers", nargs=-1, required=True)
@_scope
@_reason
@_source
@click.option("--expires", "expires_at", type=INSTANT, help=f"Until when it holds people: {FORMS}.")
@asks
def add(asked: Asked, /, numbers: tuple[str, ...], **entry: str | None) -> None:
    """Enter numbers; when this returns, no call to them leaves any more."""
    given = {key: value for key, value in entry.items() if value is not None}
    added = asked.daemon.post("/v1/suppressions", {"numbers": list(numbers), **given})
    asked.show(added, lambda one: click.echo(f"{len(numbers)} entered, {one['ended']} waiting recipients ended"))


@suppress.command()
@click.argument("number")
@_scope
@asks
def remove(asked: Asked, number: str, scope: str) -> None:
    """Take a number out; recipients that were ended because of it stay so."""
    asked.daemon.delete(path_of("suppressions", number), scope=scope)
    asked.show(None, lambda _: click.echo(f"{number} may be called again, as far as {scope} goes"))


@suppress.command()
@click.argument("number")
@asks
def check(asked: Asked, number: str) -> None:
    """Say what forbids a number."""
    found = asked.daemon.get(path_of("suppressions", number))
    asked.show(found, lambda answer: _print_entries(answer["items"], number))


@suppress.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True))
@_scope
@_reason
@_source
@asks
def import_(asked: Asked, file: Path, scope: str, reason: str | None, source: str | None) -> None:
    """Enter the numbers of a CSV file: a column `number`, and `scope`, `reason`, `source`, `expires_at` at will.

    FILE may be -, the standard input.
    """
    query = {"scope": scope, "reason": reason, "source": source}
    with click.open_file(str(file), "rb") as rows:
        done = asked.daemon.upload("/v1/suppressions/import", rows, "text/csv", query=query)
    asked.show(done, _print_imported)


@suppress.command()
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write.  [default: -]")
@asks
def export(asked: Asked, output: Path | None) -> None:
    """Write the whole list as CSV, as `suppress import` reads it."""
    save(asked.daemon, "/v1/suppressions/export", output)


def _print_imported(one: Mapping[str, Any]) -> None:
    words = f"{one['entries']} entered, {one['ended']} waiting recipients ended"
    click.echo(words + (f", {one['expired']} passed over that have expired" if one["expired"] else ""))


def _print_entries(entries: list[Mapping[str, Any]], number: str) -> None:
    if not entries:
        click.echo(f"nothing on the list forbids {number}")
        return
    rows = (
        (
            one["number"],
            one["scope"],
            one["reason"],
            brief(one["created_at"]),
            brief(one["expires_at"]),
            one["source"],
        )
        for one in entries
    )
    table(("number", "scope", "reason", "since", "until", "source"), rows, text=("reason", "source"))
