"""Attempts, one by one: what is added after an end, and the references of others."""

import json

import pytest
from sqlalchemy import text
from stored import NOW, ask, campaign, claim, end, number, rows

from dialerd.store.attempts import REFERENCES, amend, other_references
from dialerd.store.database import MEMORY, connect
from dialerd.store.migrate import create


@pytest.fixture
def db():
    """Return a connection to an empty store in memory, in a transaction."""
    engine = connect(MEMORY)
    create(engine)
    with engine.connect() as connection, connection.begin():
        yield connection
    engine.dispose()


def one_call(db, detail=None):
    """Return a claimed attempt whose end is stored with a detail; where that is None, without an end."""
    key = campaign(db, [number(0)])
    ((claimed,),) = (answer.claimed for answer in claim(db, ask(key, 1)))
    if detail is not None:
        claim(db, ended=[end(claimed, key, detail=detail or None)])
    return claimed


@pytest.mark.parametrize(
    ("detail", "facts", "whole"),
    [
        ("", {"price": "1"}, {"price": "1"}),
        ('{"sid":"CA1","price":null}', {"price": "1"}, {"sid": "CA1", "price": "1"}),
        ('{"a":{"b":1}}', {"a": {"c": 2}}, {"a": {"c": 2}}),
        ('{"a":1}', {"a": None}, {"a": None}),
    ],
)
def test_facts_go_over_the_detail_key_by_key(db, detail, facts, whole):
    """What is given anew takes the place of the old, whole; all else stays."""
    claimed = one_call(db, detail)
    assert amend(db, claimed.attempt_id, claimed.uid, json.dumps(facts))
    ((stored, outcome),) = rows(db, "SELECT detail, outcome FROM attempts")
    assert (json.loads(stored), outcome) == (whole, "answered")


def test_an_attempt_without_an_end_is_left_alone(db):
    """Its end would write over it."""
    claimed = one_call(db)
    assert not amend(db, claimed.attempt_id, claimed.uid, '{"a":1}')
    assert rows(db, "SELECT detail, ended_at FROM attempts") == [(None, None)]


def test_an_attempt_that_is_gone(db):
    """Nothing is left to be done, and who has got its key is not taken for it."""
    claimed = one_call(db, '{"a":1}')
    assert amend(db, claimed.attempt_id, "another", '{"b":1}')
    assert amend(db, claimed.attempt_id + 1, claimed.uid, '{"b":1}')
    assert rows(db, "SELECT detail FROM attempts") == [('{"a":1}',)]


def test_others_references_are_the_newest_of_the_same_number(db):
    """Neither the attempt's own, nor of other numbers, nor missing ones; bounded, however often somebody was called."""
    called = REFERENCES + 20
    insert = text(
        "INSERT INTO attempts (uid, recipient_id, campaign_id, number, caller_id, trunk, state, claimed_at, reference)"
        " VALUES (:uid, 1, 1, :number, 'c', 't', 'ended', :at, :reference)"
    )
    for i in range(called):
        for person in (0, 1):
            reference = None if i % 10 == 3 else f"{person}-{i}"
            db.execute(
                insert, {"uid": f"u{person}-{i}", "number": number(person), "at": NOW + i, "reference": reference}
            )
    ((own,),) = rows(db, "SELECT id FROM attempts WHERE reference = :it", it=f"1-{called - 1}")
    found = other_references(db, number(1), own)
    wanted = [f"1-{i}" for i in reversed(range(called - 1)) if i % 10 != 3]
    assert list(found) == wanted[:REFERENCES]
