"""Disks that are slow or hang: files wait for that of the spool, calls do not; that of the database is told of."""

import signal
from contextlib import closing
from itertools import pairwise
from time import sleep

import pytest
from audit import instant
from disks import finish, now_at, tampered
from manager import Listener
from place import people, until

pytestmark = pytest.mark.system

LINES = 20
ONCE = {"max_attempts": 1}
SLOW_MS = 400
HUNG_S = 16


def test_a_slow_spool_does_not_hold_up_calls(place):
    """Each look into a folder, each rename and each wait for a folder takes 400 ms; calls leave as before.

    The campaigns that come meanwhile are over before their files have left incoming/; each file keeps its name.
    """
    trunk = {"max_concurrent": LINES, "options": {"talk_time": "100ms"}}
    daemon = {"max_concurrent": LINES, "spool_dir": str(place.spool)}  # the tracer knows paths by what they are called
    place.configure(daemon=daemon, trunks={"sim": trunk})
    place.start()
    place.drop("c.json", {"name": "c", "agent": "reminder", "retry": ONCE, "recipients": people(0, 1_000)})
    until(lambda: len(place.ledger()) > 2 * LINES, "calls are up")
    names = [f"n{index}" for index in range(3)]
    slow = [place.spool / folder for folder in ("incoming", "accepted", "rejected", "reports")]
    slow += [place.spool / folder / f"{name}.json" for name in names for folder in ("incoming", "accepted")]
    slow += [place.spool / "accepted" / f"{name}.json.status.toml" for name in ("c", *names)]
    with tampered(place, "fsync,rename,openat", f"delay_enter={SLOW_MS * 1000}", slow):
        for index, name in enumerate(names):
            spec = {"name": name, "agent": "reminder", "retry": ONCE, "recipients": people(5_000 + index, 1)}
            place.drop(f"{name}.json", spec)
        place.until_in("accepted", *(f"{name}.json" for name in names))
        place.until_reported(*names)
    finish(place, "c", *names, count=1_003, lines=LINES, since_at=0)
    left = sorted(instant(line["at"]) for line in place.ledger() if line["number"] < people(5_000, 1)[0]["phone"])
    longest = max(later - earlier for earlier, later in pairwise(left))
    assert longest < SLOW_MS, f"calls waited {longest} ms for the spool"


def test_a_database_on_a_disk_that_hangs(place):
    """Nobody is dialled meanwhile, which the log explains, and so it says when that is over."""
    trunk = {"max_concurrent": LINES, "options": {"talk_time": "100ms"}}
    place.configure(daemon={"max_concurrent": LINES}, trunks={"sim": trunk})
    place.start()
    place.drop("c.json", {"name": "c", "agent": "reminder", "retry": ONCE, "recipients": people(0, 400)})
    until(lambda: len(place.ledger()) > 2 * LINES, "calls are up")
    with tampered(place, "fdatasync,fsync", "delay_enter=8000000", [place.root / "state" / "dialerd.db-wal"]):
        slow = place.until_logged("store.slow", 20)
        assert slow["waited_s"] >= 5
        assert str(place.root / "state" / "dialerd.db") in slow["database"]
        dialled = len(place.ledger())
        assert dialled < 400
    since_at = now_at()
    place.until_logged("store.caught_up", 20)
    finish(place, "c", count=400, lines=LINES, since_at=since_at)


@pytest.mark.soak
def test_a_stop_with_a_spool_that_hangs(place):
    """All calls are stored: it says what it waits for, gives signs of life, and a second SIGTERM ends it."""
    trunk = {"max_concurrent": LINES, "options": {"talk_time": "100ms"}}
    daemon = {"max_concurrent": LINES, "spool_dir": str(place.spool)}
    with closing(Listener.below(place.root)) as listener:
        place.environment = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "2000000"}
        place.configure(daemon=daemon, trunks={"sim": trunk})
        place.start()
        place.drop("c.json", {"name": "c", "agent": "reminder", "retry": ONCE, "recipients": people(0, 40)})
        place.until_reported("c")
        hanging = [place.spool / name for name in ("incoming", "accepted", "incoming/n.json", "accepted/n.json")]
        with tampered(place, "fsync,rename,openat", f"delay_enter={HUNG_S}000000", hanging):
            place.drop("n.json", {"name": "n", "agent": "reminder", "retry": ONCE, "recipients": people(50, 1)})
            sleep(2)  # some look at it is under way
            place.signal(signal.SIGTERM)
            sleep(2)
            listener.heard()
            sleep(1.5)
            assert ["WATCHDOG=1"] in listener.heard(), "systemd would take a disk that hangs for a daemon that is stuck"
            place.signal(signal.SIGTERM)
            held_up = place.until_logged("stop.held_up", 20)
            assert any("intake" in at for at in held_up["at"]), held_up
            assert "killing it now loses nothing" in held_up["remedy"]
            until(lambda: place.logged("daemon.stopped"), "the process goes")
            assert place.logged("daemon.stopped")[0]["left_behind"]
        assert place.process is not None
        assert place.process.wait(20) == 0  # the tracer holds it for as long as the disk hangs
        assert place.count("SELECT count(*) FROM attempts WHERE ended_at IS NULL") == 0
