"""Databases that are damaged, deleted or replaced: nobody is dialled by what is left, and the way out is said."""

import os
import shutil
from random import Random

import pytest
from disks import finish, now_at, refused, told, until_at_rest
from place import Place, people, rows, until

pytestmark = pytest.mark.system

LINES = 20
ONCE = {"max_attempts": 1}
PAGE = 4096


def configure(place: Place, talk_time: str = "150ms") -> None:
    """Write settings for calls of that length."""
    trunk = {"max_concurrent": LINES, "options": {"talk_time": talk_time}}
    place.configure(daemon={"max_concurrent": LINES}, trunks={"sim": trunk})


def drop(place: Place, count: int) -> None:
    """Drop a campaign that rings everybody once."""
    place.drop("c.json", {"name": "c", "agent": "reminder", "retry": ONCE, "recipients": people(0, count)})


def until_ended(place: Place) -> str:
    """Wait until the life ends by itself, as failed, and return what it said."""
    assert place.process is not None
    assert place.process.wait(60) == 1
    said = place.log_path().read_text()
    assert "Traceback" not in said, said
    return said


@pytest.fixture
def stopped(place):
    """A place whose daemon was stopped in the middle of a campaign, and how many calls there were."""
    configure(place)
    place.start()
    drop(place, 100)
    until(lambda: len(place.ledger()) > LINES, "calls are up")
    assert place.stop() == 0
    return place


def garbage_header(data: bytearray, _: bytes) -> None:
    """Overwrite the first bytes."""
    data[:100] = Random(1).randbytes(100)


def garbage_middle(data: bytearray, old: bytes) -> None:
    """Overwrite the page of an old call, at which no start looks for its work."""
    page = data.find(old) // PAGE * PAGE
    data[page : page + PAGE] = Random(1).randbytes(PAGE)


def cut_short(data: bytearray, _: bytes) -> None:
    """Take the second half away."""
    del data[len(data) // PAGE // 2 * PAGE :]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(garbage_header, marks=pytest.mark.soak),
        garbage_middle,
        pytest.param(cut_short, marks=pytest.mark.soak),
    ],
)
def test_damaged_at_the_start(stopped, damage):
    """The daemon does not come up, touches nothing, and says the way out; with the backup it goes on."""
    database = stopped.root / "state" / "dialerd.db"
    backup = shutil.copy(database, stopped.root / "backup.db")
    data = bytearray(database.read_bytes())
    damage(data, stopped.rows("SELECT uid FROM attempts ORDER BY id LIMIT 1")[0][0].encode())
    database.write_bytes(data)
    dialled = len(stopped.ledger())
    said = refused(stopped)
    assert str(database) in said
    assert "restore a backup" in said
    assert not stopped.logged("trunk.up"), "it found out by chance, and not because it looked"
    assert database.read_bytes() == data
    assert len(stopped.ledger()) == dialled
    shutil.copy(backup, database)
    stopped.start()
    finish(stopped, "c", count=100, lines=LINES, since_at=0)


def test_a_torn_log_is_normal(place):
    """What a power cut leaves behind the last commit is passed over."""
    configure(place)
    place.start()
    drop(place, 100)
    until(lambda: len(place.ledger()) > LINES, "calls are up")
    place.kill()
    with (place.root / "state" / "dialerd.db-wal").open("ab") as log:
        log.write(Random(1).randbytes(PAGE + 24 + 1_000))
    since_at = now_at()
    place.start()
    finish(place, "c", count=100, lines=LINES, since_at=since_at)


def test_damage_noticed_while_running(place):
    """Dialling stops for good, calls in progress end, the next start looks at every page; mended, it goes on."""
    configure(place, talk_time="20ms")
    place.start()
    place.drop("c.csv", rows(0, 3_000))
    place.drop("c.json", {"name": "c", "agent": "reminder", "retry": ONCE, "recipients_file": "c.csv"})
    until(lambda: len(place.ledger()) > LINES, "calls are up")
    assert place.stop() == 0
    place.start()
    until(lambda: place.logged("campaign.running") or len(place.ledger()) > 2 * LINES, "calls are up")
    database = place.root / "state" / "dialerd.db"
    whole = database.read_bytes()
    first = len(whole) // PAGE // 2
    waste = b"\xde\xad" * (PAGE // 2)
    with database.open("r+b") as file:  # what is in memory or in the log already is read from there
        file.seek(first * PAGE)
        file.write(waste * (len(whole) // PAGE - first))
    said = until_ended(place)
    assert "the database is damaged" in said
    assert place.logged("store.lost")
    told(place, "store.lost", "store.turn_failed")
    dialled = len(place.ledger())
    assert dialled < 3_000
    said = refused(place)
    assert "the database is damaged" in said
    assert len(place.ledger()) == dialled
    with database.open("r+b") as file:
        for page in range(first, len(whole) // PAGE):
            file.seek(page * PAGE)
            if file.read(PAGE) == waste:
                file.seek(page * PAGE)
                file.write(whole[page * PAGE : (page + 1) * PAGE])
    since_at = now_at()
    place.start()
    assert place.logged("store.found_sound")
    finish(place, "c", count=3_000, lines=LINES, since_at=since_at)


@pytest.mark.parametrize("way", ["deleted", pytest.param("replaced", marks=pytest.mark.soak)])
def test_gone_while_running(place, way):
    """What is written to a file without a name is lost: dialling stops, what was known is rescued, and found again."""
    configure(place)
    place.start()
    drop(place, 400)
    until(lambda: len(place.ledger()) > 2 * LINES, "calls are up")
    database = place.root / "state" / "dialerd.db"
    if way == "replaced":
        shutil.copy(database, place.root / "state" / "other")
        os.replace(place.root / "state" / "other", database)
    else:
        database.unlink()
    said = until_ended(place)
    assert f"{database} was deleted or replaced" in said
    told(place, "store.lost")
    dialled = len(place.ledger())
    assert dialled < 400
    said = refused(place)
    rescued = database.with_name("dialerd.db.rescued")
    assert f"move {rescued} to {database}" in said
    assert until_at_rest(place) == dialled
    for name in ("dialerd.db", "dialerd.db-wal", "dialerd.db-shm"):
        database.with_name(name).unlink(missing_ok=True)
    rescued.rename(database)
    since_at = now_at()
    place.start()
    finish(place, "c", count=400, lines=LINES, since_at=since_at)
