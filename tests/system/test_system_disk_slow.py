"""A spool on a slow disk: files wait for it, calls do not."""

from itertools import pairwise

import pytest
from audit import instant
from disks import finish, tampered
from place import people, until

pytestmark = pytest.mark.system

LINES = 20
ONCE = {"max_attempts": 1}
SLOW_MS = 400


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
