"""`dialerctl events`: what happens, as it happens."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import click
import httpx
import msgspec
from attrs import frozen

from dialerd.cli.client import Client, Refused
from dialerd.cli.context import CAMPAIGN, Asked, asks
from dialerd.cli.exits import Exit
from dialerd.cli.output import as_json, moment

_AGAIN_S: Final = 1.0
_PATIENCE_S: Final = 60.0  # how long a daemon may be away (a restart) before following is given up


@frozen(kw_only=True)
class Event:
    """One event of the stream.

    Args:
        id: by which a follower that comes back says how far it got.
        kind: what happened; empty where only the place in the stream was told.
        data: about it.
    """

    id: str
    kind: str
    data: Mapping[str, Any]


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on when the daemon is restarted, missing nothing.")
@click.option("--campaign", type=CAMPAIGN, help="Only those of this campaign.")
@click.option("--since", type=click.IntRange(min=0), help="Those after the event of this id, as far as they are kept.")
@asks
def events(asked: Asked, follow: bool, campaign: str | None, since: int | None) -> None:
    """Print events as they happen, until Ctrl-C."""
    named = None if campaign is None else asked.daemon.campaign(campaign)["id"]
    try:
        for event in _followed(asked.daemon, named, None if since is None else str(since), follow):
            if asked.json:
                as_json({"id": event.id, "kind": event.kind, "data": event.data})
            else:
                click.echo(_line(event))
    except KeyboardInterrupt:
        return  # the way to end it


def _followed(daemon: Client, campaign: str | None, last: str | None, follow: bool) -> Iterator[Event]:
    """Yield events; where following, over every connection that is lost."""
    lost_s: float | None = None
    while True:
        try:
            headers = {} if last is None else {"Last-Event-ID": last}
            with daemon.stream("/v1/events", headers=headers, campaign=campaign) as answer:
                if lost_s is not None:
                    click.echo("dialerd answers again", err=True)
                lost_s = None
                for event in read(answer.iter_lines()):
                    last = event.id or last
                    if event.kind:
                        yield event
        except (Refused, httpx.HTTPError) as error:
            away = not isinstance(error, Refused) or error.code is Exit.UNREACHABLE
            if not (follow and away):
                raise
            if lost_s is None:
                lost_s = time.monotonic()
                click.echo(f"{error}\nwaiting up to {_PATIENCE_S:.0f} s for dialerd", err=True)
            elif time.monotonic() - lost_s > _PATIENCE_S:
                raise
        if not follow:
            return
        time.sleep(_AGAIN_S)


def read(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events in the lines of a stream (WHATWG HTML, "Interpreting an event stream")."""
    last, told, kind = "", "", "message"
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield Event(id=last, kind=kind, data=msgspec.json.decode("\n".join(data)))
            elif last != told:
                yield Event(id=last, kind="", data={})
            told, kind, data = last, "message", []
        elif name == "id":
            last = value
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)


def _line(event: Event) -> str:
    data = event.data
    at = moment(data.get("ended_at") or data.get("at")) or ""
    what = (
        f"{data['number']} over {data.get('trunk')}: {data.get('outcome')}"
        if "number" in data
        else " ".join(f"{key}={value}" for key, value in data.items() if key not in ("at", "campaign", "campaign_id"))
    )
    return " ".join(part for part in (event.id, at, event.kind, data.get("campaign"), what) if part)
