"""Intake of a large list by the real daemon, while another campaign dials.

    python -m bench.intake [--count 1000000]

The other campaign has a recipient who becomes due every 20 ms, as one whose retry has come; nothing else holds it: no
pace of its own, lines free, hours open. Dispatch delay is from the instant at which a recipient was due to the instant
at which the network took the call, by the simulator's ledger, in which a call stands when it has been claimed durably
and has passed the last gate. Delays are told for those who were due before the list came, and for those who were due
from the list's rename into the spool until it was accepted. Prints one line of JSON.
"""

import argparse
import json
import sqlite3
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trio

from bench.calls import fill, number
from bench.daemon import Daemon, take
from bench.table import quantile
from dialerd.store.store import open_store

_EVERY_MS = 20
_DUE_FOR_S = 120  # longer than the intake takes
_FIRST_IN_S = 3.0  # the daemon starts in less
_QUIET_S = 5.0  # of dialling before the list comes
_FROM = 9_000_000  # the other campaign's numbers are not on the list


def other_campaign(root: Path) -> dict[str, int]:
    """Store the other campaign; return when each of its numbers is due, in milliseconds since 1970."""
    count = _DUE_FOR_S * 1_000 // _EVERY_MS
    path = root / "state" / "dialerd.db"
    path.parent.mkdir()

    async def store() -> None:
        async with open_store(f"sqlite:///{path}") as opened:
            await fill(opened, count, first=_FROM)

    trio.run(store)
    first = int((time.time() + _FIRST_IN_S) * 1_000)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE recipients SET next_at = ? + (position - 1) * ?", (first, _EVERY_MS))
    db.close()
    return {number(_FROM + index): first + index * _EVERY_MS for index in range(count)}


def delays(ledger: Path, due_at: dict[str, int], began_ms: float, ended_ms: float) -> list[float]:
    """Return the dispatch delays, in milliseconds, of those who were due between two instants."""
    left_at = {}
    for line in ledger.read_text().splitlines():
        entry = json.loads(line)
        left_at[entry["number"]] = datetime.fromisoformat(entry["at"]).timestamp() * 1_000
    return [left_at[number] - at for number, at in due_at.items() if began_ms <= at < ended_ms]


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.intake")
    parser.add_argument("--count", type=int, default=1_000_000)
    asked = parser.parse_args()
    later = {"start": (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder:
        root = Path(folder).resolve()
        due_at = other_campaign(root)
        first = min(due_at.values())
        with Daemon(root, open_now=True) as daemon:
            assert time.time() * 1_000 < first, "the daemon started later than the other campaign was due"
            time.sleep(first / 1_000 + _QUIET_S - time.time())
            taken = take(daemon, root, asked.count, later)
            time.sleep(1)  # whoever was due at the end leaves
            daemon.end()
        began = taken["began_at"] * 1_000
        found = {
            "quiet": delays(root / "ledger.jsonl", due_at, first, began - 500),
            "busy": delays(root / "ledger.jsonl", due_at, began, began + taken["wall_s"] * 1_000),
        }
    for name, values in found.items():
        taken[name] = [len(values), *(quantile(values, share) for share in (0.5, 0.99, 1))]
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
