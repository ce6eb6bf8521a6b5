"""Many small campaign files at once: each is read, stored, moved, dialled and reported by the real daemon.

    python -m bench.files [--count 2000]

Seconds are from the first rename into the spool until the last file has left it, and until the last report is there.
Prints one line of JSON.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from bench.calls import number
from bench.daemon import Daemon
from bench.machine import load, memory_kib, processor_s


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.files")
    parser.add_argument("--count", type=int, default=2_000)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder:
        root = Path(folder).resolve()
        with Daemon(root, open_now=True) as daemon:
            result = measure(daemon, root / "spool", _staged(root, count))
    print(json.dumps({"count": count, **result, "load": load()}))


def _staged(root: Path, count: int) -> Path:
    folder = root / "staged"
    folder.mkdir()
    for index in range(count):
        text = f'name = "c{index}"\nagent = "reminder"\n[[recipients]]\nphone = "{number(index)}"\n'
        (folder / f"c{index}.toml").write_text(text)
    return folder


def measure(daemon: Daemon, spool: Path, staged: Path) -> dict[str, float]:
    """Drop every file of a folder and return how long it takes until all is done with."""
    names = os.listdir(staged)
    cpu, began = processor_s(daemon.process.pid), time.perf_counter()
    for name in names:
        (staged / name).rename(spool / "incoming" / name)
    daemon.until(lambda: not os.listdir(spool / "incoming"), 0.1)
    taken_s = time.perf_counter() - began
    daemon.until(lambda: len(os.listdir(spool / "reports")) == len(names), 0.1)
    reported_s = time.perf_counter() - began
    cpu_s, kib = processor_s(daemon.process.pid) - cpu, memory_kib(daemon.process.pid, "VmHWM")
    daemon.end()
    return {"taken_s": taken_s, "reported_s": reported_s, "cpu_s": cpu_s, "peak_kib": kib}


if __name__ == "__main__":
    main()
