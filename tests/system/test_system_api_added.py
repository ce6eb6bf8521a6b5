"""A daemon killed while thousands are added to a campaign that runs: all of them are in it then, or nobody."""

import select
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Final

import pytest
from place import Place, number, people, rows, until
from spoken import CUT, Saying, made, say, until_answered

pytestmark = pytest.mark.system

BASE: Final = 500
TRIES: Final = 4
_LOADING: Final = "SELECT id, adds_to FROM campaigns WHERE state = 'loading'"
_MOVED: Final = "SELECT count(*) FROM recipients WHERE campaign_id = (SELECT id FROM campaigns WHERE name = 'large')"

Moment = Callable[[sqlite3.Connection, int, int], bool]


def begun(connection: sqlite3.Connection, _total: int, _batch: int) -> bool:
    """The first rows are stored."""
    return connection.execute(_LOADING).fetchone() is not None


def half_read(connection: sqlite3.Connection, total: int, batch: int) -> bool:
    """Half of the rows are stored."""
    return bool(connection.execute("SELECT max(id) FROM recipients").fetchone()[0] > total + batch // 2)


def published(connection: sqlite3.Connection, _total: int, _batch: int) -> bool:
    """All rows are stored, and it is settled that they go to the campaign."""
    found = connection.execute(_LOADING).fetchone()
    return found is not None and found[1] is not None


def half_moved(connection: sqlite3.Connection, total: int, batch: int) -> bool:
    """The list is on its way into the campaign."""
    return total + batch // 4 < connection.execute(_MOVED).fetchone()[0] < total + batch


def killed_at(place: Place, saying: Saying, moment: Moment, total: int, batch: int) -> bool:
    """Send it, and kill the daemon at that moment; return False where that went by unseen, and all has been added."""
    connection = saying.send(place)
    database = sqlite3.connect(f"file:{place.root}/state/dialerd.db?mode=ro", uri=True, timeout=30)
    with closing(connection), closing(database):
        while not moment(database, total, batch):
            if select.select([connection.sock], [], [], 0)[0]:  # on a machine with much to do nobody looked in time
                assert connection.getresponse().status == 200
                return False
        place.kill()
        with pytest.raises(CUT):
            connection.getresponse()
    return True


def settled(place: Place, path: str) -> int:
    """Start the daemon, wait until what was under way is settled, and return how many are in the campaign."""
    place.start()
    until(lambda: not place.rows(_LOADING), "what was on its way has arrived or is gone", every_s=0.1)
    return int(say(place, "GET", path).json["counters"]["total"])


def rung(place: Place, first: int) -> Counter[str]:
    """Return who was rung, from a number on, how often."""
    return Counter(line["number"] for line in place.ledger() if line["number"] >= number(first))


def kills(place: Place, batch: int) -> tuple[str, int]:
    """Kill at each moment while so many are added; return the campaign's path, and how many are in it then."""
    place.configure(daemon={"max_concurrent": 500}, trunks={"sim": {"max_concurrent": 500}})
    place.start()
    pacing = {"calls_per_second": 5}  # it must not be over before the last list has come, on no machine
    path = made(place, {"name": "large", "agent": "reminder", "pacing": pacing, "recipients": people(0, BASE)})
    until(place.ledger, "the campaign runs")
    total = BASE
    for moment in (begun, half_read, published, half_moved):
        for _ in range(TRIES):
            saying = Saying(method="POST", path=f"{path}/recipients", body=rows(total, batch), kind="text/csv")
            if killed_at(place, saying, moment, total, batch):
                break
            total += batch
        else:
            pytest.fail(f"it was never seen that: {moment.__doc__}")
        total += batch if moment in (published, half_moved) else 0
        assert settled(place, path) == total
        assert not rung(place, total), "somebody was rung whose list was never whole"
    assert set(rung(place, 0).values()) == {1}
    return path, total


def test_killed_while_adding(place):
    """Before it is settled nobody is added and nobody of the list was rung; after that all are in it, once."""
    _, total = kills(place, 60_000)
    assert place.count("SELECT count(DISTINCT number) FROM recipients") == total
    assert place.stop() == 0


@pytest.mark.soak
def test_killed_while_adding_and_dialled_to_the_end(place):
    """All of them, 400,500 at least, are rung, once each."""
    path, total = kills(place, 200_000)
    assert say(place, "PATCH", path, {"pacing": {"max_concurrent": 500}}).status == 200
    over = until_answered(place, path, lambda one: one["state"] == "completed", 1_800)
    assert over["counters"]["done"]["succeeded"] == total
    calls = rung(place, 0)
    assert len(calls) == calls.total() == total
    assert place.stop() == 0
