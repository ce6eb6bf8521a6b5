"""Spans of time against sets of whole numbers."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dialerd.rules.spans import Span, intersect, merge, without

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


def members(spans: list[Span]) -> set[int]:
    """Return every whole number in `spans`."""
    return {number for start, end in spans for number in range(start, end)}


def is_tidy(spans: list[Span]) -> bool:
    """Tell whether `spans` are sorted, not empty, disjoint and do not touch."""
    edges = [edge for span in spans for edge in span]
    return all(left < right for left, right in pairwise(edges))


@given(SPANS, SPANS)
def test_set_algebra(left: list[Span], right: list[Span]) -> None:
    """Merging, intersecting and cutting out do what they do to sets, and leave tidy spans."""
    one, two = merge(left), merge(right)
    assert is_tidy(one)
    assert members(one) == members(left)
    assert is_tidy(intersect(one, two))
    assert members(intersect(one, two)) == members(one) & members(two)
    assert is_tidy(without((5, 35), two))
    assert members(without((5, 35), two)) == set(range(5, 35)) - members(two)
