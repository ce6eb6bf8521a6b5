"""`dialerctl call`: calls listed, shown and ended."""

from collections.abc import Mapping
from typing import Any, Final

import click

from dialerd.cli.client import path_of
from dialerd.cli.context import CAMPAIGN, Asked, asks
from dialerd.cli.output import brief, moment, pairs, table
from dialerd.model.states import AttemptState, Outcome

_STATES: Final = tuple(state.value for state in AttemptState)
_OUTCOMES: Final = tuple(outcome.value for outcome in Outcome)


@click.group()
def call() -> None:
    """List calls, look at one, end one."""


@call.command("list")
@click.option("--campaign", type=CAMPAIGN, help="Only those of this campaign.")
@click.option("--number", help="Only those to this number.")
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@click.option("--outcome", type=click.Choice(_OUTCOMES), help="Only those that ended so.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@asks
def list_(asked: Asked, /, limit: int, campaign: str | None, **filters: str | None) -> None:
    """List calls, latest first; those of one campaign in the order of its recipients."""
    named = None if campaign is None else asked.daemon.campaign(campaign)["id"]
    found = asked.daemon.items("/v1/calls", most=limit, campaign=named, **filters)
    asked.show(list(found), _print_list)


@call.command()
@click.argument("call_id")
@asks
def show(asked: Asked, call_id: str) -> None:
    """Show what is known of a call."""
    asked.show(asked.daemon.get(path_of("calls", call_id)), _print_one)


@call.command()
@click.argument("call_id")
@asks
def hangup(asked: Asked, call_id: str) -> None:
    """End a call that is in progress."""
    ended = asked.daemon.post(path_of("calls", call_id, "hangup"))
    asked.show(ended, lambda one: click.echo(f"{one['id']} to {one['number']} is being hung up"))


def _print_list(found: list[Any]) -> None:
    rows = (
        (
            one["id"],
            brief(one["claimed_at"]),
            one["number"],
            one["outcome"] or one["state"],
            None if one["talk_s"] is None else f"{one['talk_s']:.0f} s",
            None if one["counted"] else "no",
            one["trunk"],
            one["caller_id"],
        )
        for one in found
    )
    table(("id", "at", "number", "outcome", "talk", "counted", "trunk", "caller id"), rows, right=("talk",))


def _print_one(one: Mapping[str, Any]) -> None:
    cause = one["cause"] or {}
    result = one["result"] or {}
    pairs(
        {
            "call": one["id"],
            "campaign": one["campaign_id"],
            "number": one["number"],
            "caller id": one["caller_id"],
            "trunk": one["trunk"],
            "state": one["state"],
            "outcome": one["outcome"],
            "cause": " ".join(str(part) for part in cause.values()) or None,
            "claimed": moment(one["claimed_at"]),
            "ringing": moment(one["ringing_at"]),
            "answered": moment(one["answered_at"]),
            "ended": moment(one["ended_at"]),
            "answered by": one["answered_by"],
            "digits": one["digits"],
            "counted": None if one["counted"] else "no, nothing rang",
            "reference": one["reference"],
            "detail": _named(one["detail"]),
            "success": result.get("success"),
            "result": result.get("data") or None,
        }
    )


def _named(detail: Mapping[str, Any]) -> str | None:
    """Return what a provider keeps with a call, each thing behind its name."""
    return ", ".join(f"{name} {value}" for name, value in detail.items()) or None
