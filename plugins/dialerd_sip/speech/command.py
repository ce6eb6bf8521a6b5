"""One run of a text-to-speech command: a text on its standard input, a WAV file out of it.

The text never stands on the command line: other users of the machine could read it there. Time and output are bounded
by the real clock. Blocking: call it from a worker thread. Knows nothing of agents and clips.
"""

import os
import resource
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

WAV_BYTES: Final = 128 << 20
"""The most that is taken of a command: ten minutes of sound at 48,000 Hz in 32 bits fit in."""

_ERROR_BYTES: Final = 8_192  # of its words, the last ones
_CHUNK: Final = 65_536
_OURS: Final = ("DIALERD_", "LISTEN_", "NOTIFY_", "WATCHDOG_", "CREDENTIALS_", "JOURNAL_", "INVOCATION_")


class CommandFailed(Exception):
    """A command did not make anything of a text; the message says why.

    Args:
        message: why, in words of ours.
        words: what the command said itself; the text may be in it.
        missing: there is no such program, or it may not be started.
    """

    def __init__(self, message: str, *, words: str = "", missing: bool = False) -> None:
        super().__init__(message)
        self.words = words
        self.missing = missing


class Run:
    """One run of a command.

    Args:
        text: what it gets on its standard input.
        timeout_s: how long it may take.
        most_bytes: how much it may write, to standard output and to any file.
    """

    def __init__(self, text: bytes, *, timeout_s: float, most_bytes: int = WAV_BYTES) -> None:
        self._text = text
        self._timeout_s = timeout_s
        self._most = most_bytes
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._abandoned = False

    def run(self, argv: Sequence[str]) -> bytes:
        """Run it, and return its standard output.

        Args:
            argv: program and arguments.

        Raises:
            CommandFailed: it could not be started, failed, took too long, or wrote too much.
        """
        with self._lock:
            if self._abandoned:
                raise CommandFailed("was not wanted any more")
            try:
                process = self._process = subprocess.Popen(
                    argv,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                    env=_environment(os.environ),
                    start_new_session=True,  # so that what it starts itself ends with it
                )
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                raise CommandFailed(f"cannot be started: {reason}", missing=True) from error
        with process:
            try:
                with suppress(OSError):  # it has ended already
                    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (self._most, self._most))
                made, said = self._pump(process, time.monotonic() + self._timeout_s)
            finally:
                self._kill()
        status = process.returncode
        if status != 0:
            ending = f"status {status}" if status > 0 else f"the signal {signal.Signals(-status).name}"
            words = " ".join(said.decode("utf-8", "replace").split())
            raise CommandFailed(f"ended with {ending}", words=words)
        return made

    def abandon(self) -> None:
        """End it, from any thread: nobody waits for it any more."""
        with self._lock:
            self._abandoned = True
        self._kill()

    def _pump(self, process: "subprocess.Popen[bytes]", until: float) -> tuple[bytes, bytes]:
        """Feed the text, take what comes, and wait for the end."""
        assert process.stdin is not None  # all three are asked for above; for the type checker
        assert process.stdout is not None
        assert process.stderr is not None
        made, said, text = bytearray(), bytearray(), memoryview(self._text)
        with selectors.DefaultSelector() as ready:
            for pipe in (process.stdin, process.stdout, process.stderr):
                os.set_blocking(pipe.fileno(), False)
            ready.register(process.stdin, selectors.EVENT_WRITE)
            ready.register(process.stdout, selectors.EVENT_READ, made)
            ready.register(process.stderr, selectors.EVENT_READ, said)
            while ready.get_map():
                for key, _ in ready.select(self._left(until)):
                    if key.fileobj is process.stdin:
                        try:
                            text = text[os.write(key.fd, text[:_CHUNK]) :]
                        except BrokenPipeError:  # it does not read to the end; whether it failed, its status says
                            text = text[:0]
                        if not text:
                            ready.unregister(process.stdin)
                            process.stdin.close()
                        continue
                    chunk = os.read(key.fd, _CHUNK)
                    if not chunk:
                        ready.unregister(key.fileobj)
                    key.data.extend(chunk)
                    if len(made) > self._most:
                        raise CommandFailed(f"made more than {self._most} bytes")
                    del said[:-_ERROR_BYTES]
        with suppress(subprocess.TimeoutExpired):
            process.wait(self._left(until))
            return bytes(made), bytes(said)
        raise self._late()

    def _left(self, until: float) -> float:
        left = until - time.monotonic()
        if left <= 0:
            raise self._late()
        return left

    def _late(self) -> CommandFailed:
        return CommandFailed(f"took longer than {self._timeout_s:g} s")

    def _kill(self) -> None:
        """End it and what it has started, unless it has ended by itself and its number is free for others."""
        with self._lock:
            process = self._process
            if process is not None and process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without what the service manager told us alone."""
    return {name: value for name, value in ours.items() if not name.startswith(_OURS)}
