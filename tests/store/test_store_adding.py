"""Additions: all or nobody, at any instant at which the daemon may die; nobody twice; no end before all are there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from stock import LONDON, NOW, PARIS, Stock, batch, number
from stored import campaign, check, rows
from stored import number as stored_number

from dialerd.model.errors import NotFound, WrongState
from dialerd.model.states import CampaignState
from dialerd.store import adding, campaigns, recipients
from dialerd.store.adding import Moved, Step
from dialerd.store.database import connect
from dialerd.store.migrate import upgrade
from dialerd.store.records import Duplicate

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture
def stock():
    """Return an empty store in memory; afterwards everything must fit together."""
    found = Stock()
    yield found
    assert found.faults() == []
    found.close()


def moved(stock, key):
    """Move an addition to its end and return the steps."""
    steps = []
    while not steps or steps[-1].step is Step.MOVED:
        steps.append(stock.do(adding.move_some, key, now=NOW))
    return steps


def test_few_go_straight_into_the_campaign(stock):
    """In one transaction; who stands there already is told as known, who comes twice with his first place."""
    key = stock.campaign(3)
    some = batch([(1, number(2)), (2, number(7)), (3, number(7))])
    more = batch([(4, number(8), 1), (5, number(7), 0)], (LONDON, PARIS))
    assert sorted(stock.do(adding.add, key, [some, more], now=NOW), key=lambda one: one.position) == [
        Duplicate(1, number(2), 3, True),
        Duplicate(3, number(7), 2),
        Duplicate(5, number(7), 2),
    ]
    assert stock.states(key) == {("pending", None): 5}
    assert set(stock.next_at(key).values()) == {0}


def test_those_who_come_late_do_not_go_before_those_who_wait(stock):
    """In a campaign at work they are due from now on, so that whoever waits is not passed over for ever."""
    key = stock.campaign(1)
    stock.run("UPDATE campaigns SET state = 'running'")
    stock.do(adding.add, key, [batch([(1, number(7))])], now=NOW)
    large = stock.do(adding.begin, key, now=NOW)
    stock.do(recipients.add, large, batch([(1, number(8))]), into=key)
    stock.do(adding.publish, large, key)
    moved(stock, large)
    assert stock.next_at(key) == {number(0): 0, number(7): NOW, number(8): NOW}


def test_a_known_person_at_the_same_place_is_a_duplicate(stock):
    """Two lists count their rows from one; the places of both are the same then."""
    key = stock.campaign(3)
    assert stock.do(adding.add, key, [batch([(1, number(0))])], now=NOW) == (Duplicate(1, number(0), 1, True),)


def test_many_are_nobodys_until_they_are_published(stock):
    """They are hidden from claims and from the engine; a start discards them like any intake that was cut off."""
    key = stock.campaign(3)
    addition = stock.do(adding.begin, key, now=NOW)
    found = stock.do(recipients.add, addition, batch([(1, number(1)), (2, number(50)), (3, number(50))]), into=key)
    assert sorted(found, key=lambda one: one.position) == [
        Duplicate(1, number(1), 2, True),
        Duplicate(3, number(50), 2),
    ]
    assert stock.do(campaigns.open_keys) == [key]
    assert stock.do(adding.under_way) == []
    assert [one.number for one in stock.claim(key, 9).claimed] == [number(0), number(1), number(2)]
    assert stock.do(campaigns.loading) == [addition]
    while stock.do(campaigns.discard_some, addition):
        """Go on."""
    assert stock.one("SELECT count(*) FROM recipients") == 3
    stock.run("DELETE FROM attempts")
    stock.run("UPDATE recipients SET state = 'pending'")


def test_published_ones_are_moved_whatever_happens(stock):
    """No start discards them; they are moved in chunks, counters and spans stay true, whoever came meanwhile stays."""
    key = stock.begin("c")
    stock.publish(key, CampaignState.DRAFT)
    addition = stock.do(adding.begin, key, now=NOW)
    for begin in range(0, 5_000, 1_000):
        stock.do(recipients.add, addition, batch([(i + 1, number(i)) for i in range(begin, begin + 1_000)]), into=key)
    stock.do(adding.add, key, [batch([(1, number(4_999)), (2, number(9_000))])], now=NOW)  # after those were looked at
    assert stock.do(adding.publish, addition, key) == 5_000
    assert stock.do(campaigns.loading) == []
    assert not stock.do(campaigns.discard_some, addition)
    assert stock.do(adding.under_way) == [(addition, key)]
    assert stock.do(adding.is_expected, key)
    assert not stock.do(adding.is_expected, addition)
    assert stock.do(adding.move_some, addition, now=NOW) == Moved(step=Step.MOVED, rows=2_000)
    assert stock.faults() == []
    assert moved(stock, addition) == [
        Moved(step=Step.MOVED, rows=2_000),
        Moved(step=Step.MOVED, rows=999, dropped=1),
        Moved(step=Step.DONE),
    ]
    assert stock.states(key) == {("pending", None): 5_001}
    assert stock.one("SELECT position FROM recipients WHERE number = :n", n=number(4_999)) == 1
    assert stock.rows("SELECT id FROM campaigns") == [(key,)]
    assert moved(stock, addition) == [Moved(step=Step.DONE)]


@pytest.mark.parametrize("state", ["completed", "cancelled", "loading"])
def test_what_is_over_takes_nobody(stock, state):
    """Neither few nor many; of many that were read meanwhile nobody stays."""
    key = stock.campaign(1)
    addition = stock.do(adding.begin, key, now=NOW)
    stock.do(recipients.add, addition, batch([(1, number(5))]), into=key)
    stock.run("UPDATE campaigns SET state = :s WHERE id = :k", s=state, k=key)
    kind = NotFound if state == "loading" else WrongState
    for op in (
        lambda c: adding.add(c, key, [batch([(1, number(6))])], now=NOW),
        lambda c: adding.begin(c, key, now=NOW),
        lambda c: adding.publish(c, addition, key),
    ):
        with pytest.raises(kind):
            stock.do(op)
    assert stock.do(adding.under_way) == []
    assert stock.states(key) == {("pending", None): 1}


def test_an_addition_whose_campaign_was_deleted_is_given_up(stock):
    """What is left of it is discarded; nobody else's campaign gets it."""
    key = stock.campaign(1)
    addition = stock.do(adding.begin, key, now=NOW)
    stock.do(recipients.add, addition, batch([(1, number(5))]), into=key)
    stock.do(adding.publish, addition, key)
    stock.run("UPDATE campaigns SET state = 'loading' WHERE id = :k", k=key)
    assert moved(stock, addition) == [Moved(step=Step.LOST)]
    assert stock.do(campaigns.loading) == [key, addition]


