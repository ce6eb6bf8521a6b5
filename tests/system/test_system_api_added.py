"""A daemon killed while thousands are added to a campaign that runs: all of them are in it then, or nobody."""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Final

import pytest
from place import Place, number, people, rows, until
from spoken import CUT, Saying, made, say, until_answered

pytestmark = pytest.mark.system

BASE: Final = 500
_LOADING: Final = "SELECT id, adds_to FROM campaigns WHERE state = 'loading'"
_MOVED: Final = "SELECT count(*) FROM recipients WHERE campaign_id = (SELECT id FROM campaigns WHERE name = 'large')"

Moment = Callable[[sqlite3.Connection, int], bool]


def begun(connection: sqlite3.Connection, _batch: int) -> bool:
    """The first rows are stored."""
    return connection.execute(_LOADING).fetchone() is not None


def half_read(connection: sqlite3.Connection, batch: int) -> bool:
    """Half of the rows are stored."""
    return bool(connection.execute("SELECT max(id) FROM recipients").fetchone()[0] > BASE + batch // 2)


def published(connection: sqlite3.Connection, _batch: int) -> bool:
    """All rows are stored, and it is settled that they go to the campaign."""
    found = connection.execute(_LOADING).fetchone()
    return found is not None and found[1] is not None


def half_moved(connection: sqlite3.Connection, batch: int) -> bool:
    """The second list is on its way into the campaign."""
    return bool(connection.execute(_MOVED).fetchone()[0] > BASE + batch + batch // 4)


def killed_at(place: Place, saying: Saying, moment: Moment, batch: int) -> None:
    """Send it, and kill the daemon at that moment."""
    connection = saying.send(place)
    deadline = time.monotonic() + 120
    database = sqlite3.connect(f"file:{place.root}/state/dialerd.db?mode=ro", uri=True, timeout=30)
    with closing(connection), closing(database):
        while not moment(database, batch):
            assert time.monotonic() < deadline, f"it never comes to this: {moment.__doc__}"
        place.kill()
        with pytest.raises(CUT):
            connection.getresponse()


def settled(place: Place, path: str) -> int:
    """Start the daemon, wait until what was under way is settled, and return how many are in the campaign."""
    place.start()
    until(lambda: not place.rows(_LOADING), "what was on its way has arrived or is gone", every_s=0.1)
    return int(say(place, "GET", path).json["counters"]["total"])


def rung(place: Place, first: int) -> Counter[str]:
    """Return who was rung, from a number on, how often."""
    return Counter(line["number"] for line in place.ledger() if line["number"] >= number(first))


def kills(place: Place, batch: int) -> str:
    """Kill at each moment; return the campaign's path, with two lists of so many in it."""
    place.configure(daemon={"max_concurrent": 500}, trunks={"sim": {"max_concurrent": 500}})
    place.start()
    pacing = {"calls_per_second": 25}
    path = made(place, {"name": "large", "agent": "reminder", "pacing": pacing, "recipients": people(0, BASE)})
    first, second = (
        Saying(method="POST", path=f"{path}/recipients", body=rows(begin, batch), kind="text/csv")
        for begin in (BASE, BASE + batch)
    )
    until(place.ledger, "the campaign runs")
    for moment in (begun, half_read):
        killed_at(place, first, moment, batch)
        assert settled(place, path) == BASE
        assert not rung(place, BASE), "somebody was rung whose list was never whole"
    killed_at(place, first, published, batch)
    assert settled(place, path) == BASE + batch
    killed_at(place, second, half_moved, batch)
    assert settled(place, path) == BASE + 2 * batch
    assert set(rung(place, 0).values()) == {1}
    return path


def test_killed_while_adding(place):
    """Before it is settled nobody is added and nobody of the list was rung; after that all are in it, once."""
    kills(place, 60_000)
    assert place.count("SELECT count(DISTINCT number) FROM recipients") == BASE + 2 * 60_000
    assert place.stop() == 0


@pytest.mark.soak
def test_killed_while_adding_and_dialled_to_the_end(place):
    """All 400,500 are rung, once each."""
    batch = 200_000
    path = kills(place, batch)
    assert say(place, "PATCH", path, {"pacing": {"max_concurrent": 500}}).status == 200
    over = until_answered(place, path, lambda one: one["state"] == "completed", 1_800)
    assert over["counters"]["done"]["succeeded"] == BASE + 2 * batch
    calls = rung(place, 0)
    assert len(calls) == calls.total() == BASE + 2 * batch
    assert place.stop() == 0
