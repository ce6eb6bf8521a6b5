"""What people see of `dialerctl` on a terminal, narrow or wide, and what their shell completes."""

import os
import pty
import shlex
import subprocess
from pathlib import Path

import pytest
import trio
from api_rig import talking
from cli_rig import DIALERCTL, Desk, Terminal, terminal

from dialerd.cli.exits import Exit

NAME = "Tuesday's appointment reminders"


@pytest.mark.parametrize("width", [80, 120])
async def test_ids_and_numbers_are_whole(desk: Desk, width: int) -> None:
    """Whoever is to type an id reads all of it; columns for which there is no room are named."""
    call = await talking(desk.door)
    await desk.door.create(name=NAME)

    def shown(*arguments: str) -> str:
        with terminal([*DIALERCTL, "--socket", str(desk.door.socket), *arguments], width=width) as screen:
            assert screen.ended() == Exit.DONE
            return screen.shown

    campaigns = await trio.to_thread.run_sync(shown, "campaign", "list")
    assert call["campaign_id"] in campaigns
    assert "scheduled" in campaigns
    calls = await trio.to_thread.run_sync(shown, "call", "list")
    assert [word in calls for word in (call["id"], "+12125550124", "answered")] == [True] * 3
    for text, head in ((campaigns, "ends"), (calls, "caller id")):
        assert head in text
        assert ("no room for" in text) == (width == 80), text
        assert "…" not in text


async def test_top_over_a_restart(desk: Desk) -> None:
    """It draws on while the daemon is away, says since when, and ends when asked to."""
    await desk.door.create(name="On screen")
    there, away = desk.door.socket, desk.door.socket.with_name("away")

    def watch() -> Terminal:
        with terminal([*DIALERCTL, "--socket", str(there), "top", "--interval", "0.1"], width=200) as screen:
            screen.until("On screen")
            there.rename(away)
            screen.until("not reachable since")
            screen.until(f"{there} is not there")
            away.rename(there)
            screen.shown = ""
            screen.until("On screen")
            screen.until("On screen")
            screen.type("q")
            assert screen.ended() == Exit.DONE
            return screen

    last = (await trio.to_thread.run_sync(watch)).shown.rpartition("\x1b[H")[2]
    assert "not reachable" not in last
    assert "On screen" in last


@pytest.mark.parametrize("command", ["top", "events"])
async def test_an_interrupt_ends_what_is_watched(desk: Desk, command: str) -> None:
    """It is the way to end these, and no failure."""
    await desk.door.create(name="On screen")

    def watch() -> tuple[int, str]:
        since = ["--since", "0"] if command == "events" else []
        with terminal([*DIALERCTL, "--socket", str(desk.door.socket), command, *since]) as screen:
            screen.until("On screen")
            screen.interrupt()
            return screen.ended(), screen.shown

    async with desk.door.operations.events.follow():
        await desk.done("campaign", "pause", "On screen")
        await desk.done("campaign", "resume", "On screen")
        code, shown = await trio.to_thread.run_sync(watch)
    assert (code, "Aborted" in shown) == (Exit.DONE, False), shown


@pytest.mark.parametrize("typed", ["Tue", "'Tue", '"Tue', "Tuesday\\'s\\ app"])
async def test_bash_completes_a_name_with_blanks(desk: Desk, tmp_path: Path, typed: str) -> None:
    """The command gets the whole name as one argument, however somebody has begun to write it."""
    name = "Tuesday appointment reminders" if typed == "'Tue" else NAME  # ' does not stand between two of them
    await desk.door.create(name=name)
    program = tmp_path / "dialerctl"
    asked = shlex.join(DIALERCTL)
    program.write_text(f'#!/bin/bash\n[ "$_DIALERCTL_COMPLETE" ] && exec {asked}\necho "<${{@: -1}}>"\n')
    program.chmod(0o755)
    (tmp_path / "complete").write_text(await desk.done("completion", "bash"))

    def complete() -> str:
        with terminal(["bash", "--norc", "-i"], PATH=f"{tmp_path}:/usr/bin:/bin", PS1="> ", width=200) as shell:
            shell.type(f"export DIALERD_SOCKET={desk.door.socket}; . {tmp_path}/complete; echo rea''dy\n")
            shell.until("ready")
            shell.type(f"dialerctl campaign show {typed}\t")
            shell.until("reminders")
            shell.type("\n")
            shell.until("<Tue")
            shell.until(">\r\n")
            return shell.shown

    assert f"<{name}>" in await trio.to_thread.run_sync(complete)


async def test_top_ends_with_its_terminal(desk: Desk) -> None:
    """Whoever closes the window does not leave it behind, busy with nothing."""

    def watch() -> int:
        ours, its = pty.openpty()
        command = [*DIALERCTL, "--socket", str(desk.door.socket), "top"]
        environment = os.environ | {"TERM": "xterm"}
        with subprocess.Popen(command, stdin=its, stdout=its, stderr=subprocess.DEVNULL, env=environment) as process:
            os.close(its)
            os.read(ours, 1 << 16)
            os.close(ours)
            try:
                return process.wait(20)
            finally:
                process.kill()

    await trio.to_thread.run_sync(watch)
