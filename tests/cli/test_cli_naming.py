"""`dialerctl` acts on the thing that was named, and on no other."""

import json

import pytest
import trio
from cli_rig import Desk

from dialerd.cli.client import Client
from dialerd.cli.exits import Exit
from dialerd.plugin.dialect import Order


async def states(desk: Desk) -> set[str]:
    """Return the states of all campaigns."""
    return {one["state"] for one in await desk.data("campaign", "list")}


async def test_an_empty_name_is_refused(desk: Desk) -> None:
    """A script whose variable is empty ends nobody's campaign, though there is but one."""
    await desk.door.create()
    for command in ("campaign cancel", "campaign delete", "call list --campaign", "events --campaign"):
        for nothing in ("", "  "):
            result = await desk.run(*command.split(), nothing)
            assert (result.exit_code, "name a campaign by" in result.stderr) == (Exit.USAGE, True), result.output
    assert await states(desk) == {"scheduled"}


async def test_what_only_looks_like_a_name_is_not_found(desk: Desk) -> None:
    """What would lead elsewhere as a part of an address, or is part of a name, names nothing."""
    await desk.door.create()
    for wanted in (".", "..", "spring/export", "spring/../spring", "%", "spring?", "Spring", "sprin"):
        result = await desk.run("campaign", "cancel", wanted)
        assert (result.exit_code, repr(wanted) in result.stderr) == (Exit.NOT_FOUND, True), result.output
    assert await states(desk) == {"scheduled"}


async def test_a_step_that_leads_elsewhere(desk: Desk) -> None:
    """An empty id is not the list of all of them."""
    for command in ("call show", "call hangup", "suppress check", "suppress remove"):
        for step in ("", ".", ".."):
            result = await desk.run(*command.split(), step)
            assert (result.exit_code, result.stderr) == (Exit.NOT_FOUND, f"nothing is called {step!r}\n")


async def test_an_id_goes_before_a_name(desk: Desk) -> None:
    """Somebody else's campaign that is named like this one's id, or like its alias, is let alone."""
    order = Order(spec={"name": "ours", "agent": "anna"}, alias="batch_7", dialect="t", draft=True)
    ours = (await desk.door.operations.campaigns.create(order)).campaign
    for name in (ours.id, "batch_7"):
        await desk.door.create(name=name)
    assert await desk.done("campaign", "cancel", ours.id) == f"ours ({ours.id}) is cancelled\n"
    assert json.loads(await desk.done("campaign", "show", "batch_7", "--json"))["id"] == ours.id
    assert await desk.done("campaign", "delete", "batch_7") == f"ours ({ours.id}) is deleted\n"
    assert "batch_7" in await desk.done("campaign", "pause", "batch_7")


async def test_names_are_looked_for_on_every_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many have the name that one page does not hold them; none of them is taken for the only one."""
    monkeypatch.setattr("dialerd.cli.client._PAGE", 1)
    first = await desk.door.create(name="twice")
    await desk.door.create(name="twice")
    result = await desk.run("campaign", "cancel", "twice")
    assert (result.exit_code, first["campaign"]["id"] in result.stderr) == (Exit.CONFLICT, True), result.output
    assert await states(desk) == {"scheduled"}
    found = await trio.to_thread.run_sync(lambda: Client(desk.door.socket).campaign(first["campaign"]["id"]))
    assert found["spec"]["name"] == "twice"
