"""The restart of the real daemon with a large list queued, and what it costs while nothing happens.

    python -m bench.restart [--count 1000000] [--starts 3]

Quiet hours hold the campaign while it is taken, so that the restart finds everybody queued: first with hours that stay
closed, to see what an idle daemon costs, then with hours that are open, to see how long the first call takes, from the
start of the process to the first line in the simulator's ledger. Prints one line of JSON.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from bench.daemon import Daemon, take
from bench.machine import load, memory_kib

_IDLE_S = 5.0
_DIALS_S = 2.0


def first_start(root: Path, count: int) -> dict[str, object]:
    """Start with an empty store, have the list taken, and return what both take."""
    with Daemon(root, open_now=False) as daemon:
        time.sleep(1)
        empty_share = daemon.idle_share(_IDLE_S)
        empty_kib = memory_kib(daemon.process.pid)
        taken = take(daemon, root, count, {})
        daemon.end()
    return {"empty_share": empty_share, "empty_kib": empty_kib, "intake": taken}


def held(root: Path) -> dict[str, object]:
    """Start with everybody queued and held, and return what that takes."""
    with Daemon(root, open_now=False) as daemon:
        time.sleep(1)
        share = daemon.idle_share(_IDLE_S)
        kib = memory_kib(daemon.process.pid, "VmHWM")
        daemon.end()
    return {"idle_share": share, "idle_kib": kib}


def due(root: Path) -> dict[str, object]:
    """Start with everybody queued and due, and return what that takes."""
    with Daemon(root, open_now=True) as daemon:
        ledger = root / "ledger.jsonl"
        daemon.until(lambda: ledger.exists() and ledger.stat().st_size > 0)
        first_call_s = time.perf_counter() - daemon.began
        time.sleep(_DIALS_S)
        kib = memory_kib(daemon.process.pid, "VmHWM")
        daemon.end()
        ledger.unlink()
    return {"started_s": daemon.started_s, "first_call_s": first_call_s, "dialling_kib": kib, "load": load()}


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.restart")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--starts", type=int, default=3, help="with everybody due")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder:
        root = Path(folder).resolve()
        result = first_start(root, asked.count) | held(root)
        print(json.dumps({"count": asked.count, **result, "due": [due(root) for _ in range(asked.starts)]}))


if __name__ == "__main__":
    main()
