"""Statements over sets: the same rows as one statement a row, whatever the size."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.store.sets import SetStatement

INSERT = SetStatement("INSERT INTO t (id, word) VALUES {rows}", 2)
UPDATE = SetStatement("WITH v(id, word) AS (VALUES {rows}) UPDATE t SET word = v.word FROM v WHERE t.id = v.id", 2)
SELECTED = SetStatement("UPDATE t SET word = ? WHERE id IN (VALUES {rows})", 1)


@pytest.fixture
def tables():
    """Return two equal databases."""
    pair = [sqlite3.connect(":memory:", isolation_level=None) for _ in range(2)]
    for one in pair:
        one.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, word)")
    yield pair
    for one in pair:
        one.close()


def content(dbapi):
    """Return all rows."""
    return dbapi.execute("SELECT id, word FROM t ORDER BY id").fetchall()


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 1023, 1024, 1025, 3000])
def test_sets_equal_single_rows(tables, size):
    """Inserting and updating a set leaves what `executemany` leaves; a part of the rows is not touched."""
    by_set, one_by_one = tables
    rows = [(i, f"w{i}") for i in range(size)]
    INSERT.run(by_set, rows)
    one_by_one.executemany("INSERT INTO t (id, word) VALUES (?, ?)", rows)
    assert content(by_set) == content(one_by_one) == rows
    changed = [(i, None if i % 7 == 0 else f"x{i}") for i in range(0, size, 2)]
    UPDATE.run(by_set, changed)
    one_by_one.executemany("UPDATE t SET word = ?2 WHERE id = ?1", changed)
    assert content(by_set) == content(one_by_one)
    SELECTED.run(by_set, [(i,) for i in range(1, size, 3)], "same")
    one_by_one.executemany("UPDATE t SET word = 'same' WHERE id = ?", [(i,) for i in range(1, size, 3)])
    assert content(by_set) == content(one_by_one)


@pytest.mark.parametrize("width", [1, 11])
def test_few_texts_and_few_statements(tables, width):
    """Any number of rows needs few statements, of few sizes in all, within SQLite's limits."""
    dbapi, _ = tables
    dbapi.execute(f"CREATE TABLE wide ({', '.join(f'c{i}' for i in range(width))})")
    statement = SetStatement("INSERT INTO wide VALUES {rows}", width)
    seen = []
    texts = set()
    dbapi.set_trace_callback(seen.append)
    for size in (3000, 1792, 1791, 1023, 250, 7, *range(1, 600, 23)):
        seen.clear()
        statement.run(dbapi, [tuple(range(width))] * size)
        sizes = [text.count("(") for text in seen]
        assert sum(sizes) == size
        assert len(sizes) <= 5
        texts.update(sizes)
    assert len(texts) <= 39


@given(st.lists(st.tuples(st.integers(1, 40), st.none() | st.text(max_size=3) | st.integers(-5, 5)), max_size=60))
def test_any_set_updates_like_single_rows(rows):
    """Values of every kind cross unchanged, and ids that are not there change nothing."""
    pair = [sqlite3.connect(":memory:", isolation_level=None) for _ in range(2)]
    for one in pair:
        one.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, word)")
        one.executemany("INSERT INTO t VALUES (?, 'old')", [(i,) for i in range(1, 30)])
    distinct = list(dict(rows).items())
    UPDATE.run(pair[0], distinct)
    pair[1].executemany("UPDATE t SET word = ?2 WHERE id = ?1", distinct)
    contents = [content(one) for one in pair]
    for one in pair:
        one.close()
    assert contents[0] == contents[1]
