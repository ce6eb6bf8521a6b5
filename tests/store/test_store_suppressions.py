"""Do-not-call entries in the store: whom they end, whom they hold, and what follows when they are taken away."""

import pytest
from stock import NOW, Stock, number

from dialerd.model.instants import HOUR, MINUTE, NEVER
from dialerd.model.suppression import Suppression
from dialerd.store import suppressions
from dialerd.store.suppressions import Entry


@pytest.fixture
def stock():
    """Return an empty store in memory; afterwards everything must fit together."""
    found = Stock()
    yield found
    assert found.faults() == []
    found.close()


def test_entries_of_many_kinds_at_once(stock):
    """Each ends those in its scope, those that expire end nobody; an agent is known by everything it is called."""
    keys = {name: stock.campaign(6, name, agent=agent) for name, agent in (("a", "anna"), ("b", "id-7"), ("z", "zoe"))}
    entries = [
        Entry(number=number(0)),
        Entry(number=number(1), scope="agent:anna"),
        Entry(number=number(2), scope="campaign:z"),
        Entry(number=number(3), expires_at=NOW + HOUR),
        Entry(number=number(99)),
    ]
    ended = stock.do(suppressions.enter, entries, spellings={"agent:anna": ("anna", "id-7")}, now=NOW)
    assert ended == {keys["a"]: 2, keys["b"]: 2, keys["z"]: 2}
    done = stock.rows("SELECT campaign_id, number FROM recipients WHERE final = 'suppressed' ORDER BY 1, 2")
    assert done == [
        (keys["a"], number(0)),
        (keys["a"], number(1)),
        (keys["b"], number(0)),
        (keys["b"], number(1)),
        (keys["z"], number(0)),
        (keys["z"], number(2)),
    ]


def test_who_was_held_is_due_when_the_entry_goes(stock):
    """The claim put it off to the entry's end; whoever waits for something else goes on waiting."""
    key = stock.campaign(3)
    stock.run("UPDATE recipients SET next_at = :at WHERE number = :n", at=NOW + MINUTE, n=number(1))
    for i in range(2):
        stock.do(suppressions.add, [number(i)], expires_at=NOW + HOUR, now=NOW)
    assert [one.number for one in stock.claim(key, 9).claimed] == [number(2)]
    assert stock.next_at(key) == {number(0): NOW + HOUR, number(1): NOW + MINUTE}
    assert stock.do(suppressions.remove, number(0), "all", now=NOW + 5) == {key}
    assert stock.do(suppressions.remove, number(1), "all", now=NOW + 5) == frozenset()
    assert stock.next_at(key) == {number(0): NOW + 5, number(1): NOW + MINUTE}
    assert [one.number for one in stock.claim(key, 9, now=NOW + 5).claimed] == [number(0)]


def test_an_entry_that_is_made_longer_takes_whom_it_holds_with_it(stock):
    """So that they are known when it goes."""
    key = stock.campaign(1)
    stock.do(suppressions.add, [number(0)], expires_at=NOW + MINUTE, now=NOW)
    assert not stock.claim(key).claimed
    stock.do(suppressions.add, [number(0)], expires_at=NOW + HOUR, now=NOW)
    assert stock.next_at(key) == {number(0): NOW + HOUR}
    stock.do(suppressions.add, [number(0)], expires_at=NOW + 5, now=NOW)  # a wish is never shortened
    assert stock.next_at(key) == {number(0): NOW + HOUR}
    assert stock.do(suppressions.remove, number(0), "all", now=NOW) == {key}
    assert len(stock.claim(key).claimed) == 1


def test_who_was_ended_stays_so(stock):
    """An entry for good has ended them; that it goes does not bring them back."""
    key = stock.campaign(1)
    assert stock.do(suppressions.add, [number(0)], now=NOW) == {key: 1}
    assert stock.do(suppressions.remove, number(0), "agent:anna", now=NOW) is None
    assert stock.do(suppressions.remove, number(0), "all", now=NOW) == frozenset()
    assert stock.states(key) == {("done", "suppressed"): 1}
    assert stock.do(suppressions.remove, number(0), "all", now=NOW) is None


def test_pages_of_entries(stock, monkeypatch):
    """By number and scope, those that expired left out, a bounded number of rows a page."""
    for i, (scope, until) in enumerate([("all", NEVER), ("agent:a", NOW + 1), ("all", NOW - 1), ("all", NOW + 9)]):
        stock.do(suppressions.add, [number(i // 2)], scope=scope, expires_at=until, reason=f"r{i}", now=NOW)

    def walk(**wanted):
        pages, place = [], None
        while True:
            found, place = stock.do(suppressions.page, after=place, now=NOW, **wanted)
            pages.append([(one.number, one.scope) for one in found])
            if place is None:
                return pages

    every = [(number(0), "agent:a"), (number(0), "all"), (number(1), "all")]
    assert walk(scope=None, limit=9) == [every]
    assert walk(scope=None, limit=2) == [every[:2], every[2:]]
    assert walk(scope="agent:a", limit=9) == [every[:1]]
    monkeypatch.setattr(suppressions, "SCANNED", 1)
    assert walk(scope="all", limit=9) == [[], [every[1]], [every[2]]]
    assert stock.do(suppressions.of_number, number(0), now=NOW + 1) == (
        Suppression(number=number(0), scope="all", reason="r0", created_at=NOW),
    )
