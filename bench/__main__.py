"""Runs every measurement in a process of its own, prints them as they come, and writes `bench/RESULTS.md`.

    python -m bench [--quick] [--only calls,intake,…] [--output FILE]

`--quick` takes a tenth of everything, to see that it works. Runs of what is compared alternate, so that a machine that
grows slower or faster meanwhile does so for both.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import load, machine, versions
from bench.table import Row, spread, table

RESULTS = Path(__file__).parent / "RESULTS.md"
_LIMIT_S = 900

Result = dict[str, Any]


def measure(module: str, *arguments: object) -> Result:
    """Run a measurement in a process of its own and return its result."""
    command = [sys.executable, "-m", f"bench.{module}", *map(str, arguments)]
    print(f"  load {load():>4}  {module} {' '.join(map(str, arguments))}", file=sys.stderr, flush=True)
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=_LIMIT_S)
    result: Result = json.loads(ended.stdout.splitlines()[-1])
    return result


def calls(scale: int) -> list[Row]:
    """Calls a second without hold, beside the bare loop, with and without the daemon's log."""
    count, log = 100_000 // scale, Path("bench-calls.log")
    found: dict[str, list[Result]] = {"bare": [], "silent": [], "logged": []}
    try:
        for _ in range(3):
            found["bare"].append(measure("bare", "--count", count))
            found["silent"].append(measure("calls", "--count", count))
            found["logged"].append(measure("calls", "--count", count, "--log", log))
    finally:
        log.unlink(missing_ok=True)
    ratio = [bare["wall_s"] / logged["wall_s"] for bare, logged in zip(found["bare"], found["logged"], strict=True)]
    return [
        *_calls(
            f"calls/s, {count:,} recipients, no hold, 500 lines, JSON log to a file as the daemon", found["logged"]
        ),
        *_calls("the same, no log", found["silent"]),
        *_calls("the same, bare loop of trio and SQLite (the floor)", found["bare"]),
        Row("speed with the log, as a share of the bare loop's", spread(ratio, "{:.2f}"), ""),
    ]


def hold(scale: int) -> list[Row]:
    """Calls a second when each holds its line for a while, and memory for each call in progress."""
    count = 100_000 // scale
    short = [measure("calls", "--count", count, "--hold-ms", 20) for _ in range(2)]
    bare = [measure("bare", "--count", count, "--hold-ms", 20) for _ in range(2)]
    lines = 5_000 // scale
    long = measure("calls", "--count", 5 * lines, "--hold-ms", 2_000, "--lines", lines)
    per_call = (long["rss_most_kib"] - long["rss_before_kib"]) / max(1, long["most_calls"])
    return [
        *_calls(f"calls/s, {count:,} recipients, 20 ms hold, 500 lines (at most 25,000/s), no log", short),
        *_calls("the same, bare loop", bare),
        *_calls(f"calls/s, {5 * lines:,} recipients, 2 s hold, {lines:,} lines (at most {lines // 2:,}/s)", [long]),
        Row(f"memory for each of {long['most_calls']:,} calls in progress", f"{per_call:.1f} KiB", long["load"]),
    ]


