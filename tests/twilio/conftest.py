"""A clock for every test of the double."""

import pytest
from trio.testing import MockClock


@pytest.fixture
def clock() -> MockClock:
    """Return a clock that jumps; requests on loopback need no time that it could jump over."""
    return MockClock(autojump_threshold=0.005)
