"""Every command of `dialerctl` against a real API: what people see, what scripts read, what the exit code says."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from api_rig import FUTURE, campaign, talking
from cli_rig import Desk
from click.testing import CliRunner, Result

from dialerd.cli.exits import Exit
from dialerd.cli.main import cli
from dialerd.cli.standing import trunk_rows


async def test_a_campaigns_life(desk: Desk) -> None:
    """It is created, listed, shown, launched, paused, resumed and cancelled, and deleted at last."""
    file = desk.write("c.json", campaign(name="Spring"))
    assert "Spring" in await desk.done("campaign", "create", file)
    (found,) = await desk.data("campaign", "list")
    assert (found["spec"]["name"], found["state"]) == ("Spring", "scheduled")
    heads, row = (await desk.done("campaign", "list", "--state", "scheduled")).splitlines()
    assert dict(zip(heads.split("\t"), row.split("\t"), strict=True)) == {
        "id": found["id"], "name": "Spring", "state": "scheduled", "agent": "anna", "done": "0/1", "calls": "0",
        "answered": "-", "ends": "-",
    }  # fmt: skip
    assert (await desk.data("campaign", "list", "--name", "Other")) == []
    assert "1: 1 waiting, 0 in a call" in await desk.done("campaign", "show", "Spring")
    for verb, state in (("start", "running"), ("pause", "paused"), ("resume", "running")):
        assert f"is {state}" in await desk.done("campaign", verb, found["id"])
    assert "is cancelled" in await desk.done("campaign", "cancel", found["id"], "--now")
    with trio.fail_after(60):
        while (await desk.data("campaign", "show", found["id"]))["ended_at"] is None:  # noqa: ASYNC110  # it is asked
            await trio.sleep(0.02)
    assert "is deleted" in await desk.done("campaign", "delete", found["id"])
    assert (await desk.data("campaign", "list")) == []


async def test_a_draft_waits(desk: Desk) -> None:
    """A draft gets recipients and is released by hand."""
    await desk.done("campaign", "create", desk.write("c.json", campaign(recipients=None)), "--draft")
    rows = desk.write("more.csv", "phone,first\n+12125550131,Ann\n+12125550132,Ben\n+12125550131,Ann\n")
    (found,) = await desk.data("campaign", "list")
    assert await desk.done("campaign", "add", "spring", rows) == (
        f"2 recipients added to spring ({found['id']}), 1 stand in it already\n"
    )
    assert "is scheduled" in await desk.done("campaign", "schedule", "spring")
    exported = await desk.done("campaign", "export", "spring")
    assert [row["number"] for row in csv.DictReader(exported.splitlines())] == ["+12125550131", "+12125550132"]
    await desk.done("campaign", "export", "spring", "-o", desk.place / "out.csv")
    assert (desk.place / "out.csv").read_text() == exported


async def test_a_campaign_with_a_recipients_file(desk: Desk) -> None:
    """The recipients' file beside a campaign file goes along, and faults in it leave nothing behind."""
    desk.write("p.csv", "phone,first\n+12125550131,Ann\n+12125550132,Ben\n")
    text = f'name = "T"\nagent = "anna"\nstart = {FUTURE}\nrecipients_file = "p.csv"\n'
    created = await desk.data("campaign", "create", desk.write("c.toml", text))
    assert (created["campaign"]["state"], created["recipients"]["added"]) == ("scheduled", 2)
    assert created["campaign"]["counters"]["total"] == 2
    desk.write("p.csv", "phone\n+12125550133\n12\nxyz\n")
    refused = await desk.run("campaign", "create", desk.write("c.toml", text.replace('"T"', '"U"')))
    assert refused.exit_code == Exit.FAILED
    assert "line 3" in refused.stderr
    assert "line 4" in refused.stderr
    assert [one["spec"]["name"] for one in await desk.data("campaign", "list")] == ["T"]


