"""Steps of the wall clock, against the monotonic one."""

import pytest
import trio

from dialerd.engine.clock import STEP_MS, Steps


@pytest.mark.parametrize(("by", "remedy"), [(STEP_MS + 1, "are due now"), (-STEP_MS - 1, "never earlier")])
async def test_a_step_is_noticed_once(by, remedy, logged, autojump_clock):
    """Forward and back; what it was stepped by counts from then on, and slewing is no step."""
    steps = Steps(1_000_000)
    await trio.sleep(10)
    assert not steps.stepped(1_010_000)
    assert steps.stepped(1_010_000 + by)
    await trio.sleep(1)
    assert not steps.stepped(1_011_000 + by + STEP_MS)
    assert [(entry["event"], entry["by_s"]) for entry in logged] == [("clock.stepped", round(by / 1000))]
    assert remedy in logged[0]["remedy"]
