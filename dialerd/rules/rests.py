"""Rests: how long something that failed is left alone before it is tried again."""

from typing import Final

FIRST_REST_S: Final = 1.0
"""Seconds after the first failure; most troubles of files and networks are over by then."""

LONGEST_REST_S: Final = 60.0
"""Seconds beyond which a rest does not grow, unless its caller says otherwise."""

_MOST_DOUBLINGS: Final = 60
"""Bound of the exponent: beyond any rest that somebody would wait for, far below where a float overflows."""


def rest_s(failures: int, longest_s: float = LONGEST_REST_S) -> float:
    """Return how long, in seconds, something is left alone that failed `failures` times in a row; it doubles.

    Args:
        failures: at least 1.
        longest_s: bound of the rest, in seconds.
    """
    return min(FIRST_REST_S * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest_s)
