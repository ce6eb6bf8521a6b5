"""Rotation of caller ids."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.model.states import Rotation
from dialerd.rules.rotation import Rotor

A, B, C, D = "+12125550100", "+12125550101", "+12125550102", "+12125550103"
IDS = (A, B, C, D)


def rotor(rotation):
    """Return a rotor over four ids with a seed."""
    return Rotor(rotation, IDS, Random(3))


@pytest.mark.parametrize(
    ("free", "k", "chosen"),
    [
        ({A: 2, B: 2, C: 2}, 1, [A]),
        ({A: 2, B: 2, C: 2}, 3, [A, A, B]),
        ({A: 2, B: 2}, 9, [A, A, B, B]),
        ({A: 0, B: 2}, 1, [B]),
        ({C: 1, A: 1}, 2, [A, C]),
        ({}, 5, []),
        ({A: 1}, 0, []),
        ({A: -3, B: 1}, 2, [B]),
        ({"+12125550199": 5}, 2, []),
    ],
)
def test_sequential(free, k, chosen):
    """The first id is used until it is full, then the next."""
    assert rotor(Rotation.SEQUENTIAL).choose(free, k) == chosen


def test_sequential_comes_back():
    """When the first id has a free slot again, it is the first again."""
    rotor_ = rotor(Rotation.SEQUENTIAL)
    assert rotor_.choose({A: 1, B: 5}, 2) == [A, B]
    assert rotor_.choose({A: 1, B: 4}, 1) == [A]


@pytest.mark.parametrize(
    "turns",
    [
        # (free, k, chosen) one after another on the same rotor
        [
            ({A: 9, B: 9, C: 9, D: 9}, 1, [A]),
            ({A: 9, B: 9, C: 9, D: 9}, 2, [B, C]),
            ({A: 9, B: 9, C: 9, D: 9}, 3, [D, A, B]),
        ],
        [({A: 9, B: 9}, 3, [A, B, A]), ({A: 9, B: 9}, 1, [B])],
        # the one whose turn it is may be full or absent: the next has it, and it does not get two turns later
        [({A: 9, B: 9, C: 9}, 1, [A]), ({A: 9, C: 9}, 1, [C]), ({A: 9, B: 9, C: 9}, 2, [A, B])],
        [({A: 9, B: 0, C: 9}, 2, [A, C]), ({A: 9, B: 9, C: 9, D: 9}, 1, [D])],
        # full ids drop out within one choice
        [({A: 1, B: 3, C: 2}, 9, [A, B, C, B, C, B]), ({A: 9, B: 9, C: 9}, 1, [C])],
        [({}, 3, []), ({A: 1}, 1, [A]), ({A: 1}, 1, [A])],
    ],
)
def test_round_robin(turns):
    """One after another, over several choices, whoever is full or absent in between."""
    rotor_ = rotor(Rotation.ROUND_ROBIN)
    for free, k, chosen in turns:
        assert rotor_.choose(free, k) == chosen


def test_round_robin_is_even():
    """A thousand single choices and a thousand at once give every id the same."""
    free = dict.fromkeys(IDS, 2000)
    one, all_ = rotor(Rotation.ROUND_ROBIN), rotor(Rotation.ROUND_ROBIN)
    singly = [one.choose(free, 1)[0] for _ in range(1000)]
    assert singly == all_.choose(free, 1000)
    assert set(Counter(singly).values()) == {250}


def test_random_is_even_and_repeatable():
    """Random choices reach every id about as often, and follow from the seed."""
    free = dict.fromkeys(IDS, 10_000)
    counts = Counter(rotor(Rotation.RANDOM).choose(free, 8000))
    assert all(1800 < counts[caller_id] < 2200 for caller_id in IDS)
    assert rotor(Rotation.RANDOM).choose(free, 50) == rotor(Rotation.RANDOM).choose(free, 50)


FREE = st.dictionaries(st.sampled_from((*IDS, "+12125550199")), st.integers(-1, 5))


@given(
    rotation=st.sampled_from([Rotation.RANDOM, Rotation.SEQUENTIAL, Rotation.ROUND_ROBIN]),
    turns=st.lists(st.tuples(FREE, st.integers(0, 25)), max_size=6),
)
def test_never_beyond_free_slots(rotation, turns):
    """No id is chosen more often than it has slots, and no slot is left while a call wants one."""
    rotor_ = Rotor(rotation, IDS, Random(0))
    for free, k in turns:
        counts = Counter(rotor_.choose(free, k))
        assert all(n <= free[caller_id] for caller_id, n in counts.items())
        assert counts.total() == min(k, sum(max(0, free.get(caller_id, 0)) for caller_id in IDS))


@given(starts=st.lists(st.integers(1, 7), max_size=10), present=st.sets(st.sampled_from(IDS), min_size=1))
def test_round_robin_never_starves(starts, present):
    """However the calls are cut into choices, the present ids are at most one choice apart."""
    rotor_ = rotor(Rotation.ROUND_ROBIN)
    counts = Counter(dict.fromkeys(present, 0))
    for k in starts:
        counts.update(rotor_.choose(dict.fromkeys(present, 99), k))
        assert max(counts.values()) - min(counts.values()) <= 1


def test_sticky_newcomers_take_turns():
    """Those who keep no caller id yet are spread over all of them."""
    assert Rotor(Rotation.STICKY, (A, B)).choose({A: 9, B: 9}, 4) == [A, B, A, B]


def test_ids_given_twice_count_once():
    """An id that is configured twice has one turn."""
    assert Rotor(Rotation.ROUND_ROBIN, (A, B, A)).choose({A: 9, B: 9}, 4) == [A, B, A, B]
