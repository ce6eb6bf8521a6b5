"""Refunds: their delays and their bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.model.instants import DAY, HOUR, MINUTE, SECOND
from dialerd.rules.refund import BOUND, refund


@pytest.mark.parametrize(
    ("refunds", "retry_after", "wait"),
    [
        (0, None, SECOND),
        (1, None, 2 * SECOND),
        (2, None, 4 * SECOND),
        (8, None, 256 * SECOND),
        (9, None, 5 * MINUTE),
        (BOUND - 1, None, 5 * MINUTE),
        (0, 30 * SECOND, 30 * SECOND),
        (0, 500, SECOND),
        (0, 0, SECOND),
        (20, 10 * MINUTE, 10 * MINUTE),
        (20, MINUTE, 5 * MINUTE),
        (0, DAY, HOUR),
        (20, 10**15, HOUR),
    ],
)
def test_delay(refunds, retry_after, wait):
    """The delay doubles up to five minutes; the carrier's wish wins where it is longer, up to an hour."""
    assert refund(refunds=refunds, retry_after=retry_after, now=7) == 7 + wait


@pytest.mark.parametrize("retry_after", [None, SECOND, DAY])
def test_bound(retry_after):
    """After the last refund the attempt counts, whatever the carrier wishes."""
    assert refund(refunds=BOUND, retry_after=retry_after, now=0) is None
    assert refund(refunds=10**6, retry_after=retry_after, now=0) is None


def test_outage_of_hours():
    """Somebody who is asked at every opportunity outlasts an outage of seven hours without losing an attempt."""
    now = refunds = 0
    while (at := refund(refunds=refunds, now=now)) is not None:
        now, refunds = at, refunds + 1
    assert refunds == BOUND
    assert 7 * HOUR < now < 8 * HOUR


@given(refunds=st.integers(0, BOUND - 2), retry_after=st.none() | st.integers(0, DAY))
def test_never_shrinks(refunds, retry_after):
    """A later refund never waits less than an earlier one."""
    first = refund(refunds=refunds, retry_after=retry_after, now=0)
    later = refund(refunds=refunds + 1, retry_after=retry_after, now=0)
    assert first is not None
    assert later is not None
    assert SECOND <= first <= later <= HOUR
