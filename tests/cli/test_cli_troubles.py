"""What stands in the way of `dialerctl` is told once, in a sentence, and has its exit code."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
import trio
from api_rig import campaign
from cli_rig import DIALERCTL, Desk

from dialerd.cli.client import Client
from dialerd.cli.exits import Exit
from dialerd.cli.instants import INSTANT

AS_NOBODY = """
import contextlib, os, sys
from dialerd.cli.main import cli, main
with contextlib.suppress(SystemExit):
    cli(["--socket", "/nowhere", "status"])  # loads what nobody may not read
os.setgroups([]), os.setgid(65534), os.setuid(65534)
main()
"""
BAD_ROWS = 'phone,first\n+12125550131,"An\nn"\n\n12,"Be\nn"\n'


def dialerctl(*arguments: Any, program: Sequence[str] = DIALERCTL, **more: Any) -> "subprocess.CompletedProcess[str]":
    """Run the command as a process of its own."""
    given = [*program, *map(str, arguments)]
    return subprocess.run(given, stderr=subprocess.PIPE, text=True, check=False, timeout=60, **more)


@pytest.fixture
def shut(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Return a directory that lets others pass, or not; above it all doors are open to them."""
    for place in (tmp_path, *tmp_path.parents):
        if place.stat().st_uid == os.getuid() and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o011)
    room = tmp_path / "room"
    room.mkdir()
    room.chmod(request.param)
    yield room
    room.chmod(0o755)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("shut", [0o750, 0o755], indirect=True)
async def test_whoever_may_not_connect(desk: Desk, shut: Path) -> None:
    """A stranger is told what to become, whether the directory or the socket itself is closed."""
    socket = shut / "dialerd.sock"
    os.link(desk.door.socket, socket)
    socket.chmod(0o660)

    def ask() -> "subprocess.CompletedProcess[str]":
        return dialerctl("--socket", socket, "status", program=[sys.executable, "-c", AS_NOBODY])

    done = await trio.to_thread.run_sync(ask)
    assert done.returncode == Exit.UNREACHABLE, done.stderr
    (_, said) = done.stderr.splitlines()
    assert said.startswith(f"{socket}: permission denied; only members of the socket's group may connect")


@pytest.mark.parametrize("command", ["campaign list", "campaign list --json", "campaign export spring", "top"])
async def test_a_full_disk_behind_the_output(desk: Desk, command: str) -> None:
    """It is one sentence, and a code that a script minds."""
    await desk.door.create()

    def ask() -> "subprocess.CompletedProcess[str]":
        with Path("/dev/full").open("wb") as full:
            return dialerctl("--socket", desk.door.socket, *command.split(), stdout=full)

    done = await trio.to_thread.run_sync(ask)
    assert (done.returncode, done.stderr) == (Exit.FAILED, "the output cannot be written: No space left on device\n")


