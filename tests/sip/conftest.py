"""The clock of tests over sockets."""

import math
from typing import Any

import pytest
import trio
from trio.testing import MockClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MockClock:
    """Return a clock that jumps where nothing happens, and stands still while a thread is at work for the test."""
    clock = MockClock(autojump_threshold=0.005)
    run_sync, threshold, at_work = trio.to_thread.run_sync, clock.autojump_threshold, 0

    async def awaited(*arguments: Any, **options: Any) -> Any:
        nonlocal at_work
        at_work += 1
        clock.autojump_threshold = math.inf
        try:
            return await run_sync(*arguments, **options)
        finally:
            at_work -= 1
            if not at_work:
                clock.autojump_threshold = threshold

    monkeypatch.setattr(trio.to_thread, "run_sync", awaited)
    return clock
