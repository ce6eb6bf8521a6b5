"""Sharing lines among campaigns."""

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.rules.fairness import FairShare


def fair(**weights):
    """Return a share in which each of `weights` wants lines."""
    share = FairShare()
    for key, weight in weights.items():
        share.wants(key, weight)
    return share


def given_in(share, lines, turns):
    """Return how many lines each key got in `turns` shares of `lines`."""
    counts = Counter()
    for _ in range(turns):
        counts.update(dict(share.share(lines)))
    return counts


@pytest.mark.parametrize(
    ("weights", "lines", "turns", "expected"),
    [
        ({"a": 10}, 500, 1, {"a": 500}),
        ({"a": 10, "b": 10}, 500, 1, {"a": 250, "b": 250}),
        ({"a": 10, "b": 30}, 400, 1, {"a": 100, "b": 300}),
        ({"a": 10, "b": 30}, 1, 400, {"a": 100, "b": 300}),
        ({"a": 1, "b": 100}, 101, 10, {"a": 10, "b": 1000}),
        ({"a": 10, "b": 20, "c": 30}, 7, 60, {"a": 70, "b": 140, "c": 210}),
        ({}, 5, 1, {}),
        ({"a": 1}, 0, 1, {}),
    ],
)
def test_by_weight(weights, lines, turns, expected):
    """Over time lines go by weight, in whatever portions they come."""
    counts = given_in(fair(**weights), lines, turns)
    assert set(counts) == set(expected)
    assert all(abs(counts[key] - n) <= 1 for key, n in expected.items())
    assert counts.total() == lines * turns if weights else counts.total() == 0


def test_a_small_one_is_served_next():
    """A campaign that comes after a million lines of another is served at the next line."""
    share = fair(big=10)
    given_in(share, 500, 2000)
    share.wants("small", 10)
    assert dict(share.share(1)) == {"small": 1}
    assert dict(share.share(20)) == {"small": 10, "big": 10}


@pytest.mark.parametrize("weight", [1, 10, 100])
def test_idle_time_is_no_claim(weight):
    """Whoever rested for a thousand lines gets its part of the next hundred and no more."""
    share = fair(a=weight, b=weight)
    share.share(100)
    share.rests("b")
    share.share(1000)
    share.wants("b", weight)
    counts = Counter(dict(share.share(100)))
    assert abs(counts["a"] - counts["b"]) <= 2


def test_resting_does_not_jump_the_queue():
    """Whoever is ahead and rests for a moment does not come back before those who waited."""
    share = FairShare()
    share.wants("a", 1)
    assert share.share(1) == [("a", 1)]  # its tag is one line ahead now
    share.rests("a")
    share.wants("b", 1)
    share.wants("a", 1)
    assert share.share(1) == [("b", 1)]


def test_coming_back_does_not_jump_the_queue():
    """The same for one that had all it could use and wants more."""
    share = FairShare()
    share.wants("a", 1, upto=1)
    assert share.share(1) == [("a", 1)]
    share.wants("a", 1)
    share.wants("b", 1)
    assert share.share(1) == [("b", 1)]


def test_upto():
    """Nobody gets more than it can use; the others have the rest; who has all it can use rests."""
    share = FairShare()
    share.wants("a", 10, upto=3)
    share.wants("b", 10)
    assert dict(share.share(100)) == {"a": 3, "b": 97}
    assert dict(share.share(10)) == {"b": 10}
    share.wants("a", 10, upto=1)
    assert dict(share.share(10)) == {"a": 1, "b": 9}
    share.rests("b")
    assert share.share(10) == []


def test_upto_may_be_nothing():
    """A bound of 0 is a rest, before and during."""
    share = fair(a=1)
    share.wants("a", 1, upto=0)
    share.wants("b", 1, upto=0)
    assert share.share(5) == []
    share.wants("a", 1)
    assert share.share(5) == [("a", 5)]


def test_upto_counts_down_over_shares():
    """A bound holds over several shares until it is told anew."""
    share = FairShare()
    share.wants("a", 1, upto=5)
    assert [share.share(2), share.share(2), share.share(2), share.share(2)] == [[("a", 2)], [("a", 2)], [("a", 1)], []]


def test_give_back():
    """Lines that could not be used are not charged for."""
    share = fair(a=1, b=1)
    for _ in range(50):
        got = dict(share.share(10))
        share.give_back("a", got["a"] - 1)  # it can place one call a turn
    assert abs(got["a"] - got["b"]) <= 2  # and has neither lost its part nor gathered a claim


def test_give_back_restores_the_order():
    """One whose single line came back is served before one that used its own."""
    share = fair(a=1, b=1)
    assert dict(share.share(2)) == {"a": 1, "b": 1}
    share.give_back("b", 1)
    assert share.share(1) == [("b", 1)]


