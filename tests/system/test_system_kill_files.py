"""The daemon, or the process that reads files for it, is killed while files are written: what can be seen is whole."""

import os
import signal
import tomllib
from pathlib import Path
from random import Random
from time import sleep

import pytest
from audit import audit
from place import Place, people, rows, until

pytestmark = pytest.mark.system


def reading(place: Place) -> int:
    """Return the process that reads files for the daemon, or 0 while there is none."""
    place.note_children()
    for pid in place.children:
        try:
            if b"dialerd.intake.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        except FileNotFoundError:
            continue
    return 0


def test_the_reading_process_is_killed(place):
    """In the middle of a file: that is said, nothing half is seen, and the file is read once more, whole."""
    count = 60_000
    place.start()
    place.drop("large.csv", rows(0, count))
    later = {"start": "2099-01-01T09:00:00Z", "recipients_file": "large.csv"}
    place.drop("large.json", {"name": "large", "agent": "reminder", **later})
    until(lambda: place.count("SELECT count(*) FROM recipients") > count // 10, "rows are stored", every_s=0.005)
    os.kill(reading(place), signal.SIGKILL)
    told = place.until_logged("spool.file_deferred")
    assert "reading process" in told["error"]
    assert place.count("SELECT count(*) FROM campaigns WHERE state <> 'loading'") == 0, "seen before it was whole"
    place.until_in("accepted", "large.csv", "large.json")
    assert place.stop() == 0
    assert place.count("SELECT count(*) FROM campaigns") == 1
    assert place.count("SELECT count(DISTINCT number) FROM recipients") == count
    assert place.count("SELECT recipients FROM totals") == count


def whole_reports(place: Place) -> int:
    """Check that every report and status file that can be seen is whole; return how many reports there are."""
    folders = [folder for folder in (place.spool / "reports").iterdir() if not folder.name.startswith(".")]
    for folder in folders:
        summary = tomllib.loads((folder / "summary.toml").read_text())
        calls = (folder / "calls.csv").read_bytes()
        assert calls.endswith(b"\n")
        positions = {line.split(b",")[0] for line in calls.splitlines()[1:]}  # a refunded attempt has a row too
        assert len(positions) == summary["recipients"]["total"] == 3, folder
    for path in (place.spool / "accepted").glob("[!.]*.status.toml"):
        status = tomllib.loads(path.read_text())
        assert status["recipients"]["total"] == 3, path
    return len(folders)


def test_killed_while_reports_and_status_files_are_written(place):
    """Campaigns end all the time, and four kills come between: no report or status file is ever half."""
    random = Random(3)
    count = 120
    place.configure(
        spool={"status_every": "100ms"},
        daemon={"max_concurrent": 2},
        trunks={"sim": {"options": {"talk_time": "30ms"}}},
    )
    place.start()
    names = [f"c{index}" for index in range(count)]
    for index, name in enumerate(names):
        place.drop(f"{name}.json", {"name": name, "agent": "reminder", "recipients": people(3 * index, 3)})
    owed = unfinished = 0
    due = "SELECT count(*) FROM campaigns WHERE ended_at IS NOT NULL AND reported_at IS NULL"
    for kill in range(4):
        before = whole_reports(place)
        until(lambda before=before: len(os.listdir(place.spool / "reports")) > before + 2, "reports are written",
              every_s=0.001)  # fmt: skip
        if kill % 2:
            sleep(random.uniform(0, 0.02))
        else:
            until(lambda: place.count(due), "a report is due", every_s=0.0005)
        place.kill()
        assert whole_reports(place) < count, "all was reported before the last kill, so that this shows nothing"
        owed += place.count(due)
        unfinished += len([name for name in os.listdir(place.spool / "reports") if name.startswith(".")])
        place.start()
    assert owed, "no kill came between a campaign's end and its report, so that this shows nothing"
    place.until_reported(*names)
    until(
        lambda: place.count("SELECT count(*) FROM campaigns WHERE reported_at IS NULL") == 0, "every report is marked"
    )
    assert place.stop() == 0
    assert len(place.reports()) == whole_reports(place) == count, "a campaign has two reports"
    audit(place, max_attempts=1)
    left = [name for name in os.listdir(place.spool / "reports") if name.startswith(".")]
    assert left == [], f"{unfinished} half reports were left by kills, and not cleared away"
