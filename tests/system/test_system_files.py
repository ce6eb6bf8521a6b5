"""Thousands of small files at once, as who moves here from call files drops them: each taken once, dialled once."""

import os
import signal
import sqlite3
import time
import tomllib
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from audit import instant
from needs import cannot
from place import CALLER_ID, Place, number, people, settings, until

pytestmark = pytest.mark.system

OWN_ID = "+447111999002"
STEADY = 500_000  # index of the first number of the campaign that is dialled meanwhile
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


def stage(place: Place, count: int) -> list[str]:
    """Write `count` campaign files of one recipient each beside the spool and return their names; every seventh is
    faulty, and every eleventh has its recipient in a file of its own."""
    staged = place.root / "many"
    staged.mkdir()
    names = []
    for index in range(count):
        head = f'{"name" if index % 7 else "nome"} = "c{index}"\nagent = "reminder"\n'
        if index % 11:
            text = head + f'[[recipients]]\nphone = "{number(index)}"\n'
        else:
            (staged / f"c{index}.csv").write_text(f"phone\n{number(index)}\n")
            text = head + f'recipients_file = "c{index}.csv"\n'
        (staged / f"c{index}.toml").write_text(text)
        names.append(f"c{index}.toml")
    return names


def drop_all(place: Place) -> None:
    """Rename everything that is staged into `incoming/`."""
    for entry in os.scandir(place.root / "many"):
        os.rename(entry.path, place.spool / "incoming" / entry.name)


def sound(count: int) -> list[int]:
    """Return the indices of the files that are not faulty."""
    return [index for index in range(count) if index % 7]


def audit_files(place: Place, wanted: list[int]) -> None:
    """Check that the files of these indices were each stored, dialled and reported exactly once, and seen out.

    `audit` compares every campaign with every report, which for thousands of them takes too long.
    """
    names = Counter(row["name"] for row in place.rows("SELECT name FROM campaigns WHERE name LIKE 'c%'"))
    assert names == Counter(f"c{index}" for index in wanted), "each file is one campaign"
    assert place.count("SELECT count(*) FROM campaigns WHERE state <> 'completed'") == 0
    assert place.count("SELECT count(*) FROM spool_files WHERE NOT moved") == 0
    assert place.count("SELECT count(*) FROM attempts WHERE state <> 'ended'") == 0
    assert place.count("SELECT count(*) FROM recipients WHERE state <> 'done' OR final <> 'succeeded'") == 0
    ledger = place.ledger()
    assert len({line["attempt"] for line in ledger}) == len(ledger), "an attempt was placed twice"
    rung = Counter(line["number"] for line in ledger)
    assert {rung[number(index)] for index in wanted} == {1}, "somebody was forgotten, or dialled twice"
    attempts = {row["uid"] for row in place.rows("SELECT uid FROM attempts WHERE NOT refunded")}
    assert attempts == {line["attempt"] for line in ledger}
    reported = Counter()
    for folder in (place.spool / "reports").iterdir():
        summary = tomllib.loads((folder / "summary.toml").read_text())
        reported[summary["name"]] += 1
        assert summary["state"] == "completed"
        assert summary["attempts"]["answered"] == summary["recipients"]["total"] == summary["recipients"]["succeeded"]
    assert {name: times for name, times in reported.items() if name.startswith("c")} == dict(names)
    statuses = [path for path in (place.spool / "accepted").iterdir() if path.name.endswith(".status.toml")]
    states = Counter(tomllib.loads(path.read_text())["state"] for path in statuses)
    assert states == Counter({"completed": place.count("SELECT count(*) FROM spool_files")})


