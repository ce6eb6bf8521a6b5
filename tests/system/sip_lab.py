"""Peers from Debian as processes on loopback: started, awaited, ended by their id, their logs shown when a test fails.

What a peer is stands in `sipp_peer`, `kamailio_peer` and `baresip_peer`.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

PATIENCE_S: Final = 15.0
"""For a peer to come up or go down; the machines of continuous integration are slow."""


class LabTrouble(AssertionError):
    """A peer did not do what a test needs; the message has the end of its log."""


def options(place: str, *, transport: str = "udp") -> bytes | None:
    """Send one OPTIONS to host:port and return the answer; None where there is none within a moment."""
    host, _, port = place.partition(":")
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as asker:
        asker.settimeout(0.3)
        asker.bind(("127.0.0.1", 0))
        try:
            asker.connect((host, int(port)))
            via = f"{asker.getsockname()[0]}:{asker.getsockname()[1]}"
            lines = [
                f"OPTIONS sip:{place} SIP/2.0",
                f"Via: SIP/2.0/{transport.upper()} {via};branch=z9hG4bK{time.monotonic_ns():x};rport",
                "Max-Forwards: 5",
                f"From: <sip:lab@{via}>;tag=lab",
                f"To: <sip:{place}>",
                f"Call-ID: {time.monotonic_ns():x}@lab",
                "CSeq: 1 OPTIONS",
                "Content-Length: 0",
            ]
            asker.sendall("\r\n".join([*lines, "", ""]).encode())
            return asker.recv(65_535)
        except OSError:
            return None


def bound(place: str, *, transport: str = "udp") -> bool:
    """Return whether somebody is bound to host:port, without sending anything there."""
    host, _, port = place.partition(":")
    wanted = f"{socket.inet_aton(host)[::-1].hex().upper()}:{int(port):04X}"
    lines = Path(f"/proc/net/{transport}").read_text().splitlines()
    return any(line.split()[1] == wanted for line in lines[1:])


def until(true: Callable[[], object], what: str, within_s: float = PATIENCE_S) -> None:
    """Wait until something is true; raises `LabTrouble` where it does not come."""
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            raise LabTrouble(f"{what} did not come within {within_s} s")
        time.sleep(0.02)


class Peer:
    """A process of a lab, in a process group of its own.

    It ends with the thread that started it, also where that is killed.

    Args:
        name: what it is called in messages.
        folder: where it runs, and where its log is written.

    Attributes:
        place: host:port at which it takes SIP over UDP.
    """

    place: str
    process: "subprocess.Popen[bytes] | None" = None

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "log"

    def command(self) -> Sequence[str]:
        """Return the command line."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Return whether it takes calls."""
        return options(self.place) is not None

    def start(self) -> None:
        """Start it and return when it takes calls."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *self.command()],  # nothing stays when pytest itself is killed
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            until(lambda: self._gone() or self.ready(), f"an answer of {self.name}")
        except LabTrouble as trouble:
            raise LabTrouble(f"{trouble}\n{self.tail()}") from None
        if self._gone():
            raise LabTrouble(f"{self.name} ended with {self.process.returncode}\n{self.tail()}")

    def _gone(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def end(self) -> None:
        """End it with all its children."""
        process, self.process = self.process, None
        if process is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, sign)
            except ProcessLookupError:
                break
            try:
                process.wait(PATIENCE_S / 3)
            except subprocess.TimeoutExpired:
                continue
        process.wait(PATIENCE_S)

    def tail(self) -> str:
        """Return the end of the log."""
        return self.log.read_bytes()[-4000:].decode(errors="replace") if self.log.exists() else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        if error is not None:
            error.add_note(f"the log of {self.name}:\n{self.tail()}")
