"""Full disks: calls go on, nobody new is rung while nobody can remember it, and it all comes right by itself."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

import pytest
from disks import fill, finish, needs_mount, now_at, refused, tmpfs, told, until_at_rest
from place import Place, people, rows, until

pytestmark = [pytest.mark.system, needs_mount]

LINES = 20
ONCE = {"max_attempts": 1}


def configure(place: Place, lines: int = LINES, talk_time: str = "150ms") -> None:
    """Write settings for calls of that length on so many lines."""
    trunk = {"max_concurrent": lines, "options": {"talk_time": talk_time}}
    place.configure(daemon={"max_concurrent": lines}, trunks={"sim": trunk})


def drop(place: Place, name: str, first: int, count: int) -> None:
    """Drop a campaign that rings everybody once."""
    place.drop(f"{name}.json", {"name": name, "agent": "reminder", "retry": ONCE, "recipients": people(first, count)})


@contextmanager
def full_while_calls_are_up(place: Place, count: int) -> Iterator[tuple[Path, Path]]:
    """Ring so many people from a state directory of its own that fills up meanwhile; yield it and what fills it."""
    configure(place)
    with tmpfs(place.root / "state", 8) as disk:
        place.start()
        drop(place, "c", 0, count)
        until(lambda: len(place.ledger()) > 2 * LINES, "calls are up")
        yield disk, fill(disk)


def test_full_while_calls_are_up(place):
    """Outcomes wait in memory, nobody new is dialled; with room again they are stored and all lines are used."""
    with full_while_calls_are_up(place, 600) as (disk, filler):
        trouble = place.until_logged("store.failed")
        assert "free space on the disk of the database" in trouble["remedy"]
        assert str(disk / "dialerd.db") in trouble["error"]
        dialled = until_at_rest(place)
        assert dialled < 600, "it was over before the disk was full, so that this shows nothing"
        told(place, "store.failed", "store.turn_failed")
        filler.unlink()
        since_at = now_at()
        place.until_logged("store.recovered")
        finish(place, "c", count=600, lines=LINES, since_at=since_at)


@pytest.mark.parametrize("twice", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_a_stop_on_a_full_disk(place, twice):
    """It says how many ends are not stored, and comes to an end all the same; the next life asks about them."""
    with full_while_calls_are_up(place, 600) as (_, filler):
        place.until_logged("store.failed")
        until_at_rest(place)
        place.signal(signal.SIGTERM)  # with a drain time of five minutes, of which calls that are over need nothing
        awaited = place.until_logged("stop.store_awaited", 20)
        assert 0 < awaited["ends"] <= LINES
        if twice:
            place.signal(signal.SIGTERM)
        assert place.process is not None
        assert place.process.wait(10 if twice else 40) == 1
        assert place.logged("stop.gave_up")[0]["ends"] == awaited["ends"]
        assert place.log()[-1]["event"] == "daemon.stopped"
        assert not place.logged("drain.gave_up")
        assert not place.logged("drain.hanging_up")
        told(place)
        filler.unlink()
        since_at = now_at()
        place.start()
        finish(place, "c", count=600, lines=LINES, since_at=since_at)


@pytest.mark.soak
def test_full_while_calls_are_up_and_then_killed(place):
    """Outcomes that were never stored are asked of the carrier by the next life; nobody is dialled twice."""
    with full_while_calls_are_up(place, 300) as (_, filler):
        place.until_logged("store.failed")
        until_at_rest(place)
        place.kill()
        assert place.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL") > 0
        filler.unlink()
        since_at = now_at()
        place.start()
        finish(place, "c", count=300, lines=LINES, since_at=since_at)


def test_full_while_a_campaign_is_stored(place):
    """The file waits in incoming/; what was stored of it is taken away, and it is taken once when there is room."""
    configure(place, talk_time="10ms")
    with tmpfs(place.root / "state", 16) as disk:
        place.start()
        filler = fill(disk)
        os.truncate(filler, filler.stat().st_size - (1 << 20))  # room for a part of what comes
        place.drop("big.csv", rows(0, 20_000))
        place.drop("big.json", {"name": "big", "agent": "reminder", "retry": ONCE, "recipients_file": "big.csv"})
        deferred = place.until_logged("spool.file_deferred")
        assert "free space on the disk of the database" in deferred["error"]
        sleep(3.5)  # it is tried again, twice
        assert place.listing("incoming") == {"big.json", "big.csv"}
        assert not place.ledger()
        told(place)
        filler.unlink()
        place.until_in("accepted", "big.json", "big.csv")
        assert place.count("SELECT count(*) FROM campaigns") == 1, "what was stored of the first tries is left"
        assert place.count("SELECT count(*) FROM recipients") == 20_000
        until(lambda: len(place.ledger()) > 200, "it is dialled")
        assert place.stop() == 0


def test_full_while_a_report_is_written(place):
    """The campaign ends as ever; its report is written when there is room."""
    configure(place)
    with tmpfs(place.spool, 2) as disk:
        place.start()
        drop(place, "c", 0, 100)
        place.until_in("accepted", "c.json")
        filler = fill(disk)
        deferred = place.until_logged("report.deferred")
        assert "No space left" in deferred["error"]
        assert "free space, inodes or quota on the disk of" in deferred["remedy"]
        assert place.count("SELECT count(*) FROM campaigns WHERE state = 'completed'") == 1
        sleep(1.5)  # it is tried again
        told(place, "spool.status_deferred")
        assert not place.reports()
        filler.unlink()
        finish(place, "c", count=100, lines=LINES, since_at=0)


def test_full_at_the_start(place):
    """It comes up or says in a sentence why not; with room it goes on where it was."""
    configure(place)
    with tmpfs(place.root / "state", 8) as disk:
        filler = fill(disk)
        said = refused(place)
        assert "disk of the database" in said
        assert "free space" in said
        filler.unlink()
        place.start()
        drop(place, "c", 0, 200)
        until(lambda: len(place.ledger()) > LINES, "calls are up")
        place.kill()
        filler = fill(disk)
        place.start(wait=False)
        until(lambda: not place.alive() or place.logged("daemon.started"), "it came up or gave up")
        assert "Traceback" not in place.log_path().read_text()
        filler.unlink()
        if not place.alive():
            place.start()
        finish(place, "c", count=200, lines=LINES, since_at=0)


def test_gone_and_no_room_for_a_copy(place):
    """The database was deleted to make room: the next start does not begin anew with nobody known."""
    configure(place)
    with tmpfs(place.root / "state", 8) as disk:
        place.start()
        drop(place, "c", 0, 400)
        until(lambda: len(place.ledger()) > 2 * LINES, "calls are up")
        filler = fill(disk)  # first: a turn that finds the file gone while there is room makes the copy
        (disk / "dialerd.db").unlink()
        sleep(1)
        os.truncate(filler, filler.stat().st_size - (120 << 10))  # for a commit, not for the copy
        assert place.process is not None
        assert place.process.wait(30) == 1
        assert "could not be copied" in place.log_path().read_text()
        filler.unlink()
        said = refused(place)
        assert "dialerd.db is missing, and was there before" in said
        assert "restore a backup" in said
        assert not (disk / "dialerd.db").exists()


def test_a_small_disk_is_not_filled_by_the_log(place):
    """Many small turns write more than the disk holds; the log of them begins anew in time."""
    configure(place, lines=1, talk_time="0ms")
    with tmpfs(place.root / "state", 8):
        place.start()
        drop(place, "c", 0, 600)
        finish(place, "c", count=600, lines=1, since_at=0)
        assert not told(place)
