"""`dialerctl` as people and scripts run it, against the running daemon, and over a kill of it."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from place import Place, people, rows, until

pytestmark = pytest.mark.system

COMMAND = Path(sys.executable).parent / "dialerctl"
COUNT = 300
UIDS = """SELECT attempts.uid FROM attempts JOIN campaigns ON campaigns.id = campaign_id
    WHERE name = 'watched' AND attempts.ended_at IS NOT NULL"""
ENDED = UIDS.replace("attempts.uid", "count(*)")

_probes = iter(range(901, 999))


def line(place: Place, *arguments: str | Path) -> list[str]:
    """Return a command line at the place's daemon."""
    program = (
        [str(COMMAND)] if COMMAND.exists() else [sys.executable, "-c", "from dialerd.cli.main import main; main()"]
    )
    return [*program, "--socket", str(place.root / "dialerd.sock"), *map(str, arguments)]


def run(place: Place, *arguments: str | Path, code: int = 0) -> str:
    """Run a command, check its exit code, and return what it prints."""
    done = subprocess.run(line(place, *arguments), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, (arguments, done.stdout, done.stderr)
    assert bool(done.stderr) == bool(code), done.stderr
    return done.stdout if code == 0 else done.stderr


def asked(place: Place, *arguments: str | Path) -> Any:
    """Run a command for scripts and return its plain data."""
    return json.loads(run(place, "--json", *arguments))


def test_a_campaign(place):
    """From a file with its recipients' file beside it to its export; each fault has its exit code."""
    place.start()
    order = place.root / "spring.toml"
    order.write_text('name = "spring"\nagent = "reminder"\nrecipients_file = "people.csv"\n')
    (place.root / "people.csv").write_bytes(rows(0, 30))
    asked(place, "suppress", "add", "+447111000029", "--reason", "asked")
    made = asked(place, "campaign", "create", order)
    campaign = made["campaign"]["id"]
    assert made["recipients"]["added"] == 30
    place.until_reported("spring")
    shown = asked(place, "campaign", "show", "spring")
    assert (shown["id"], shown["state"], shown["counters"]["done"]["suppressed"]) == (campaign, "completed", 1)
    assert "spring" in run(place, "campaign", "list")
    assert "no campaign" in run(place, "campaign", "show", "summer", code=3).lower()
    run(place, "campaign", "pause", "spring", code=4)
    run(place, "campaign", "pause", code=2)
    exported = run(place, "campaign", "export", "spring")
    assert len(exported.splitlines()) == 31
    run(place, "campaign", "delete", "spring")
    assert asked(place, "campaign", "list") == []
    assert place.stop() == 0
    assert "dialerd.sock" in run(place, "status", code=5)


def test_a_command_again(place):
    """With a key nothing is made twice: not after it was done, not after its end, not after it was refused."""
    place.start()
    order = place.root / "spring.toml"
    order.write_text('name = "spring"\nagent = "reminder"\nrecipients_file = "people.csv"\n')
    listed = place.root / "people.csv"
    listed.write_bytes(rows(0, 20) + b"+44711100000,Bob,short\n")
    again = ("campaign", "create", order, "--start", "--key", "spring 1")
    assert "line 22" in run(place, *again, code=1)
    assert "line 22" in run(place, *again, code=1)
    listed.write_bytes(rows(0, 20))
    made = asked(place, *again)
    place.until_reported("spring")
    repeated = asked(place, *again)
    assert repeated["campaign"]["id"] == made["campaign"]["id"]
    assert repeated["recipients"] == made["recipients"]
    assert repeated["campaign"]["state"] == "completed"
    listed.write_bytes(rows(0, 21))
    assert "was used for another request" in run(place, *again, code=1)
    (there,) = asked(place, "campaign", "list")
    assert (there["counters"]["total"], there["counters"]["calls"]) == (20, 20)
    assert place.stop() == 0


@pytest.fixture
def follower(place: Place, tmp_path: Path) -> Iterator[Path]:
    """A daemon, and `dialerctl events --follow` writing into the file that is given."""
    options = {"ring_time": "0ms", "talk_time": "50ms"}
    place.configure(trunks={"sim": {"options": options}})
    place.start()
    printed = tmp_path / "events.jsonl"
    with printed.open("wb") as out:
        process = subprocess.Popen(
            line(place, "--json", "events", "--follow"),
            stdout=out,
            stderr=subprocess.DEVNULL,  # where it says that it waits
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        yield printed
        process.send_signal(signal.SIGINT)
        process.wait(60)


def test_events_over_kills(place, follower):
    """Nothing is missed and nothing comes twice, though the daemon is killed twice in the midst of its calls."""
    until(lambda: events(follower) or probed(place), "the follower is there", every_s=0.5)
    document = {
        "name": "watched",
        "agent": "reminder",
        "pacing": {"calls_per_second": 100},
        "recipients": people(0, COUNT),
    }
    place.drop("watched.json", document)
    for share in (COUNT // 5, COUNT // 2):
        until(lambda share=share: place.count(ENDED) >= share, "some calls have ended")
        place.kill()
        place.start()
    place.until_reported("watched")
    ended = {row["uid"] for row in place.rows(UIDS)}
    assert len(ended) >= COUNT
    until(lambda: len(told(follower)) >= len(ended), "every end was told", 20)
    assert Counter(told(follower)) == Counter(ended)
    ids = [int(event["id"]) for event in events(follower)]
    assert ids == sorted(set(ids))
    assert place.stop() == 0


def probed(place: Place) -> bool:
    """Have another campaign, as nobody followed yet when the last one ended."""
    index = next(_probes)
    place.drop(f"probe{index}.json", {"name": f"probe {index}", "agent": "reminder", "recipients": people(index, 1)})
    return False


def events(printed: Path) -> list[Any]:
    """Return the events that were printed, by whole lines."""
    return [json.loads(one) for one in printed.read_text().splitlines(keepends=True) if one.endswith("\n")]


def told(printed: Path) -> list[str]:
    """Return the calls of the campaign whose end was printed, as often as it was."""
    return [
        event["data"]["call_id"]
        for event in events(printed)
        if event["kind"] == "call.ended" and event["data"]["campaign"] == "watched"
    ]
