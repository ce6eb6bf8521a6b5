"""Intake of a large list by the real daemon, and its restart with that list queued.

    python -m bench.daemon [--count 1000000]

Rows a second are from the rename into the spool to the log line that says the campaign is accepted: reading in the
worker process, checking every number, storing with `synchronous=FULL`, moving the files. Quiet hours hold the campaign,
so that the restart finds everybody queued: first with hours that stay closed, to see what an idle daemon costs, then
with hours that are open, to see how long the first call takes. Prints one line of JSON.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import tomli_w

from bench.calls import number
from bench.machine import children, load, memory_kib, processor_s

_IDLE_S = 5.0
_PATIENCE_S = 900.0


class Daemon:
    """A daemon as a process.

    Args:
        root: its directory.
        open_now: whether quiet hours let calls leave now.
    """

    def __init__(self, root: Path, *, open_now: bool) -> None:
        self.root = root
        self.log = root / "daemon.log"
        config = root / "dialerd.toml"
        config.write_text(tomli_w.dumps(_settings(root, open_now)))
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


def _settings(root: Path, open_now: bool) -> dict[str, Any]:
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


def intake(root: Path, count: int) -> dict[str, object]:
    """Have a list taken and return what that took."""
    with Daemon(root, open_now=False) as daemon:
        return _take(daemon, root, count)


def _take(daemon: Daemon, root: Path, count: int) -> dict[str, object]:
    staged, incoming = root / "staged", root / "spool" / "incoming"
    write_list(staged, count)
    size = staged.stat().st_size
    before = memory_kib(daemon.process.pid)
    staged.rename(incoming / "list.csv")
    staged.write_text('name = "bench"\nagent = "reminder"\nrecipients_file = "list.csv"\n')
    wall, cpu = time.perf_counter(), processor_s(daemon.process.pid)
    staged.rename(incoming / "bench.toml")
    most = {"worker": 0, "worker_cpu": 0.0}

    def accepted() -> bool:
        for child in children(daemon.process.pid):
            most["worker"] = max(most["worker"], memory_kib(child, "VmHWM"))
        return daemon.logged("spool.file_accepted")

    daemon.until(accepted, 0.05)
    wall = time.perf_counter() - wall
    cpu = processor_s(daemon.process.pid) - cpu
    peak = memory_kib(daemon.process.pid, "VmHWM")
    daemon.end()
    return {
        "rows": count,
        "mib": size / 2**20,
        "wall_s": wall,
        "per_s": count / wall,
        "daemon_cpu_s": cpu,
        "daemon_before_kib": before,
        "daemon_peak_kib": peak,
        "worker_peak_kib": most["worker"],
        "database_mib": (root / "state" / "dialerd.db").stat().st_size / 2**20,
        "load": load(),
    }


def restart(root: Path) -> dict[str, object]:
    """Start with everybody queued, held first and due then, and return what that takes."""
    with Daemon(root, open_now=False) as idle:
        time.sleep(1)
        cpu = processor_s(idle.process.pid)
        time.sleep(_IDLE_S)
        idle_share = (processor_s(idle.process.pid) - cpu) / _IDLE_S
        idle_kib = memory_kib(idle.process.pid)
        idle.end()
    with Daemon(root, open_now=True) as due:
        ledger = root / "ledger.jsonl"
        due.until(lambda: ledger.exists() and ledger.stat().st_size > 0)
        first_call_s = time.perf_counter() - due.began
        time.sleep(2)
        due_kib = memory_kib(due.process.pid)
        due.end()
    return {
        "started_s": due.started_s,
        "first_call_s": first_call_s,
        "idle_share": idle_share,
        "idle_kib": idle_kib,
        "dialling_kib": due_kib,
        "load": load(),
    }


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.daemon")
    parser.add_argument("--count", type=int, default=1_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder:
        root = Path(folder).resolve()
        print(json.dumps({"intake": intake(root, asked.count), "restart": restart(root)}))


if __name__ == "__main__":
    main()
