"""Recipients: duplicates with their places, shared zone groups, heads, spans of interleaved loads."""

import json

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from stock import LONDON, NEW_YORK, NOW, PARIS, Stock, number

from dialerd.model.campaign import ZoneGroup
from dialerd.model.instants import HOUR
from dialerd.model.states import Final
from dialerd.store import campaigns, recipients, report_pages, reports
from dialerd.store.records import Duplicate


@pytest.fixture
def stock():
    """Return an empty store in memory; afterwards everything must fit together."""
    found = Stock()
    yield found
    assert found.faults() == []
    found.close()


def test_what_was_handed_over_is_stored(stock):
    """Every column arrives as it was, nulls as nulls; a recipient is due at its campaign's start."""
    key = stock.begin(start_at=NOW + HOUR)
    variables = json.dumps({"name": 'Zoë "Z" O\'Hara', "n": 1.5, "deep": {"a": [None, True]}})
    rows = [
        [1, number(1), 0, 'say "hi"\n', 3, variables, '{"order":"7"}'],
        [2, number(2), 1, None, None, None, None],
        [9, number(3), 2, "", None, None, None],
    ]
    assert stock.add(key, rows, (LONDON, PARIS, NEW_YORK)) == ()
    columns = "position, number, prompt, max_attempts, variables, metadata, state, final, next_at, attempts, refunds"
    assert stock.rows(f"SELECT {columns} FROM recipients ORDER BY id") == [
        (1, number(1), 'say "hi"\n', 3, variables, '{"order":"7"}', "pending", None, 0, 0, 0),
        (2, number(2), None, None, None, None, "pending", None, 0, 0, 0),
        (9, number(3), "", None, None, None, "pending", None, 0, 0, 0),
    ]
    groups = [group for (group,) in stock.rows("SELECT group_id FROM recipients ORDER BY id")]
    assert [stock.do(recipients.group, group) for group in groups] == [LONDON, PARIS, NEW_YORK]
    assert stock.do(reports.totals, [key])[key].recipients == 3


def test_no_start_is_due_at_once(stock):
    """Without a start a recipient is due since ever."""
    assert stock.next_at(stock.campaign(1)) == {number(0): 0}


def test_duplicates_are_told_with_both_places(stock):
    """Within a batch and over batches the first is kept; every later one is told, with the place of the first."""
    key, other = stock.begin("a"), stock.begin("b")
    assert stock.add(other, [(1, number(1))]) == ()
    found = stock.add(key, [(1, number(1)), (2, number(2)), (3, number(1)), (4, number(1))])
    assert sorted(found, key=lambda d: d.position) == [Duplicate(3, number(1), 1), Duplicate(4, number(1), 1)]
    found = stock.add(key, [(5, number(3)), (6, number(2)), (7, number(3)), (8, number(4))])
    assert sorted(found, key=lambda d: d.position) == [Duplicate(6, number(2), 2), Duplicate(7, number(3), 5)]
    assert stock.rows("SELECT position FROM recipients WHERE campaign_id=:k ORDER BY id", k=key) == [
        (1,),
        (2,),
        (5,),
        (8,),
    ]
    assert stock.do(reports.totals, [key])[key].recipients == 4


def test_a_batch_of_duplicates_alone(stock):
    """Nothing is added and every one is told."""
    key = stock.begin()
    stock.add(key, [(1, number(1)), (2, number(2))])
    assert len(stock.add(key, [(3, number(1)), (4, number(2))])) == 2
    assert stock.do(reports.totals, [key])[key].recipients == 2


def test_zone_groups_are_shared(stock):
    """Equal groups have one key, over batches and campaigns; what differs in anything has another."""
    odd = [
        LONDON,
        ZoneGroup(country="GB", zones=()),
        ZoneGroup(country="GB", zones=("Europe/London",), placeless=True),
        ZoneGroup(country=None, zones=("Europe/London",)),
        ZoneGroup(country="GB", zones=("Europe/Jersey", "Europe/London")),
    ]
    a, b = stock.begin("a"), stock.begin("b")
    stock.add(a, [(i + 1, number(i), i) for i in range(5)], odd)
    stock.add(b, [(i + 1, number(i), i) for i in range(5)], odd[::-1])
    keys = [stock.group(group) for group in odd]
    assert len(set(keys)) == 5
    assert stock.one("SELECT count(*) FROM zone_groups") == 5
    assert [stock.do(recipients.group, key) for key in keys] == odd
    of_b = stock.rows("SELECT group_id FROM recipients WHERE campaign_id=:k ORDER BY id", k=b)
    assert [key for (key,) in of_b] == keys[::-1]


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from(["pending", "dialing", "done"])), max_size=40
    )
)
@hypothesis_settings(max_examples=60, deadline=None)
def test_heads_equal_a_plain_recount(people):
    """The walk from group to group finds every group's earliest due instant, and the counts are right too."""
    found = Stock()
    keys = [found.begin(name) for name in ("a", "b")]
    for key in keys:
        groups = (LONDON, NEW_YORK, PARIS)
        found.add(key, [(i + 1, number(i), group) for i, (group, _, _) in enumerate(people)], groups)
        for i, (_, due, state) in enumerate(people):
            due_at = due if key == keys[0] else due + 100
            found.run(
                "UPDATE recipients SET next_at=:d, state=:s WHERE number=:n AND campaign_id=:k",
                d=due_at, s=state, n=number(i), k=key,
            )  # fmt: skip
        counted = found.rows(
            """SELECT group_id, min(next_at), count(*) FROM recipients
               WHERE campaign_id=:k AND state='pending' GROUP BY 1""",
            k=key,
        )
        assert found.do(recipients.heads, key) == {group: due for group, due, _ in counted}
        assert found.do(recipients.pending_by_group, key) == {group: count for group, _, count in counted}
    found.close()


def test_interleaved_loads_stay_apart(stock):
    """Two campaigns that are loaded at the same time, and a third that is discarded between, each keep their own."""
    a, b, c = (stock.begin(name) for name in "abc")
    for round_ in range(3):
        for i, key in enumerate((a, c, b)):
            stock.add(key, [(round_ * 2 + j + 1, number(100 * i + 10 * round_ + j)) for j in range(2)])
        if round_ == 1:
            while stock.do(campaigns.discard_some, c):
                pass
            c = stock.begin("again")
    for key in (a, b):
        stock.publish(key)
    for key in (a, b):
        rows, _ = stock.do(report_pages.report_page, key, 0, 100)
        assert [row.position for row in rows] == [1, 2, 3, 4, 5, 6]
    assert stock.states(a) == stock.states(b) == {("pending", None): 6}
    assert stock.do(campaigns.finish_pending_some, a, Final.CANCELLED, now=NOW) is False
    assert stock.states(b) == {("pending", None): 6}


def test_an_empty_campaign_has_nobody(stock):
    """Where nothing was stored, nothing is found."""
    key = stock.begin()
    stock.publish(key)
    assert stock.do(report_pages.report_page, key, 0, 100) == ([], None)
    assert stock.do(recipients.heads, key) == {}