def at_once(place: Place, count: int, patience_s: float) -> None:
    """Drop `count` files while another campaign is dialled at 25 calls a second, and some of them once more after.

    It has a trunk of its own: each file is a campaign with the same right to a line, so that of thousands that share
    lines with it each would get one before its second. What is looked for is that taking files holds nobody up.
    """
    options = {**settings()["trunks"]["sim"]["options"]}
    own = {"provider": "simulator", "max_concurrent": 5, "countries": ["GB"], "options": options}
    place.configure(
        daemon={"max_concurrent": 40},
        trunks={"sim": {"max_concurrent": 20}, "own": own},
        numbers={OWN_ID: {"trunk": "own"}},
        agents={"reminder": {"numbers": [CALLER_ID]}, "steady": {"say": "Hello.", "numbers": [OWN_ID]}},
    )
    place.start()
    names = stage(place, count)
    wanted = sound(count)
    again = {name: (place.root / "many" / name).read_text() for name in names[1:7]}
    steady = {"name": "steady", "agent": "steady", "pacing": {"calls_per_second": 25}}
    place.drop("steady.json", {**steady, "recipients": people(STEADY, 25 * 400)})
    until(lambda: len(place.ledger()) > 10, "the other campaign is dialled")
    began = time.time()
    drop_all(place)
    until(lambda: place.listing("incoming") == set(), f"{count} files leave incoming/", patience_s, 0.05)
    taken = time.time()
    reports = place.spool / "reports"
    until(lambda: len(os.listdir(reports)) >= len(wanted), "every campaign has its report", patience_s, 0.5)
    over = time.time()

    rejected = place.listing("rejected")
    faulty = {f"c{index}.toml" for index in range(0, count, 7)}
    assert {name for name in rejected if name.endswith(".toml")} == faulty
    assert {f"{name}.error.txt" for name in faulty} <= rejected
    told = {entry["file"]: entry for entry in place.logged("spool.file_rejected")}
    assert told.keys() == faulty
    assert all(entry["reason"] and entry["remedy"] for entry in told.values())

    # no line is lost to thousands of campaigns, and none of them keeps another one waiting
    times = sorted(instant(line["at"]) / 1_000 for line in place.ledger() if line["number"] >= number(STEADY))
    meanwhile = [at for at in times if began <= at <= over]
    gaps = [later - earlier for earlier, later in pairwise(meanwhile)]
    assert max(gaps) < 3, f"nobody of the other campaign was dialled for {max(gaps):.1f} s"
    assert len(meanwhile) > (over - began) * 25 / 2, "the other campaign was dialled at less than half its pace"
    assert [at for at in times if began <= at <= taken], "nobody was dialled while files were taken"

    for name, text in again.items():
        place.drop(name, text)
    place.until_in("rejected", *again, *(f"{name}.error.txt" for name in again))
    assert {entry["reason"] for entry in place.logged("spool.file_rejected")[-len(again) :]} == {"taken before"}
    cancel(place)
    audit_files(place, wanted)


def cancel(place: Place) -> None:
    """End the life, and forget the campaign beside: its people were dialled to see that it goes on."""
    assert place.stop() == 0
    with closing(sqlite3.connect(place.root / "state" / "dialerd.db")) as connection, connection:
        (key,) = connection.execute("SELECT id FROM campaigns WHERE name = 'steady'").fetchone()
        for table, column in (("recipients", "campaign_id"), ("spool_files", "campaign_id"), ("campaigns", "id")):
            connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (key,))
    (place.spool / "accepted" / "steady.json.status.toml").unlink()


def test_a_thousand_files_at_once(place):
    """Sound and faulty ones and repeated ones, beside a campaign that is dialled on as if there were none."""
    at_once(place, 1_000, 60)


@pytest.mark.soak
def test_ten_thousand_files_at_once(place):
    """The same with 10,000."""
    at_once(place, 10_000, 300)


@pytest.mark.parametrize("count", [600, pytest.param(10_000, marks=pytest.mark.soak)])
def test_killed_while_many_files_are_taken(place, count):
    """Three times in the middle: every file becomes one campaign, and everybody is dialled once."""
    place.configure()
    place.start()
    stage(place, count)
    drop_all(place)
    wanted = sound(count)
    for part in (0.2, 0.4, 0.7):
        least = int(len(wanted) * part)
        until(
            lambda least=least: place.count("SELECT count(*) FROM spool_files") > least,
            "files are taken",
            every_s=0.002,
        )
        place.kill()
        assert place.count("SELECT count(*) FROM spool_files") < len(wanted), "the kill came too late to show anything"
        place.start()
    reports = place.spool / "reports"
    until(lambda: len(os.listdir(reports)) == len(wanted), "every campaign has its report", 300, 0.2)
    until(lambda: place.listing("incoming") == set(), "every file has left", 60)
    assert place.stop() == 0
    # a call that was on when its daemon died may have been rung; the simulator knows, and nobody is rung again
    audit_files(place, wanted)


def test_more_events_than_the_kernel_keeps(place):
    """The daemon stands still while so much happens in incoming/ that its files' own events are lost: it finds them."""
    if not QUEUE.exists() or (most := int(QUEUE.read_text())) > 50_000:
        cannot("fs.inotify.max_queued_events is too large to be filled; set it to 16384 with sysctl")
    place.configure(spool={"rescan": "2s"})
    place.start()
    place.drop("first.json", {"name": "first", "agent": "reminder", "recipients": people(0, 1)})
    place.until_in("accepted", "first.json")
    time.sleep(0.5)  # it watches
    stage(place, 20)
    place.signal(signal.SIGSTOP)
    path = place.spool / "incoming" / ".busy"
    for _ in range(most):  # two events each at least, of a name that tells the daemon nothing
        path.touch()
        path.unlink()
    drop_all(place)
    place.signal(signal.SIGCONT)
    place.until_in("accepted", *(f"c{index}.toml" for index in sound(20)))
    assert place.stop() == 0
