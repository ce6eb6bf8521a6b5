"""Rests: they double, up to a bound."""

import pytest

from dialerd.rules.rests import LONGEST_REST_S, rest_s


def test_rests_double():
    """Each failure in a row doubles the rest, up to the longest."""
    assert [rest_s(failures) for failures in range(1, 9)] == [1, 2, 4, 8, 16, 32, LONGEST_REST_S, LONGEST_REST_S]


@pytest.mark.parametrize("longest_s", [0.5, 60.0, 3600.0])
def test_the_bound_holds(longest_s):
    """However often something fails, it is tried again."""
    assert rest_s(10_000, longest_s) == longest_s