async def test_a_follower_says_that_it_waits(tmp_path: Path) -> None:
    """Somebody who looks at an empty screen knows why."""

    def wait() -> str:
        command = [*DIALERCTL, "--socket", str(tmp_path / "none"), "events", "--follow"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            try:
                return process.stderr.readline() + process.stderr.readline()
            finally:
                process.kill()

    said = await trio.to_thread.run_sync(wait)
    assert "is not there" in said
    assert said.endswith("waiting up to 60 s for dialerd\n")


async def test_a_single_fault_is_told_once(desk: Desk) -> None:
    """With its place; several stand below their number."""
    assert (await desk.run("suppress", "add", "12")).stderr.startswith('/numbers/0: "12" has no country code')
    said = (await desk.run("suppress", "add", "12", "13")).stderr.splitlines()
    assert said[0] == "2 things are wrong"
    assert [line[:14] for line in said[1:]] == ["  /numbers/0: ", "  /numbers/1: "]
    (said,) = (await desk.run("suppress", "add", "+12125550101", "--scope", "agent:x")).stderr.splitlines()
    assert said.count("not a configured agent") == 1
    (said,) = (await desk.run("campaign", "create", desk.write("c.json", campaign(agent="x")))).stderr.splitlines()
    assert said.startswith("/agent: "), "the lines of a body that was made here are nobody's"


@pytest.mark.parametrize(
    ("name", "rows", "place"),
    [
        ("p.csv", BAD_ROWS, "p.csv:5: /phone: "),
        ("p.jsonl", '{"phone": "+12125550131"}\n\n{"phone": "12"}\n', "p.jsonl:3: /phone: "),
        ("p.json", '[{"phone": "+12125550131"},\n{"phone": "12"}]', "p.json: /1/phone: "),
    ],
)
async def test_a_plan_names_the_row(desk: Desk, name: str, rows: str, place: str) -> None:
    """What is wrong in a recipients' file is told where its author finds it; so it is by what adds its rows."""
    desk.write(name, rows)
    file = desk.write("c.json", campaign(recipients=None) | {"recipients_file": name})
    said = (await desk.run("plan", file)).stderr
    assert said.startswith(place), said
    skipped = desk.write("s.json", campaign(recipients=None) | {"recipients_file": name, "skip_invalid": True})
    assert f"warning: {place}" in (await desk.run("plan", skipped)).output
    await desk.door.create()
    if (line := re.search(r":(\d)", place)) is not None:
        assert f"line {line[1]}, " in (await desk.run("campaign", "add", "spring", desk.place / name)).stderr


@pytest.mark.parametrize("text", ["soon", "1", "1w", "h", "2027-13-01", "", "9" * 9 + "d"])
def test_what_is_no_instant(text: str) -> None:
    """It is refused here, in the words of the command line."""
    with pytest.raises(click.BadParameter, match="in your own zone, or 90m"):
        INSTANT.convert(text, None, None)


async def test_instants(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are written with an offset, in one's own zone, or as a time from now."""
    assert INSTANT.convert("2090-06-15T09:00:00+02:00", None, None) == "2090-06-15T07:00:00Z"
    local = datetime(2090, 6, 15, 9).astimezone()
    assert datetime.fromisoformat(INSTANT.convert("2090-06-15 09:00", None, None)) == local
    hence = datetime.fromisoformat(INSTANT.convert("2h", None, None)) - datetime.now(UTC)
    assert 7190 < hence.total_seconds() <= 7200
    await desk.done("suppress", "add", "+12125550101", "--expires", "2h")
    (entry,) = (await desk.data("suppress", "check", "+12125550101"))["items"]
    assert abs(datetime.fromisoformat(entry["expires_at"]) - datetime.now(UTC) - hence).total_seconds() < 30
    file = desk.write("c.json", campaign())
    assert (await desk.data("plan", file, "--start", "2090-06-15 09:00"))["starts_at"]


async def test_the_standard_input(desk: Desk) -> None:
    """Whatever takes a file takes it from there."""
    await desk.door.create()
    rows = "phone\n+12125550131\n"
    for form, text in (("csv", rows), ("jsonl", '{"phone": "+12125550132"}'), ("json", '[{"phone": "+12125550133"}]')):
        result = await desk.run("campaign", "add", "spring", "-", "--format", form, text=text)
        assert "1 recipients added to spring" in result.output
    refused = await desk.run("campaign", "add", "spring", "-", text=rows)
    assert (refused.exit_code, "--format" in refused.stderr) == (Exit.USAGE, True)
    entered = await desk.run("suppress", "import", "-", text="number\n+12125550131\n")
    assert entered.output == "1 entered, 1 waiting recipients ended\n"


async def test_how_it_stands_in_words(desk: Desk) -> None:
    """Each line has its unit and its name, in the zone of whoever looks."""
    told = dict(re.split(r" {2,}", line, maxsplit=1) for line in (await desk.done("status")).splitlines())
    assert re.fullmatch(r"\d+ s", told["up for"])
    assert told["lines"] == "0 of 100 in use"
    assert told["in short"] == "it stands"
    local = datetime.strptime(told["its clock"][:19], "%Y-%m-%d %H:%M:%S").astimezone()
    assert abs((local - datetime.now(UTC)).total_seconds()) < 60
    assert (await desk.done("trunk", "list")).startswith("trunk\tprovider\tstate\tlines\tcalls/s\twhy\n")
    assert sorted(await desk.data("top")) == ["campaigns", "status", "trunks"]


@pytest.mark.parametrize("step", ["upload", "get", "post"])
async def test_a_command_that_was_cut_short(desk: Desk, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Whatever step it came to, with its key it comes to the same campaign, with the list whole; without, to none."""
    desk.write("p.csv", "phone\n" + "".join(f"+121255501{n}\n" for n in range(10, 60)))
    file = desk.write("c.json", campaign(recipients=None) | {"recipients_file": "p.csv"})
    real = getattr(Client, step)

    def cut(self: Client, path: str, *given: Any, **more: Any) -> Any:
        if path == "/v1/campaigns":  # the draft is made
            return real(self, path, *given, **more)
        raise KeyboardInterrupt

    for key in ((), ("--key", "k" * 250)):
        with monkeypatch.context() as patch:
            patch.setattr(Client, step, cut)
            assert (await desk.run("campaign", "create", file, *key)).exit_code == Exit.FAILED
        made = await desk.data("campaign", "list")
        assert [one["state"] for one in made] == (["draft"] if key or step != "upload" else [])
        for _ in range(2 if key else 0):
            again = await desk.data("campaign", "create", file, *key)
            assert (again["campaign"]["id"], again["campaign"]["state"]) == (made[0]["id"], "scheduled")
            assert again["campaign"]["counters"]["total"] == again["recipients"]["added"] == 50
        if not key and step != "upload":
            await desk.done("campaign", "delete", made[0]["id"])
