"""A place for one daemon as a process: its settings, its lives, its spool, its database, its ledger and its reports.

Nothing here looks inside the daemon: it is started, signalled and killed, and what it leaves on the disk is read.
"""

import contextlib
import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import tomli_w
from attrs import define, field

COMMAND = Path(sys.executable).parent / "dialerd"
PATIENCE_S = 60.0
CALLER_ID = "+447111999001"


def command(*arguments: str | Path) -> list[str | Path]:
    """Return the command line of `dialerd`: the script beside this interpreter, or its module's entry point."""
    if COMMAND.exists():
        return [COMMAND, *arguments]
    return [sys.executable, "-c", "from dialerd.daemon.main import main; main()", *arguments]


def until(check: Callable[[], Any], what: str, patience_s: float = PATIENCE_S, every_s: float = 0.02) -> Any:
    """Wait until `check` returns something true and return that; fail naming `what` when it takes too long."""
    deadline = time.monotonic() + patience_s
    while not (found := check()):
        assert time.monotonic() < deadline, f"waited {patience_s:g} s in vain: {what}"
        time.sleep(every_s)
    return found


def number(index: int) -> str:
    """Return the made-up UK mobile of that index, 0 to 999,999."""
    return f"+447111{index:06}"


def people(first: int, count: int) -> list[dict[str, str]]:
    """Return that many recipients of a campaign file."""
    return [{"phone": number(index)} for index in range(first, first + count)]


def rows(first: int, count: int) -> bytes:
    """Return a recipients CSV with that many rows."""
    lines = (f"{number(index)},Ann,{index}" for index in range(first, first + count))
    return ("phone,first,place\n" + "\n".join(lines) + "\n").encode()


def settings(**tables: dict[str, Any]) -> dict[str, Any]:
    """Return plain settings for a fast simulated trunk with a ledger; `tables` are laid over them, key by key."""
    plain: dict[str, Any] = {
        "daemon": {
            "state_dir": "state",
            "spool_dir": "spool",
            "socket": "dialerd.sock",
            "timezone": "Europe/London",
            "default_region": "GB",
            "max_concurrent": 100,
        },
        "spool": {"settle": "50ms", "status_every": "200ms"},
        "trunks": {
            "sim": {
                "provider": "simulator",
                "max_concurrent": 100,
                "countries": ["GB"],
                "options": {
                    "seed": 1,
                    "ledger": "ledger.jsonl",
                    "ring_time": "0ms",
                    "talk_time": "10ms",
                    "outcomes": {"answered": 1},
                },
            }
        },
        "numbers": {CALLER_ID: {"trunk": "sim"}},
        "agents": {"reminder": {"say": "Hello."}},
        "person": {"cooldown": "0ms"},
        "quiet_hours": {"enabled": False},
    }
    _lay_over(plain, tables)
    return plain