def test_give_back_restores_the_bound():
    """Lines given back can be used later; one that rests goes on resting."""
    share = FairShare()
    share.wants("a", 1, upto=5)
    share.share(3)
    share.give_back("a", 2)
    assert share.share(9) == [("a", 4)]
    share.give_back("a", 4)
    assert share.share(9) == []


def test_forget():
    """An ended campaign gets nothing; the same key later is a newcomer."""
    share = fair(a=1, b=1)
    share.share(10)
    share.forget("a")
    assert share.share(4) == [("b", 4)]
    share.forget("nobody")
    share.rests("nobody")
    share.give_back("nobody", 3)
    share.wants("a", 1)
    counts = Counter(dict(share.share(10)))
    assert abs(counts["a"] - counts["b"]) <= 2


def test_memory_is_bounded():
    """Neither giving back nor coming and going makes it grow."""
    share = fair(a=1, b=1)
    for turn in range(5000):
        for key, n in share.share(4):
            share.give_back(key, n)
        share.wants(("passing", turn), 1)
        share.forget(("passing", turn))
    assert len(share._heap) < 200
    assert len(share._flows) == 2


def test_memory_is_bounded_without_a_line():
    """Campaigns that come and go while no line is free leave nothing behind, and who rests meanwhile is not lost."""
    share = fair(a=1, b=1)
    share.rests("b")
    for turn in range(5000):
        share.wants(("passing", turn), 1)
        share.forget(("passing", turn))
    assert len(share._heap) < 200
    share.wants("b", 1)
    assert dict(share.share(4)) == {"a": 2, "b": 2}


def test_thousands():
    """Ten thousand campaigns that want 500 lines get one each, and each its turn."""
    share = FairShare()
    for key in range(10_000):
        share.wants(key, 10)
    counts = given_in(share, 500, 20)
    assert len(counts) == 10_000
    assert set(counts.values()) == {1}


class Books:
    """A share with plain books beside it: who wants how much, and what each pair got while both wanted lines."""

    def __init__(self, weights):
        self.share_ = FairShare()
        self.weights = weights
        self.wanting = {}
        self.got = {}  # in the last share
        self.since = {pair: Counter() for pair in combinations(weights, 2)}

    def disturbed(self, key):
        """Begin anew with every pair of `key`: it did not want lines all the time."""
        for pair in self.since:
            if key in pair:
                self.since[pair] = Counter()

    def share(self, lines):
        """Share; hold the result against the books."""
        shares = self.share_.share(lines)
        self.got = dict(shares)
        assert len(self.got) == len(shares)
        assert sum(self.got.values()) == min(lines, sum(self.wanting.values()))
        for key, n in shares:
            assert 0 < n <= self.wanting[key]
            self.wanting[key] -= n
            if not self.wanting[key]:
                self.rests(key)
        for (one, two), counts in self.since.items():
            counts.update({key: self.got.get(key, 0) for key in (one, two)})
            if one in self.wanting and two in self.wanting:
                lag = abs(counts[one] / self.weights[one] - counts[two] / self.weights[two])
                assert lag <= 1 / self.weights[one] + 1 / self.weights[two] + 1e-6

    def wants(self, key, upto):
        """Want up to `upto` lines."""
        self.share_.wants(key, self.weights[key], upto)
        if key not in self.wanting:
            self.disturbed(key)
        self.wanting[key] = float("inf") if upto is None else upto
        if upto == 0:
            self.rests(key)

    def rests(self, key):
        """Want nothing."""
        self.share_.rests(key)
        self.wanting.pop(key, None)
        self.disturbed(key)

    def forget(self, key):
        """End."""
        self.share_.forget(key)
        self.rests(key)
        self.got.pop(key, None)

    def give_back(self, key, n):
        """Give back up to `n` of the lines got last."""
        n = min(n, self.got.pop(key, 0))
        self.share_.give_back(key, n)
        if key in self.wanting:
            self.wanting[key] += n
        self.disturbed(key)


KEYS = st.sampled_from("abcde")
LINES = st.integers(0, 30)
STEPS = st.one_of(
    st.tuples(st.just("share"), LINES),
    st.tuples(st.just("share"), LINES),
    st.tuples(st.just("wants"), KEYS, st.none() | st.integers(0, 12)),
    st.tuples(st.just("wants"), KEYS, st.none()),
    st.tuples(st.sampled_from(["rests", "forget"]), KEYS),
    st.tuples(st.just("give_back"), KEYS, LINES),
)


@settings(max_examples=300)
@given(
    weights=st.fixed_dictionaries({key: st.integers(1, 100) for key in "abcde"}),
    steps=st.lists(STEPS, max_size=60),
)
def test_any_history(weights, steps):
    """No line is lost or given to who does not want it, and while two want lines each has its part by weight."""
    books = Books(weights)
    for verb, *values in steps:
        getattr(books, verb)(*values)
