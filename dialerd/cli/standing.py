"""`dialerctl status`, `trunk` and `reload`: how the daemon stands."""

from collections.abc import Mapping
from typing import Any

import click

from dialerd.cli.context import Asked, asks
from dialerd.cli.output import Share, pairs, table


@click.command()
@asks
def status(asked: Asked) -> None:
    """Say how the daemon stands."""
    asked.show(asked.daemon.get("/v1/status"), _print_status)


@click.group()
def trunk() -> None:
    """Look at trunks."""


@trunk.command("list")
@asks
def list_(asked: Asked) -> None:
    """List the trunks with their lines in use."""
    asked.show(asked.daemon.get("/v1/trunks")["items"], _print_trunks)


@click.command()
@asks
def reload(asked: Asked) -> None:
    """Let the daemon read its settings again; calls go on, and on any fault the old ones stay."""
    asked.daemon.post("/v1/reload")
    asked.show({"reloaded": True}, lambda _: click.echo("the settings are read again"))


def _print_status(one: Mapping[str, Any]) -> None:
    pairs({name.removesuffix("_s").replace("_", " "): _words(value) for name, value in one.items()})


def _words(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items() if count) or None
    if isinstance(value, list):
        return ", ".join(map(str, value)) or None
    return round(value, 1) if isinstance(value, float) else value


def trunk_rows(trunks: list[Any]) -> list[tuple[Any, ...]]:
    """Return the cells of a table of trunks."""
    return [
        (one["name"], one["provider"], one["state"], Share(one["in_use"], one["max_concurrent"]), one["why"])
        for one in trunks
    ]


TRUNK_HEADS = ("trunk", "provider", "state", "lines", "")


def _print_trunks(trunks: list[Any]) -> None:
    table(TRUNK_HEADS, trunk_rows(trunks))