async def test_created_once(desk: Desk) -> None:
    """With a key of one's own the same command again creates nothing new."""
    file = desk.write("c.json", campaign())
    first = await desk.data("campaign", "create", file, "--key", "k1")
    again = await desk.data("campaign", "create", file, "--key", "k1")
    assert first["campaign"]["id"] == again["campaign"]["id"]
    assert len(await desk.data("campaign", "list")) == 1


async def test_calls(desk: Desk) -> None:
    """A call is listed, shown, and ended."""
    call = await talking(desk.door)
    (found,) = await desk.data("call", "list", "--campaign", call["campaign_id"])
    assert found["id"] == call["id"]
    assert "+12125550124" in await desk.done("call", "list", "--state", "answered")
    assert "caller id  +12125550100" in await desk.done("call", "show", call["id"])
    assert "is being hung up" in await desk.done("call", "hangup", call["id"])
    with trio.fail_after(60):
        while (await desk.data("call", "show", call["id"]))["state"] != "ended":  # noqa: ASYNC110  # as above
            await trio.sleep(0.02)
    shown = (await desk.done("call", "show", call["id"])).splitlines()
    assert f"reference  {call['id']}" in shown
    assert "detail     price -0.014, price_unit USD" in shown
    assert (await desk.run("call", "hangup", call["id"])).exit_code == Exit.CONFLICT


async def test_suppressions(desk: Desk) -> None:
    """Numbers are entered, looked up, written out, read in, and taken out."""
    await desk.done("campaign", "create", desk.write("c.json", campaign()))
    assert await desk.done("suppress", "add", "+12125550123", "--reason", "asked") == (
        "1 entered, 1 waiting recipients ended\n"
    )
    assert "asked" in await desk.done("suppress", "check", "+12125550123")
    await desk.done("suppress", "add", "+12125550124", "--expires", "2090-01-01T00:00:00Z", "--scope", "agent:anna")
    exported = desk.place / "out.csv"
    await desk.done("suppress", "export", "-o", exported)
    assert exported.read_text().count("+1212555012") == 2
    await desk.done("suppress", "remove", "+12125550123")
    assert "nothing on the list" in await desk.done("suppress", "check", "+12125550123")
    assert (await desk.run("suppress", "remove", "+12125550123")).exit_code == Exit.NOT_FOUND
    assert "2 entered" in await desk.done("suppress", "import", exported)
    assert "asked" in await desk.done("suppress", "check", "+12125550123")


async def test_why_and_plan(desk: Desk) -> None:
    """What holds somebody is told in words; a plan stores nothing."""
    file = desk.write("c.json", campaign())
    await desk.done("campaign", "create", file)
    assert "the campaign has not begun" in await desk.done("why", "+12125550123")
    (reason,) = (await desk.data("why", "+12125550123", "--campaign", "spring"))["items"]
    assert reason["rule"] == "not_started"
    desk.write("p.csv", "phone\n+12125550131\n+12125550132\n")
    planned = desk.write("p.json", campaign(name="planned", start=None, recipients=None, recipients_file="p.csv"))
    assert (await desk.data("plan", planned, "--start", FUTURE))["recipients"] == 2
    assert "planned" in await desk.done("plan", planned)
    assert len(await desk.data("campaign", "list")) == 1


async def test_how_the_daemon_stands(desk: Desk) -> None:
    """Status, trunks and the whole screen say how it stands; settings are read again on demand."""
    assert "it stands" in await desk.done("status")
    (trunk,) = await desk.data("trunk", "list")
    assert (trunk["name"], trunk["state"]) == ("lab", "up")
    assert "lab\ttalker\tup\t0/20" in await desk.done("trunk", "list")
    await desk.done("campaign", "create", desk.write("c.json", campaign(name="On screen")))
    assert "On screen" in await desk.done("top")
    shared = trunk | {"calls_per_second_now": 2.5, "shares_pace_with": ["desk", "spare"]}
    assert "2.5 with desk, spare" in trunk_rows([shared])[0]
    assert await desk.data("reload") == {"reloaded": True, "need_restart": []}
    assert await desk.done("reload") == "the settings are read again\n"
    desk.door.late.append("[callbacks]")
    assert (await desk.done("reload")).endswith("changed, but from the next start of dialerd only: [callbacks]\n")
    assert "needs restart   [callbacks]" in await desk.done("status")


