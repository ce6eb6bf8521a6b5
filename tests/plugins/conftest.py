"""A clock for every test that goes over real sockets, and the Twilio double for those that call through it."""

import sys
from pathlib import Path

import pytest
from trio.testing import MockClock

sys.path.append(str(Path(__file__).parents[1] / "twilio"))  # the double's modules are wanted here too


@pytest.fixture
def clock() -> MockClock:
    """Return a clock that leaps while everything waits; sockets need a moment of real time."""
    return MockClock(autojump_threshold=0.005)
