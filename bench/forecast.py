"""A forecast: `dialerd plan` of a campaign of 10,000 people that takes ten days.

    python -m bench.forecast [--count 10000]

The seconds are those of the whole command, interpreter's start included. Prints one line of JSON.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tomli_w

from bench.calls import number
from bench.machine import load

_DAYS = 10


def main() -> None:
    """Run as asked and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.forecast")
    parser.add_argument("--count", type=int, default=10_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as folder:
        root = Path(folder).resolve()
        config = root / "dialerd.toml"
        config.write_text(tomli_w.dumps(_settings(root)))
        campaign = {
            "name": "ten days",
            "agent": "reminder",
            "timezone": "Europe/London",
            "windows": [{"start": "09:00", "end": "17:00"}],
            "pacing": {"calls_per_day": asked.count // _DAYS},
            "retry": {"max_attempts": 2, "delay": "30m"},
            "recipients": [{"phone": number(index)} for index in range(asked.count)],
        }
        file = root / "campaign.json"
        file.write_text(json.dumps(campaign))
        began = time.perf_counter()
        plan: list[str | Path] = [
            sys.executable,
            "-c",
            "from dialerd.daemon.main import main; main()",
            "plan",
            file,
            "--json",
        ]
        ended = subprocess.run(
            [*plan, "--from", "2027-06-01", "--config", config], capture_output=True, text=True, check=True
        )
        wall = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    forecast = json.loads(ended.stdout)
    result = {"count": asked.count, "wall_s": wall, "cpu_s": used.ru_utime + used.ru_stime, "peak_kib": used.ru_maxrss}
    print(json.dumps({**result, "end_at": forecast.get("end_at") or forecast.get("ends_at"), "load": load()}))


def _settings(root: Path) -> dict[str, object]:
    return {
        "daemon": {
            "state_dir": str(root / "state"),
            "spool_dir": str(root / "spool"),
            "socket": str(root / "dialerd.sock"),
            "timezone": "Europe/London",
            "default_region": "GB",
        },
        "trunks": {"sim": {"provider": "simulator", "max_concurrent": 30, "countries": ["GB"]}},
        "numbers": {"+447111999001": {"trunk": "sim"}},
        "agents": {"reminder": {"say": "Hello."}},
    }


if __name__ == "__main__":
    main()
