"""The daemon is killed while it takes files: each becomes one campaign, whole, and leaves the spool once."""

from random import Random
from time import sleep

import pytest
from place import Place, gone, people, rows, until

pytestmark = pytest.mark.system

LATER = "2099-01-01T09:00:00Z"  # nothing is dialled: this is about intake


def campaign(name: str, **more: object) -> dict[str, object]:
    """Return a campaign file that is not due for a long time."""
    return {"name": name, "agent": "reminder", "start": LATER, **more}


def campaigns(place: Place) -> list[str]:
    """Return the names of the campaigns that can be seen."""
    return [row["name"] for row in place.rows("SELECT name FROM campaigns WHERE state <> 'loading' ORDER BY id")]


def loading(place: Place) -> int:
    """Return how many recipients of unfinished campaigns are stored."""
    return place.count("""SELECT count(*) FROM recipients
        WHERE campaign_id IN (SELECT id FROM campaigns WHERE state = 'loading')""")


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_while_a_large_file_is_loaded(place, seed):
    """No half campaign is ever seen; after the restart the file is taken once, with every row."""
    random = Random(seed)
    count = 100_000
    place.start()
    place.drop("large.csv", rows(0, count))
    place.drop("large.json", campaign("large", recipients_file="large.csv"))
    for _ in range(3):
        some = random.randrange(count // 2)  # the rest takes long enough for the kill to come in time
        until(lambda some=some: loading(place) > some, "the file is being loaded", every_s=0.005)
        place.kill()
        assert campaigns(place) == [], "a campaign was seen before it was whole"
        assert {"large.csv", "large.json"} <= place.listing("incoming")
        place.start(wait=False)
    place.until_in("accepted", "large.csv", "large.json")
    assert place.stop() == 0
    assert campaigns(place) == ["large"]
    assert place.count("SELECT count(*) FROM campaigns") == 1
    assert place.count("SELECT count(*), count(DISTINCT number) FROM recipients") == count
    assert place.count("SELECT recipients FROM totals") == count
    assert place.listing("incoming") == set()
    assert place.listing("accepted") == {"large.csv", "large.json"}
    assert place.listing("rejected") == set()
    assert place.ledger() == []
    assert gone(place.children)


def test_killed_between_stored_and_moved(place):
    """Whatever instant the kill hits, a file that became a campaign is known again and one that did not is taken."""
    random = Random(7)
    place.start()
    names: list[str] = []
    unmoved = 0
    waiting = "SELECT count(*) FROM spool_files WHERE NOT moved"
    for kill in range(6):
        batch = [f"{kill}-{index}" for index in range(60)]
        for name in batch:
            place.drop(f"{name}.csv", rows(0, 3))
            place.drop(f"{name}.json", campaign(name, recipients_file=f"{name}.csv"))
        names += batch
        until(
            lambda kill=kill: (
                place.count(waiting) or place.count("SELECT count(*) FROM spool_files") == 60 * (kill + 1)
            ),
            "some are stored",
            every_s=0.0005,
        )
        sleep(random.uniform(0, 0.02) if kill % 2 else 0)
        place.kill()
        unmoved += place.count(waiting)
        place.start()
    assert unmoved > 0, "no kill came between stored and moved, so that this shows nothing"
    place.until_in("accepted", *(f"{name}.json" for name in names), *(f"{name}.csv" for name in names))
    until(lambda: place.count("SELECT count(*) FROM spool_files WHERE NOT moved") == 0, "every file is seen out")
    assert place.stop() == 0
    assert sorted(campaigns(place)) == sorted(names)
    assert place.count("SELECT count(*) FROM campaigns") == len(names)
    assert place.count("SELECT count(*) FROM recipients") == 3 * len(names)
    assert place.listing("incoming") == set()
    assert place.listing("rejected") == set()
    assert len(place.listing("accepted")) == 2 * len(names), place.listing("accepted")


def test_killed_while_an_overlap_is_dialled_and_loaded(place):
    """A kill that hits both intake and calls loses neither: the small campaign ends, the large one is taken whole."""
    place.configure(trunks={"sim": {"options": {"talk_time": "100ms"}}}, daemon={"max_concurrent": 20})
    place.start()
    place.drop("small.json", {"name": "small", "agent": "reminder", "recipients": people(0, 200)})
    until(place.ledger, "the small one is dialled")
    place.drop("large.csv", rows(1_000, 20_000))
    place.drop("large.json", campaign("large", recipients_file="large.csv"))
    until(lambda: loading(place) > 0, "the large one is loaded", every_s=0.005)
    place.kill()
    place.start()
    place.until_reported("small")
    place.until_in("accepted", "large.csv", "large.json")
    ledger = place.ledger()
    assert len({line["attempt"] for line in ledger}) == len({line["number"] for line in ledger}) == len(ledger) == 200
    assert campaigns(place) == ["small", "large"]
