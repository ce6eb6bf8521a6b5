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
@click.option("--since", metavar="ID", help="Those after the event of this id, as far as they are kept.")
@asks
def events(asked: Asked, follow: bool, campaign: str | None, since: str | None) -> None:
    """Print events as they happen, until interrupted."""
    named = None if campaign is None else asked.daemon.campaign(campaign).rpartition("/")[2]
    for event in _followed(asked.daemon, named, since, follow):
        if asked.json:
            as_json({"id": event.id, "kind": event.kind, "data": event.data})
        else:
            click.echo(_line(event))


def _followed(daemon: Client, campaign: str | None, last: str | None, follow: bool) -> Iterator[Event]:
    """Yield events; where following, over every connection that is lost."""
    lost_s: float | None = None
    while True:
        try:
            headers = {} if last is None else {"Last-Event-ID": last}
            with daemon.stream("/v1/events", headers=headers, campaign=campaign) as answer:
                for event in read(answer.iter_lines()):
                    lost_s = None
                    last = event.id or last
                    if event.kind:
                        yield event
        except (Refused, httpx.HTTPError) as error:
            away = not isinstance(error, Refused) or error.code is Exit.UNREACHABLE
            lost_s = lost_s or time.monotonic()
            if not (follow and away) or time.monotonic() - lost_s > _PATIENCE_S:
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
