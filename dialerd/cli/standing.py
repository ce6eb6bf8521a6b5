"""`dialerctl status`, `trunk` and `reload`: how the daemon stands."""

from collections.abc import Mapping
from typing import Any, Final

import click

from dialerd.cli.context import Asked, asks
from dialerd.cli.output import Share, moment, pairs, span, table


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
    late = asked.daemon.get("/v1/status")["need_restart"]
    asked.show({"reloaded": True, "need_restart": late}, _print_reloaded)


def _print_reloaded(one: Mapping[str, Any]) -> None:
    click.echo("the settings are read again")
    if one["need_restart"]:
        click.echo(f"changed, but from the next start of dialerd only: {', '.join(one['need_restart'])}")


def _print_status(one: Mapping[str, Any]) -> None:
    pairs(
        {
            "dialerd": f"{one['version']}, {one['state']}",
            "up for": span(one["uptime_s"]),
            "its clock": moment(one["at"]),
            "lines": f"{one['lines_in_use']} of {one['max_concurrent']} in use",
            "calls": f"{one['calls_started']} let go since its start, {one['calls_per_second']:.1f} a second of late",
            "campaigns": ", ".join(f"{count} {state}" for state, count in one["campaigns"].items() if count) or None,
            "trunks down": ", ".join(one["trunks_down"]) or None,
            "trunks slowed": ", ".join(one["trunks_slowed"]) or None,
            "needs restart": ", ".join(one["need_restart"]) or None,
            "unread notices": one["notice_backlog"],
            "in short": one["line"],
        }
    )


def trunk_rows(trunks: list[Any]) -> list[tuple[Any, ...]]:
    """Return the cells of a table of trunks."""
    return [
        (
            one["name"],
            one["provider"],
            one["state"],
            Share(one["in_use"], one["max_concurrent"]),
            _pace(one),
            one["why"],
        )
        for one in trunks
    ]


def _pace(one: Mapping[str, Any]) -> str | None:
    if one["calls_per_second_now"] is None:
        return None
    shared = ", ".join(one["shares_pace_with"])
    return f"{one['calls_per_second_now']:.3g}" + (f" with {shared}" if shared else "")


TRUNK_HEADS: Final = ("trunk", "provider", "state", "lines", "calls/s", "why")


def _print_trunks(trunks: list[Any]) -> None:
    table(TRUNK_HEADS, trunk_rows(trunks), text=("why",))