def _lay_over(plain: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(plain.get(key), dict) and key != "outcomes":
            _lay_over(plain[key], value)
        else:
            plain[key] = value


@define(eq=False)
class Place:
    """Where one daemon lives, over all its lives.

    Args:
        root: a directory of its own.
        process: the present life, or None.
        lives: how many there were.
        children: every process that a life was seen to have started.
        environment: variables that lives get beside those of the test.
    """

    root: Path
    process: subprocess.Popen[bytes] | None = None
    lives: int = 0
    children: set[int] = field(factory=set)
    environment: dict[str, str] = field(factory=dict)

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.root / "dialerd.toml"

    @property
    def spool(self) -> Path:
        """The spool directory."""
        return self.root / "spool"

    def configure(self, **tables: dict[str, Any]) -> None:
        """Write the settings."""
        self.config.write_text(tomli_w.dumps(settings(**tables)))

    # the process

    def start(self, *, wait: bool = True) -> None:
        """Begin a life; `wait` until it dials and takes files."""
        self.lives += 1
        with self.log_path().open("wb") as log:
            self.process = subprocess.Popen(
                command("run", "--config", self.config),
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.environment,
            )
        if wait:
            self.until_logged("daemon.started")
            until((self.spool / "incoming").is_dir, "the spool stands")

    def kill(self) -> None:
        """End the life with SIGKILL, as a power cut would."""
        assert self.process is not None
        self.note_children()
        self.process.kill()
        self.process.wait(60)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, patience_s: float = PATIENCE_S) -> int:
        """Ask the life to end and return its exit code."""
        assert self.process is not None
        self.note_children()
        self.process.terminate()
        return self.process.wait(patience_s)

    def end(self) -> None:
        """End whatever still runs; for fixtures."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def alive(self) -> bool:
        """Tell whether the life goes on."""
        return self.process is not None and self.process.poll() is None

    def note_children(self) -> None:
        """Remember the processes that the daemon has started, so that a test can ask whether they are gone."""
        assert self.process is not None
        with contextlib.suppress(FileNotFoundError):
            for children in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
                self.children.update(map(int, children.read_text().split()))

    def memory_kib(self) -> int:
        """Return the daemon's resident memory in KiB."""
        assert self.process is not None
        return status_kib(self.process.pid, "VmRSS")

    # its log

    def log_path(self) -> Path:
        """Return the log of the present life."""
        return self.root / f"life-{self.lives}.log"

    def log(self) -> list[dict[str, Any]]:
        """Return the events that the present life has logged, whole lines only."""
        lines = self.log_path().read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n") and line.startswith("{")]

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the events of that name."""
        return [entry for entry in self.log() if entry["event"] == event]

    def until_logged(self, event: str, patience_s: float = PATIENCE_S, *, every_s: float = 0.02) -> dict[str, Any]:
        """Wait for an event and return it."""

        def look() -> dict[str, Any] | None:
            found = self.logged(event)
            if not found:
                assert self.alive(), f"the daemon ended before {event}:\n{self.log_path().read_text()[-4000:]}"
            return found[-1] if found else None

        entry: dict[str, Any] = until(look, f"the log says {event}", patience_s, every_s)
        return entry

    # its spool

    def drop(self, name: str, content: bytes | str | dict[str, Any]) -> None:
        """Rename a whole file into `incoming/`; a dict is written as JSON."""
        if isinstance(content, dict):
            content = json.dumps(content)
        staged = self.spool / ".staged"  # on the disk of incoming/, whichever that is
        staged.write_bytes(content.encode() if isinstance(content, str) else content)
        staged.rename(self.spool / "incoming" / name)

    def listing(self, folder: str) -> set[str]:
        """Return the names in a folder of the spool, without dotfiles and status files."""
        names = os.listdir(self.spool / folder)
        return {name for name in names if not name.startswith(".") and not name.endswith(".status.toml")}

    def until_in(self, folder: str, *names: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until a folder holds these names, perhaps among others."""
        until(lambda: set(names) <= self.listing(folder), f"{', '.join(names)} in {folder}/", patience_s)

    def reports(self) -> dict[str, Path]:
        """Return the reports that are there, by the campaign's name."""
        found = {}
        for folder in (self.spool / "reports").iterdir():
            if not folder.name.startswith("."):
                found[tomllib.loads((folder / "summary.toml").read_text())["name"]] = folder
        return found

    def until_reported(self, *names: str, patience_s: float = PATIENCE_S) -> None:
        """Wait for the reports of these campaigns."""
        until(lambda: set(names) <= self.reports().keys(), f"reports of {', '.join(names)}", patience_s, 0.1)

    def report(self, name: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
        """Return the report of the campaign of that name: its summary and its calls."""
        folder = self.reports()[name]
        with (folder / "calls.csv").open(newline="") as calls:
            return tomllib.loads((folder / "summary.toml").read_text()), list(csv.DictReader(calls))

    # its database and its ledger

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Return the rows of a query, read beside the daemon or after its end."""
        database = f"file:{self.root}/state/dialerd.db?mode=ro"
        with contextlib.closing(sqlite3.connect(database, uri=True, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(sql, values).fetchall()

    def count(self, sql: str, *values: Any) -> int:
        """Return the only number of a query."""
        return int(self.rows(sql, *values)[0][0])

    def ledger(self) -> list[dict[str, Any]]:
        """Return what the network took, in order; a line torn by a kill is no call."""
        return list(self._entries())

    def _entries(self) -> Iterator[dict[str, Any]]:
        path = self.root / "ledger.jsonl"
        for line in path.read_text().splitlines() if path.exists() else ():
            with contextlib.suppress(ValueError):
                yield json.loads(line)


def status_kib(pid: int, name: str) -> int:
    """Return a figure of /proc/PID/status, proc_pid_status(5), in KiB; 0 when the process is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
    return 0


def gone(pids: Iterable[int]) -> bool:
    """Tell whether none of these processes runs; a zombie that awaits its reaper does not run."""
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if ") Z " not in Path(f"/proc/{pid}/stat").read_text():
                return False
    return True
