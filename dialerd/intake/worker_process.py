"""The worker process as the daemon sees it: started, spoken to in frames, ended without a trace.

Knows nothing of what the frames say.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import trio

import dialerd
from dialerd.intake import frames
from dialerd.intake.frames import Kind
from dialerd.model.errors import DialerdError
from dialerd.model.settings import Settings

_PIECE: Final = 1 << 16  # a pipe's capacity (pipe(7)); more never comes at once

STILL_S: Final = 60.0
"""Seconds after which a process that says nothing and uses no processor is given up."""

_LOOKS: Final = 12  # times in `STILL_S` that the process is looked at
_SILENT: Final = 10  # times `STILL_S` after which one is given up that says nothing, however busy it is
_END_S: Final = 5.0  # seconds that the end of a killed process is waited for


class ReaderError(DialerdError):
    """The worker process cannot be started; says nothing about the file, which should be tried again later."""


class WorkerDied(DialerdError):
    """The worker process is no more, or speaks no sense; the message says how it ended."""


class WorkerStuck(WorkerDied):
    """The worker process stands still."""


class Worker:
    """A running worker process."""

    def __init__(self, process: trio.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ReaderError("the reading process has no pipes")
        self._process = process
        self._in = process.stdin
        self._out = process.stdout
        self._buffer = bytearray()
        self._settings: Settings | None = None

    @classmethod
    async def start(cls) -> "Worker":
        """Start a worker process.

        Raises:
            ReaderError: it cannot be started.
        """
        # the worker finds the very package that runs here, installed or not
        root = str(Path(dialerd.__file__).parent.parent)
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        try:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", "dialerd.intake.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path},
            )
        except OSError as error:
            raise ReaderError(f"the reading process cannot be started: {error}") from error
        return cls(process)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def send_settings(self, settings: Settings) -> None:
        """Send the settings, unless they are those it has."""
        if settings is not self._settings:
            await self.send(Kind.SETTINGS, frames.settings_body(settings))
            self._settings = settings

    async def send(self, kind: Kind, body: bytes = b"") -> None:
        """Send a frame.

        Raises:
            WorkerDied: nobody takes it.
        """
        with trio.move_on_after(STILL_S):
            try:
                await self._in.send_all(frames.frame(kind, body))
            except trio.BrokenResourceError:
                raise await self._died() from None
            return
        raise WorkerStuck(f"it took nothing for {STILL_S:.0f} s")

    async def receive(self) -> tuple[Kind, bytes]:
        """Wait for the next frame.

        Raises:
            WorkerDied: there will be none.
            WorkerStuck: the process stands still, as one does whose disk does not answer.
        """
        await self._fill(frames.HEAD_SIZE)
        try:
            kind, length = frames.head(self._buffer)
        except ValueError as error:
            self._process.kill()
            raise WorkerDied(f"it sent {error}") from error
        whole = frames.HEAD_SIZE + length
        await self._fill(whole)
        body = bytes(self._buffer[frames.HEAD_SIZE : whole])
        del self._buffer[:whole]
        return kind, body

    async def end(self) -> None:
        """End the process at once, whatever it does, and wait until it is gone."""
        # a process that is not waited for would stay as a zombie; one that waits for a disk ends when that answers
        with trio.CancelScope(shield=True):
            self._process.kill()
            with trio.move_on_after(_END_S):
                await self._process.wait()
            await self._in.aclose()
            await self._out.aclose()

    async def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            piece = await self._piece()
            if not piece:
                raise await self._died()
            self._buffer += piece

    async def _piece(self) -> bytes:
        """Wait for more from the process, as long as it gets on; nothing = it sends no more."""
        used_s: float | None = None
        still = looks = 0
        # a wait is made of many: where this very process stood still as well, as when both are frozen, one is over
        while still < _LOOKS and looks < _LOOKS * _SILENT:
            with trio.move_on_after(STILL_S / _LOOKS):
                try:
                    return bytes(await self._out.receive_some(_PIECE))
                except trio.BrokenResourceError:
                    return b""
            before_s, used_s = used_s, _processor_s(self.pid)
            still = still + 1 if used_s == before_s else 0
            looks += 1
        if still < _LOOKS:
            raise WorkerStuck(f"it said nothing for {STILL_S * _SILENT:.0f} s")
        raise WorkerStuck(f"it stood still for {STILL_S:.0f} s")

    async def _died(self) -> WorkerDied:
        """Wait for the process's end and put it into words; its input is closed, as it may wait for more."""
        await self._in.aclose()
        code = await self._process.wait()
        return WorkerDied(_ending(code))


def _processor_s(pid: int) -> float | None:
    """Return the processor time that a process has used, or None where that is not told (proc_pid_stat(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