def sizes(scale: int) -> list[Row]:
    """Calls a second by the size of the campaign."""
    rows = []
    for count in (10_000 // scale, 1_000_000 // scale):
        result = measure("calls", "--count", count)
        rows += _calls(f"calls/s, {count:,} recipients, no hold, 500 lines, no log", [result])
        grown = f"{(result['rss_most_kib'] - result['rss_before_kib']) / 1024:.0f} MiB"
        rows.append(Row("memory that dialling them added", grown, result["load"]))
    return rows


def intake(scale: int) -> list[Row]:
    """Rows a second into the store, memory, and the restart with all of them queued."""
    result = measure("daemon", "--count", 1_000_000 // scale)
    taken, again = result["intake"], result["restart"]
    rows = f"{taken['rows']:,} rows ({taken['mib']:.0f} MiB of CSV)"
    return [
        Row(f"intake, rows/s, {rows}", f"{taken['per_s']:,.0f}", taken["load"], _cpu(taken["daemon_cpu_s"], taken)),
        Row("memory of the daemon before, and most", _mib(taken["daemon_before_kib"], taken["daemon_peak_kib"]), ""),
        Row("memory of the reading process, most", _mib(taken["worker_peak_kib"]), ""),
        Row("database on the disk", f"{taken['database_mib']:.0f} MiB", ""),
        Row(f"restart with {taken['rows']:,} queued: until it dials", f"{again['started_s']:.2f} s", again["load"]),
        Row("until the first call has left", f"{again['first_call_s']:.2f} s", again["load"]),
        Row("processor while all of them wait for their hours", f"{again['idle_share']:.1%} of a core", again["load"]),
        Row("memory while they wait, and while dialling", _mib(again["idle_kib"], again["dialling_kib"]), ""),
    ]


def files(scale: int) -> list[Row]:
    """Small files a second, into the store and to the report."""
    found = measure("files", "--count", 2_000 // scale)
    count = found["count"]
    notes = f"{found['cpu_s'] / count * 1e3:.1f} ms of the daemon's processor a file; {_mib(found['peak_kib'])} at most"
    return [
        Row(
            f"files/s, {count:,} files of one recipient dropped at once",
            f"{count / found['taken_s']:.0f}",
            found["load"],
        ),
        Row("until each of them is dialled and has its report", f"{found['reported_s']:.1f} s", found["load"], notes),
    ]


def forecast(scale: int) -> list[Row]:
    """Seconds of a forecast."""
    count = 10_000 // scale
    found = [measure("forecast", "--count", count) for _ in range(3)]
    seconds = spread([result["wall_s"] for result in found], "{:.1f} s")
    memory = _mib(max(result["peak_kib"] for result in found))
    return [
        Row(f"dialerd plan, {count:,} recipients over ten days", seconds, found[-1]["load"]),
        Row("its memory, most", memory, ""),
    ]


FIGURES: dict[str, Callable[[int], list[Row]]] = {
    "calls": calls,
    "hold": hold,
    "intake": intake,
    "files": files,
    "sizes": sizes,
    "forecast": forecast,
}


def _calls(what: str, results: list[Result]) -> list[Row]:
    count = results[0]["count"]
    cpu = spread([result["cpu_s"] / count * 1e6 for result in results], "{:.0f}")
    wall = spread([result["wall_s"] / count * 1e6 for result in results], "{:.0f}")
    peak = max(result["peak_kib"] for result in results) / 1024
    turn = sum(result["calls_a_turn"] for result in results) / len(results)
    notes = f"{wall} µs wall and {cpu} µs processor a call; {turn:.0f} calls a commit; {peak:.0f} MiB at most"
    loads = " ".join(result["load"] for result in results)
    return [Row(what, spread([result["per_s"] for result in results], "{:,.0f}"), loads, notes)]


def _cpu(seconds: float, taken: Result) -> str:
    return f"{taken['wall_s']:.1f} s; {seconds / taken['rows'] * 1e6:.0f} µs of the daemon's processor a row"


def _mib(*kib: int) -> str:
    return ", ".join(f"{figure / 1024:.0f} MiB" for figure in kib)


def main() -> None:
    """Measure what is asked for, print it, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything; writes no table")
    parser.add_argument("--only", default=",".join(FIGURES), help="some of " + ", ".join(FIGURES))
    parser.add_argument("--output", type=Path, help=f"where the table goes [default: {RESULTS.name}, when all is run]")
    asked = parser.parse_args()
    chosen = asked.only.split(",")
    if unknown := set(chosen) - set(FIGURES):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    began = time.monotonic()
    head = [f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", machine(), versions()]
    print("\n".join(head), flush=True)
    rows: list[Row] = []
    for name in chosen:
        found = FIGURES[name](10 if asked.quick else 1)
        print(f"\n{table(found)}", flush=True)
        rows += found
    print(f"\ntook {time.monotonic() - began:.0f} s", flush=True)
    output = asked.output or (RESULTS if set(chosen) == set(FIGURES) and not asked.quick else None)
    if output is not None:
        listed = "\n".join(f"- {line}" for line in head)
        output.write_text(f"{_INTRODUCTION}\n{listed}\n\n{table(rows)}\n")
        print(f"written to {output}", flush=True)


_INTRODUCTION = """# What was measured

Written by `make bench`; not edited. Where there are several runs, the median stands first and the least and the most
in brackets. The load is the machine's average over the last minute, at the end of each run, the run itself included.
The database is a file, with SQLite's WAL and `synchronous=FULL`; a call is counted when its outcome is durable. The
simulator answers every call at once and takes no time of its own.
"""

if __name__ == "__main__":
    main()
