"""What every command of `dialerctl` is given: the daemon, and whether JSON is wanted."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec

import click
from attrs import frozen
from click.shell_completion import CompletionItem

from dialerd.cli.client import Client, Refused
from dialerd.cli.output import as_json

P = ParamSpec("P")

_JSON: Final = "dialerctl.json"


@frozen(kw_only=True)
class Asked:
    """A command that was given.

    Args:
        daemon: whom it is for.
        json: whether its answer is for a script.
    """

    daemon: Client
    json: bool

    def show(self, data: Any, for_people: Callable[[Any], None]) -> None:
        """Print an answer, as JSON or as `for_people` prints it."""
        if self.json:
            as_json(data)
        else:
            for_people(data)


def _want_json(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted:
        ctx.find_root().meta[_JSON] = True


json_option = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    callback=_want_json,
    help="Print what the daemon answers as JSON, for scripts.",
)


def wants_json(ctx: click.Context) -> bool:
    """Tell whether the answer is for a script."""
    return bool(ctx.find_root().meta.get(_JSON))


def asks(command: Callable[Concatenate[Asked, P], None]) -> Callable[P, None]:
    """Give a command what it needs in front of its own arguments, and the option --json."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        ctx = click.get_current_context()
        asked = Asked(daemon=_client_of(ctx), json=wants_json(ctx))
        command(asked, *args, **kwargs)

    return json_option(run)


class CampaignName(click.ParamType[str]):
    """A campaign's id, alias or name; the shell is offered those that the daemon knows."""

    name = "campaign"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it as it was given; an empty one is no name, though a script's empty variable makes it one."""
        if not value.strip():
            self.fail("is empty; name a campaign by its id or its name", param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return campaigns whose id or name begins as was typed; nothing where the daemon does not answer."""
        try:
            known = _client_of(ctx).get("/v1/campaigns", limit=100)["items"]
        except Refused:
            return []
        items = [CompletionItem(one["id"], help=f"{one['spec']['name']} ({one['state']})") for one in known]
        items += [CompletionItem(one["spec"]["name"], help=one["state"]) for one in known]
        return [item for item in items if str(item.value).startswith(incomplete)]


CAMPAIGN: Final = CampaignName()


def _client_of(ctx: click.Context) -> Client:
    return Client(ctx.find_root().params["socket"])
