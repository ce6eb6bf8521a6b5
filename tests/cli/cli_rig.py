"""`dialerctl` at a real API: in this process, and as a process of its own on a terminal of any width."""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio
from api_rig import Door
from attrs import frozen
from click.testing import CliRunner, Result

from dialerd.cli.exits import Exit
from dialerd.cli.main import cli

DIALERCTL = (sys.executable, "-c", "from dialerd.cli.main import main; main()")
"""The command as a process of its own."""

_PATIENCE_S = 10.0


@frozen(kw_only=True)
class Desk:
    """An API, and the commands that are given to it.

    Args:
        door: the API.
        place: a directory for files.
    """

    door: Door
    place: Path

    async def run(self, *arguments: str | Path, text: str | None = None) -> Result:
        """Run a command in a thread, as it waits for answers of this loop."""
        given = ["--socket", str(self.door.socket), *map(str, arguments)]
        return await trio.to_thread.run_sync(lambda: CliRunner().invoke(cli, given, input=text))

    async def done(self, *arguments: str | Path) -> str:
        """Run a command that does what it should, and return what it prints."""
        result = await self.run(*arguments)
        assert result.exit_code == Exit.DONE, result.output
        return result.stdout

    async def data(self, *arguments: str | Path) -> Any:
        """Run a command for a script, and return its answer."""
        return json.loads(await self.done(*arguments, "--json"))

    def write(self, name: str, content: Any) -> Path:
        """Write a file; what is no text is written as JSON."""
        path = self.place / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path


class Terminal:
    """A process on a terminal.

    Args:
        process: what runs there.
        end: this end of it.
    """

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self._process = process
        self._end = end
        self.shown = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._end, text.encode())

    def interrupt(self) -> None:
        """Do what the terminal of a shell does at Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def until(self, text: str) -> None:
        """Read what is shown until it holds a text."""
        deadline = time.monotonic() + _PATIENCE_S
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown[-4_000:]
            assert self._more(), self.shown

    def ended(self) -> int:
        """Read what is shown to the end, and return the exit code."""
        while self._more():
            continue
        return self._process.wait(60)

    def _more(self) -> bool:
        assert select.select([self._end], [], [], _PATIENCE_S)[0], self.shown
        try:
            piece = os.read(self._end, 1 << 16)
        except OSError:  # how Linux tells that nobody is at the other end
            piece = b""
        self.shown += piece.decode(errors="replace")
        return bool(piece)


@contextmanager
def terminal(command: Sequence[str], *, width: int = 80, **variables: str) -> Iterator[Terminal]:
    """Run a command on a terminal.

    Args:
        command: program and arguments.
        width: in columns.
        variables: of its environment.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    environment = kept | {"TERM": "xterm", "TZ": "UTC"} | variables
    try:
        with subprocess.Popen(
            command, stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True
        ) as process:
            os.close(its)
            try:
                yield Terminal(process, ours)
            finally:
                process.kill()
    finally:
        os.close(ours)
