"""`dialerctl campaign`: campaigns listed, shown, created and moved from state to state."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from dialerd.cli import creation, documents, faults
from dialerd.cli.client import path_of
from dialerd.cli.context import CAMPAIGN, Asked, asks
from dialerd.cli.output import Share, brief, moment, pairs, percent, table
from dialerd.cli.saving import save
from dialerd.model.states import CampaignState

_STATES: Final = tuple(state.value for state in CampaignState if state is not CampaignState.LOADING)
_SHOWN: Final = 20  # findings printed of a list; --json has them all

_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
_name = click.argument("campaign", type=CAMPAIGN)


@click.group()
def campaign() -> None:
    """Create campaigns, watch them, pause and end them."""


@campaign.command("list")
@click.option("--agent", help="Only those of this agent.")
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@click.option("--name", help="Only those of this name.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@asks
def list_(asked: Asked, agent: str | None, state: str | None, name: str | None, limit: int) -> None:
    """List campaigns, latest first."""
    found = list(asked.daemon.items("/v1/campaigns", most=limit, agent=agent, status=state, name=name))
    asked.show(found, _print_list)


@campaign.command()
@_name
@asks
def show(asked: Asked, campaign: str) -> None:
    """Show how far a campaign is."""
    asked.show(asked.daemon.campaign(campaign), _print_one)


@campaign.command()
@_file
@click.option("--draft", is_flag=True, help="Leave it as a draft; `campaign schedule` releases it.")
@click.option("--start", is_flag=True, help="Launch it now, whatever its start says; its windows still hold.")
@click.option("--key", default="", help="Idempotency key: the same command again creates nothing new.")
@asks
def create(asked: Asked, file: Path, draft: bool, start: bool, key: str) -> None:
    """Create the campaign that a file describes, TOML or JSON, with its recipients' file beside it.

    FILE may be -, JSON on the standard input. Without --key a command that was killed midway may leave a draft behind.
    """
    if draft and start:
        raise click.UsageError("a draft is not started; leave out --draft or --start")
    document = documents.read(file)
    if document.data.pop("state", None) == "draft":
        draft = True
    created = creation.create(asked.daemon, document, draft=draft, start=start, key=key)
    asked.show(created, _print_created)


@campaign.command()
@_name
@_file
@click.option("--format", "form", type=click.Choice(documents.FORMATS), help="Of FILE.  [default: by its ending]")
@click.option("--skip-invalid", is_flag=True, help="Add the valid recipients and list the others.")
@asks
def add(asked: Asked, campaign: str, file: Path, form: str | None, skip_invalid: bool) -> None:
    """Add the recipients of a CSV, JSONL or JSON file to a campaign.

    FILE may be -, the standard input; then --format says what it is.
    """
    one = asked.daemon.campaign(campaign)
    added = creation.add(asked.daemon, one["id"], file, form=form, skip_invalid=skip_invalid)
    asked.show(added, lambda told: _print_added(told, f" to {_named(one)}"))


@campaign.command()
@_name
@asks
def start(asked: Asked, campaign: str) -> None:
    """Launch a draft or a scheduled campaign now, whatever its start says; its windows still hold."""
    _move(asked, campaign, "start")


@campaign.command()
@_name
@asks
def schedule(asked: Asked, campaign: str) -> None:
    """Release a draft: it starts when its start says."""
    _move(asked, campaign, "schedule")


@campaign.command()
@_name
@asks
def pause(asked: Asked, campaign: str) -> None:
    """Hold a campaign: no call of it leaves any more; those in progress go on."""
    _move(asked, campaign, "pause")


@campaign.command()
@_name
@asks
def resume(asked: Asked, campaign: str) -> None:
    """Let a paused campaign go on."""
    _move(asked, campaign, "resume")


@campaign.command()
@_name
@click.option("--now", is_flag=True, help="End answered calls too.")
@asks
def cancel(asked: Asked, campaign: str, now: bool) -> None:
    """End a campaign for good: nobody is dialled any more, and phones that ring stop."""
    _move(asked, campaign, "cancel", {"now": True} if now else None)


def _move(asked: Asked, campaign: str, verb: str, body: Mapping[str, Any] | None = None) -> None:
    moved = asked.daemon.post(path_of("campaigns", asked.daemon.campaign(campaign)["id"], verb), body)
    asked.show(moved, lambda one: click.echo(f"{_named(one)} is {one['state']}"))


@campaign.command()
@_name
@asks
def delete(asked: Asked, campaign: str) -> None:
    """Delete a draft, or a campaign that is over."""
    one = asked.daemon.campaign(campaign)
    asked.daemon.delete(path_of("campaigns", one["id"]))
    asked.show(None, lambda _: click.echo(f"{_named(one)} is deleted"))


@campaign.command()
@_name
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write.  [default: -]")
@asks
def export(asked: Asked, campaign: str, output: Path | None) -> None:
    """Write every recipient with its calls as CSV."""
    save(asked.daemon, path_of("campaigns", asked.daemon.campaign(campaign)["id"], "export"), output)


def progress(one: Mapping[str, Any]) -> Share:
    """Return how many of a campaign's recipients are done."""
    counters = one["counters"]
    return Share(counters["total"] - counters["pending"] - counters["dialing"], counters["total"])


