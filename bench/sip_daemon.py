"""The real daemon with a campaign over a SIP trunk, from the first call to the last durable outcome.

    python -m bench.sip_daemon [--count 20000] [--lines 100] [--digest]

The far end is sipp on the machine's other core, as in `bench.sip`; the daemon, the threads of its store and its media
process share one core. The list is taken first, and dialled by a second start. Prints one line of JSON.
"""

import argparse
import json
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from bench.daemon import Daemon, settings, take
from bench.machine import children_s, load, memory_kib, processor_s
from bench.sip import options, sound
from bench.sip_far import FarEnd, cores, far_end, taken_s

_CALL: Final = re.compile(rb'"event":"call\.ended".*?\n')
_ANSWERED: Final = b'"outcome":"answered"'


def own(far: FarEnd, folder: Path, lines: int) -> dict[str, Any]:
    """Return settings of a daemon with one trunk to a far end."""
    trunk: dict[str, Any] = {
        "provider": "sip",
        "max_concurrent": lines,
        "countries": ["GB"],
        "options": options(far, folder),
    }
    trunk["options"] |= {"options_interval": "0s", "silence_timeout": "0s", "answer_timeout": "2s"}
    return {
        "daemon": settings(folder, open_now=True)["daemon"] | {"max_concurrent": lines},
        "trunks": {"sip": trunk},
        "numbers": {"+447111999001": {"trunk": "sip"}},
        "agents": {"reminder": {"play": str(sound(folder).play)}},
    }


def dial(root: Path, count: int, tables: dict[str, Any], far: FarEnd) -> dict[str, Any]:
    """Take a list, dial it, and return what the dialling took."""
    with Daemon(root, open_now=False, own=tables) as daemon:
        take(daemon, root, count, {})
        daemon.end()
    with Daemon(root, open_now=True, own=tables) as daemon:
        pid, log = daemon.process.pid, daemon.log
        wall, cpu, children_cpu, far_s = time.perf_counter(), processor_s(pid), children_s(pid), taken_s(far)
        daemon.until(lambda: b'"event":"campaign.completed"' in log.read_bytes()[-20_000:], 0.05)
        found = {
            "wall_s": time.perf_counter() - wall,
            "cpu_s": processor_s(pid) - cpu,
            "media_cpu_s": children_s(pid) - children_cpu,
            "far_cpu_s": taken_s(far) - far_s,
            "daemon_kib": memory_kib(pid, "VmHWM"),
        }
        ended = _CALL.findall(log.read_bytes())
        daemon.end()
    answered = sum(_ANSWERED in line for line in ended)
    return found | {"count": count, "ended": len(ended), "failed": count - answered, "per_s": count / found["wall_s"]}


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.sip_daemon")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--lines", type=int, default=100)
    parser.add_argument("--digest", action="store_true", help="each call is challenged")
    asked = parser.parse_args()
    ours, others = cores()
    with (
        far_end("challenge" if asked.digest else "answer", others) as far,
        tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder,
    ):
        os.sched_setaffinity(0, {ours})
        root = Path(folder).resolve()
        print(json.dumps(dial(root, asked.count, own(far, root, asked.lines), far) | {"load": load()}))


if __name__ == "__main__":
    main()
