"""`dialerd demo`, as `make demo` runs it: it ends by itself, well, and leaves reports that add up."""

import csv
import re
import shutil
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from place import command

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]


def test_the_demonstration(tmp_path):
    """Exit 0, the place of the reports on the screen, a report for each sample that adds up; and the same again."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    samples = [path for path in (ROOT / "config" / "campaigns").iterdir() if path.suffix in (".toml", ".json")]
    for _ in range(2):
        demo = subprocess.run(command("demo"), cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert demo.returncode == 0, demo.stdout + demo.stderr
        assert "Traceback" not in demo.stderr
        assert re.search(r"demo-state/spool/reports", re.sub(r"\s+", "", demo.stdout)), demo.stdout
        reports = list((tmp_path / "demo-state" / "spool" / "reports").glob("*/summary.toml"))
        assert len(reports) == len(samples)
        assert sum(adds_up(path.parent) for path in reports) >= 200


def adds_up(folder: Path) -> int:
    """Check a report, its summary against itself and against its calls, and return how many people it is about."""
    summary = tomllib.loads((folder / "summary.toml").read_text())
    with (folder / "calls.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    recipients, attempts = summary["recipients"], summary["attempts"]
    assert summary["state"] == "completed"
    finals = {row["number"]: row["final"] for row in rows}
    assert len(finals) == recipients["total"]
    assert sum(count for key, count in recipients.items() if key not in ("total", "undialed")) == recipients["total"]
    assert Counter(finals.values()) == Counter({k: recipients[k] for k in recipients if k in finals.values()})
    counted = [row["outcome"] for row in rows if row["refunded"] == "false"]
    assert len(counted) == attempts["total"]
    assert sum(count for key, count in attempts.items() if key not in ("total", "refunded")) == attempts["total"]
    assert Counter(counted) == Counter({k: attempts[k] for k in attempts if k in counted})
    assert len(rows) == attempts["total"] + attempts["refunded"] + recipients["undialed"]
    return int(recipients["total"])