def _print_list(found: list[Any]) -> None:
    heads = ("id", "name", "state", "agent", "done", "calls", "answered", "ends")
    rows = (
        (
            one["id"],
            one["spec"]["name"],
            one["state"],
            one["spec"]["agent"],
            progress(one),
            one["counters"]["calls"],
            percent(one["counters"]["answer_rate"]),
            brief(one["ended_at"] or one["expected_end_at"]),
        )
        for one in found
    )
    table(heads, rows, right=("calls", "answered"), text=("name",))


def _print_one(one: Mapping[str, Any]) -> None:
    counters = one["counters"]
    pairs(
        {
            "campaign": f"{one['spec']['name']}",
            "id": one["id"],
            "alias": one["alias"],
            "state": one["state"],
            "since": moment(one["state_at"]),
            "agent": one["spec"]["agent"],
            "timezone": one["timezone"],
            "created": moment(one["created_at"]),
            "start": moment(one["start_at"]),
            "started": moment(one["started_at"]),
            "end": moment(one["end_at"]),
            "ended": moment(one["ended_at"]),
            "expected end": moment(one["expected_end_at"]),
            "recipients": f"{counters['total']}: {counters['pending']} waiting, {counters['dialing']} in a call"
            + "".join(f", {count} {final}" for final, count in counters["done"].items() if count),
            "calls": f"{counters['calls']}"
            + "".join(f", {count} {outcome}" for outcome, count in counters["outcomes"].items() if count)
            + (f", {counters['refunded']} that did not count" if counters["refunded"] else ""),
            "answer rate": percent(counters["answer_rate"]),
            "minutes": f"{counters['minutes']:.1f}",
        }
    )


def _named(one: Mapping[str, Any]) -> str:
    return f"{one['spec']['name']} ({one['id']})"


def _print_created(created: Mapping[str, Any]) -> None:
    one = created["campaign"]
    click.echo(f"{_named(one)} is {one['state']}")
    _print_added(created["recipients"])


def _print_added(added: Mapping[str, Any], whereto: str = "") -> None:
    left_out = [("duplicates", "stand in it already"), ("invalid_count", "are invalid and left out")]
    words = [f"{added['added']} recipients added{whereto}"]
    words += [f"{added[key]} {why}" for key, why in left_out if added[key]]
    click.echo(", ".join(words))
    for fault in [*added["invalid"], *added["warnings"]][:_SHOWN]:
        click.echo(f"  {faults.words(fault)}", err=True)
    rest = len(added["invalid"]) + len(added["warnings"]) - _SHOWN
    if rest > 0:
        click.echo(f"  and {rest} more; --json lists them", err=True)