async def test_events_are_followed(desk: Desk) -> None:
    """What has happened since an event is printed, one line each."""
    async with desk.door.operations.events.follow():
        await desk.done("campaign", "create", desk.write("c.json", campaign()))
        await desk.done("campaign", "pause", "spring")
        await desk.done("campaign", "resume", "spring")

    def first(lines: int, *more: str) -> list[str]:
        command = [sys.executable, "-c", "from dialerd.cli.main import main; main()", "--socket", desk.door.socket]
        with subprocess.Popen(
            [*command, "events", "--since", "0", *more], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            try:
                return [process.stdout.readline() for _ in range(lines)]
            finally:
                process.terminate()

    told = await trio.to_thread.run_sync(lambda: first(2))
    assert ["campaign.paused" in told[0], "campaign.scheduled" in told[1]] == [True, True], told
    (event,) = await trio.to_thread.run_sync(lambda: first(1, "--json", "--campaign", "spring"))
    assert json.loads(event)["kind"] == "campaign.paused"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("campaign", "show", "nobody"), Exit.NOT_FOUND, "nobody"),
        (("campaign", "cancel", "prin"), Exit.NOT_FOUND, "prin"),
        (("campaign", "resume", "spring"), Exit.CONFLICT, "paused"),
        (("campaign", "show", "twice"), Exit.CONFLICT, "name one by its id"),
        (("suppress", "add", "12"), Exit.FAILED, "/numbers/0"),
        (("campaign", "create", "none.json"), Exit.USAGE, "No such file"),
        (("campaign", "frobnicate"), Exit.USAGE, "No such command"),
        (("call", "show", "x"), Exit.NOT_FOUND, ""),
    ],
)
async def test_exit_codes(desk: Desk, arguments: tuple[str, ...], code: Exit, said: str) -> None:
    """A script learns from the code what went wrong, a person from the words."""
    for name in ("spring", "twice", "twice"):
        await desk.door.create(name=name)
    result = await desk.run(*arguments)
    assert (result.exit_code, said in result.stderr) == (code, True), result.output
    assert "Traceback" not in result.output


async def test_no_daemon(tmp_path: Path) -> None:
    """A daemon that cannot be reached has a code of its own, and the words say what to do."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["--socket", str(tmp_path / "none.sock"), *arguments])

    result = await trio.to_thread.run_sync(lambda: run("status"))
    assert (result.exit_code, "systemctl start dialerd" in result.stderr) == (Exit.UNREACHABLE, True)


async def test_problems_as_json(desk: Desk) -> None:
    """Scripts get the daemon's own answer to what it refuses."""
    result = await desk.run("--json", "campaign", "show", "nobody")
    assert (result.exit_code, json.loads(result.stdout)["status"], result.stderr) == (Exit.NOT_FOUND, 404, "")


def completed(script: str) -> Callable[[str], bool]:
    """Return a test for a word in a completion script."""
    return lambda word: word in script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion(desk: Desk, shell: str) -> None:
    """Each shell gets its script, and is offered campaigns."""
    assert completed(await desk.done("completion", shell))("_DIALERCTL_COMPLETE")
    await desk.door.create(name="Springtime")
    words = f"dialerctl --socket {desk.door.socket} campaign show Spr"
    environment = {"_DIALERCTL_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": "5"}
    if shell == "fish":
        environment["COMP_CWORD"] = "Spr"

    def ask() -> Result:
        return CliRunner().invoke(cli, [], env=environment, prog_name="dialerctl")

    assert "Springtime" in (await trio.to_thread.run_sync(ask)).output
