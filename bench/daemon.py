"""The real daemon as a process, and the intake of a large list by it."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import tomli_w

from bench.calls import number
from bench.machine import children, children_s, load, memory_kib, processor_s

_PATIENCE_S = 900.0


class Daemon:
    """A daemon as a process.

    Args:
        root: its directory.
        open_now: whether quiet hours let calls leave now.
        own: tables of settings in the place of `settings`'s own.
    """

    def __init__(self, root: Path, *, open_now: bool, own: Mapping[str, Any] | None = None) -> None:
        self.root = root
        self.log = root / "daemon.log"
        config = root / "dialerd.toml"
        config.write_text(tomli_w.dumps(settings(root, open_now=open_now) | dict(own or {})))
        self.began = time.perf_counter()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from dialerd.daemon.main import main; main()", "run", "--config", config],
                cwd=root, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.until(lambda: self.logged("daemon.started"))
        self.until((root / "spool" / "incoming").is_dir)
        self.started_s = time.perf_counter() - self.began

    def logged(self, event: str) -> bool:
        """Tell whether an event was logged."""
        return f'"event":"{event}"' in self.log.read_text()

    def until(self, check: Callable[[], object], every_s: float = 0.005) -> None:
        """Wait until `check` returns something true."""
        deadline = time.monotonic() + _PATIENCE_S
        while not check():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise SystemExit(f"the daemon ended or hangs:\n{self.log.read_text()[-3000:]}")
            time.sleep(every_s)

    def idle_share(self, seconds: float) -> float:
        """Return the share of a core that it takes while nothing happens."""
        cpu = processor_s(self.process.pid)
        time.sleep(seconds)
        return (processor_s(self.process.pid) - cpu) / seconds

    def end(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def settings(root: Path, *, open_now: bool) -> dict[str, Any]:
    """Return settings of one simulated trunk with 100 lines, whose ledger is `ledger.jsonl`."""
    opens = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=12)
    closed = {"enabled": True, "start": opens.time(), "end": (opens + timedelta(hours=1)).time()}
    options = {"ring_time": "0ms", "talk_time": "1s", "outcomes": {"answered": 1}, "ledger": "ledger.jsonl"}
    return {
        "daemon": {
            "state_dir": str(root / "state"),
            "spool_dir": str(root / "spool"),
            "socket": str(root / "dialerd.sock"),
            "timezone": "Europe/London",
            "default_region": "GB",
            "max_concurrent": 100,
        },
        "trunks": {"sim": {"provider": "simulator", "max_concurrent": 100, "countries": ["GB"], "options": options}},
        "numbers": {"+447111999001": {"trunk": "sim"}},
        "agents": {"reminder": {"say": "Hello."}},
        "quiet_hours": {"enabled": False} if open_now else closed,
    }


def write_list(path: Path, count: int) -> None:
    """Write a recipients file of `count` rows in random order, with two variables each."""
    with path.open("w") as file:
        file.write("phone,first,slot\n")
        file.writelines(f"{number(index)},Ann,{index % 24:02}:30\n" for index in range(count))


def take(daemon: Daemon, root: Path, count: int, campaign: Mapping[str, object]) -> dict[str, Any]:
    """Have a list taken and return what that took.

    Seconds are from the rename into the spool to the log line that says the campaign is accepted: reading in the
    worker process, checking every number, storing with `synchronous=FULL`, moving the files.

    Args:
        daemon: idle.
        root: its directory.
        count: rows of the list.
        campaign: what its file says besides the list.
    """
    staged, incoming, pid = root / "staged", root / "spool" / "incoming", daemon.process.pid
    write_list(staged, count)
    size = staged.stat().st_size
    before = memory_kib(pid)
    staged.rename(incoming / "list.csv")
    staged.write_text(tomli_w.dumps({"name": "bench", "agent": "reminder", "recipients_file": "list.csv", **campaign}))
    began_at, wall, cpu = time.time(), time.perf_counter(), processor_s(pid) + children_s(pid)
    staged.rename(incoming / "bench.toml")
    worker_kib = 0

    def accepted() -> bool:
        nonlocal worker_kib
        worker_kib = max([worker_kib, *(memory_kib(child, "VmHWM") for child in children(pid))])
        return daemon.logged("spool.file_accepted")

    daemon.until(accepted, 0.05)
    wall = time.perf_counter() - wall
    return {
        "rows": count,
        "mib": size / 2**20,
        "began_at": began_at,
        "wall_s": wall,
        "per_s": count / wall,
        "cpu_s": processor_s(pid) + children_s(pid) - cpu,
        "daemon_before_kib": before,
        "daemon_peak_kib": memory_kib(pid, "VmHWM"),
        "worker_peak_kib": worker_kib,
        "database_mib": (root / "state" / "dialerd.db").stat().st_size / 2**20,
        "load": load(),
    }