def test_a_campaign_that_is_being_cancelled_takes_its_own(stock):
    """They were promised a place; with all others they are ended there."""
    key = stock.campaign(1)
    addition = stock.do(adding.begin, key, now=NOW)
    stock.do(recipients.add, addition, batch([(1, number(5))]), into=key)
    stock.do(adding.publish, addition, key)
    stock.do(campaigns.set_state, key, CampaignState.CANCELLED, now=NOW)
    assert [one.step for one in moved(stock, addition)] == [Step.MOVED, Step.DONE]
    assert stock.states(key) == {("pending", None): 2}


def test_killed_at_every_statement(tmp_path):
    """Whatever the instant: before it is published nobody was added, from then on everybody is, and nobody twice."""
    template = tmp_path / "template.db"
    engine = connect(f"sqlite:///{template}")
    upgrade(engine)
    with engine.connect() as connection, connection.begin():
        campaign(connection, [stored_number(i) for i in range(30)], "p")
    engine.dispose()
    copies = tmp_path / "copies"
    copies.mkdir()
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "plugins", HERE)))
    subprocess.run(
        [sys.executable, HERE / "dying_additions.py", template, copies],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": paths},
    )
    seen = set()
    for path in copies.glob("*.db"):
        engine = connect(f"sqlite:///{path}")
        with engine.connect() as connection:
            with connection.begin():
                check(connection)
                under_way = adding.under_way(connection)
                cut_off = campaigns.loading(connection)
            assert len(under_way) + len(cut_off) <= 1
            for key in cut_off:
                more = True
                while more:
                    with connection.begin():
                        more = campaigns.discard_some(connection, key)
            for key, target in under_way:
                assert target == 1
                step = Step.MOVED
                while step is Step.MOVED:
                    with connection.begin():
                        step = adding.move_some(connection, key, now=NOW).step
            with connection.begin():
                check(connection)
                people = [found for (found,) in rows(connection, "SELECT number FROM recipients")]
                assert rows(connection, "SELECT id FROM campaigns") == [(1,)]
        engine.dispose()
        assert len(set(people)) == len(people)
        told = bool(path.with_suffix(".told").read_text())
        whole = {stored_number(i) for i in (*range(40), *range(100, 3_000))}
        before = {stored_number(i) for i in range(30)}
        assert set(people) in (whole, before)
        assert not told or set(people) == whole
        seen.add((told, bool(under_way), bool(cut_off), len(people)))
    assert {found[1:] for found in seen} >= {(True, False, 2_940), (False, True, 30), (False, False, 2_940)}
