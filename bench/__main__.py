"""Runs every measurement in a process of its own, prints them as they come, and writes `bench/RESULTS.md`.

    python -m bench [--quick] [--only calls,intake,…] [--output FILE]

`--quick` takes a tenth of everything, once, to see that it works. Runs of what is compared alternate, so that a machine
that grows slower or faster meanwhile does so for both.
"""

import argparse
import inspect
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import FIGURES
from bench.machine import machine, versions
from bench.table import table

RESULTS = Path(__file__).parent / "RESULTS.md"

_INTRODUCTION = """# What was measured

Written by `make bench`; not edited. Where there are several runs, the median stands first and the least and the most
in brackets. The load is the machine's average over the last minute at the end of each run, the run itself included.
The database is a file, with SQLite's WAL and `synchronous=FULL`; a call is counted when its outcome is durable. The
simulator answers every call at once and takes no time of its own. Processor time is that of all threads, user and
system; it is steadier than wall time. Goals are given as what is to be reached, and what is aimed at.
"""


def main() -> None:
    """Measure what is asked for, print it, and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, once; writes no table")
    parser.add_argument("--only", default=",".join(FIGURES), help="some of " + ", ".join(FIGURES))
    parser.add_argument("--output", type=Path, help=f"where the tables go [default: {RESULTS.name}, when all is run]")
    asked = parser.parse_args()
    chosen = asked.only.split(",")
    if unknown := set(chosen) - set(FIGURES):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    began = time.monotonic()
    head = [f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", machine(), versions()]
    print("\n".join(head), flush=True)
    sections = ["\n".join(f"- {line}" for line in head)]
    for name in chosen:
        title, _, text = (inspect.getdoc(FIGURES[name]) or name).partition("\n\n")
        found = table(FIGURES[name].rows(10 if asked.quick else 1))
        print(f"\n{title}\n{found}", flush=True)
        sections.append("\n\n".join(filter(None, (f"## {title.rstrip('.')}", text, found))))
    print(f"\ntook {time.monotonic() - began:.0f} s", flush=True)
    output = asked.output or (RESULTS if set(chosen) == set(FIGURES) and not asked.quick else None)
    if output is not None:
        output.write_text("\n\n".join([_INTRODUCTION.rstrip(), *sections]) + "\n")
        print(f"written to {output}", flush=True)


if __name__ == "__main__":
    main()
