"""`dialerctl why` and `plan`: what holds somebody, and how a campaign would go."""

from pathlib import Path
from typing import Any

import click

from dialerd.cli import documents, plan_text, why_text
from dialerd.cli.context import CAMPAIGN, Asked, asks
from dialerd.cli.instants import FORMS, INSTANT


@click.command()
@click.argument("number")
@click.option("--campaign", type=CAMPAIGN, help="Only in this campaign.")
@asks
def why(asked: Asked, number: str, campaign: str | None) -> None:
    """Say which rule holds a number, since when, and when it may be dialled."""
    named = None if campaign is None else asked.daemon.campaign(campaign)["id"]
    found = asked.daemon.get("/v1/why", number=number, campaign=named)
    asked.show(found, _print_reasons)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--start", type=INSTANT, help=f"From when: {FORMS}.  [default: now]")
@asks
def plan(asked: Asked, file: Path, start: str | None) -> None:
    """Forecast the campaign that a file describes; nothing is stored and nobody is rung.

    FILE is TOML or JSON; - is JSON on the standard input.
    """
    document = documents.read(file).whole()
    result = asked.daemon.post("/v1/plan", document.data, query={"start": start}, place=document.place)
    result["warnings"] = [document.place(fault) for fault in result["warnings"]]
    asked.show(result, plan_text.show)
    if result["ends_at"] is None:
        click.get_current_context().exit(1)


def _print_reasons(answer: Any) -> None:
    for reason in answer["items"]:
        click.echo("\n".join(why_text.lines(reason)))
