"""A bare loop, the floor that the engine is compared with: trio and SQLite, and nothing that makes it a dialer.

    python -m bench.bare [--count 100000] [--lines 500] [--hold-ms 0]

One transaction a turn, with the same fsync and the same row writes: it stores the calls that ended and claims as many
people as lines are free; each call is a trio task. No rules, no providers, no limits, no retries, no log.
"""

import argparse
import json
import sqlite3
import tempfile
import time
from pathlib import Path

import trio
from uuid_utils.compat import uuid7

from bench.calls import number
from bench.machine import load, peak_kib
from dialerd.daemon.tuning import tune

_SCHEMA = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE recipients (id INTEGER PRIMARY KEY, number TEXT NOT NULL, state TEXT NOT NULL,
        next_at INTEGER NOT NULL);
    CREATE UNIQUE INDEX recipients_number ON recipients (number);
    CREATE INDEX recipients_due ON recipients (next_at, id) WHERE state = 'pending';
    CREATE TABLE attempts (id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, recipient INTEGER NOT NULL,
        number TEXT NOT NULL, claimed_at INTEGER NOT NULL, ended_at INTEGER, outcome TEXT);
    CREATE INDEX attempts_number ON attempts (number, claimed_at);
"""


class Loop:
    """The loop.

    Args:
        path: of a new database.
        count: people.
        lines: calls at once.
        hold_s: how long each lasts.
    """

    def __init__(self, path: Path, count: int, lines: int, hold_s: float) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.executescript(_SCHEMA)
        self.db.execute("BEGIN")
        self.db.executemany(
            "INSERT INTO recipients VALUES (?, ?, 'pending', 0)", ((at + 1, number(at)) for at in range(count))
        )
        self.db.execute("COMMIT")
        self.free = lines
        self.hold_s = hold_s
        self.ended: list[int] = []
        self.wake = trio.Event()

    def turn(self, ended: list[int], lines: int) -> list[int]:
        """Store what ended, claim for the free lines, and return the claimed; runs in a thread."""
        db, now = self.db, time.time_ns() // 1_000_000
        db.execute("BEGIN IMMEDIATE")
        if ended:
            keys = json.dumps(ended)
            db.execute("UPDATE recipients SET state = 'done' WHERE id IN (SELECT value FROM json_each(?))", (keys,))
            db.execute(
                "UPDATE attempts SET ended_at = ?, outcome = 'answered' WHERE id IN (SELECT value FROM json_each(?))",
                (now, keys),
            )
        due = db.execute(
            "SELECT id, number FROM recipients WHERE state = 'pending' AND next_at <= ? ORDER BY next_at, id LIMIT ?",
            (now, lines),
        ).fetchall()
        if due:
            rows = json.dumps([[key, str(uuid7()), to] for key, to in due])
            db.execute(
                """UPDATE recipients SET state = 'dialing' WHERE id IN
                (SELECT json_extract(value, '$[0]') FROM json_each(?))""",
                (rows,),
            )
            db.execute(
                """INSERT INTO attempts SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'),
                json_extract(value, '$[0]'), json_extract(value, '$[2]'), ?, NULL, NULL FROM json_each(?)""",
                (now, rows),
            )
        db.execute("COMMIT")
        return [key for key, _ in due]

    async def call(self, key: int) -> None:
        """Hold a line for a while."""
        if self.hold_s:
            await trio.sleep(self.hold_s)
        else:
            await trio.lowlevel.checkpoint()
        self.ended.append(key)
        self.free += 1
        self.wake.set()

    async def run(self) -> int:
        """Take turns until nobody is left and return how many turns it took."""
        turns = 0
        async with trio.open_nursery() as calls:
            while True:
                self.wake = trio.Event()
                ended, self.ended = self.ended, []
                claimed = await trio.to_thread.run_sync(self.turn, ended, self.free)
                turns += 1
                self.free -= len(claimed)
                for key in claimed:
                    calls.start_soon(self.call, key)
                if not claimed and not ended and not self.ended and not calls.child_tasks:
                    return turns
                if calls.child_tasks or claimed:
                    await self.wake.wait()


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.bare")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--lines", type=int, default=500)
    parser.add_argument("--hold-ms", type=int, default=0)
    asked = parser.parse_args()
    tune()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder:
        loop = Loop(Path(folder) / "bare.db", asked.count, asked.lines, asked.hold_ms / 1_000)
        wall, cpu = time.perf_counter(), time.process_time()
        turns = trio.run(loop.run)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        (done,) = loop.db.execute("SELECT count(*) FROM attempts WHERE ended_at IS NOT NULL").fetchone()
        assert done == asked.count
        loop.db.close()
    result = {"wall_s": wall, "cpu_s": cpu, "per_s": asked.count / wall, "calls_a_turn": asked.count / turns}
    print(json.dumps({"count": asked.count, **result, "peak_kib": peak_kib(), "load": load()}))


if __name__ == "__main__":
    main()
