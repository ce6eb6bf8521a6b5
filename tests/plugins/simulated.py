"""What the simulator's tests share: orders, a report that keeps what it is told, and a wall clock on trio's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio
from dialerd_simulator import Simulator, SimulatorOptions

from dialerd.model.call import AttemptRef
from dialerd.model.instants import Instant
from dialerd.model.settings import AgentSettings
from dialerd.model.states import Outcome
from dialerd.plugin.conformance import Recorder, RehearsedOrder
from dialerd.plugin.provider import CallEvent, TrunkSite

NUMBER = "+12125550123"
CALLER_ID = "+12125550100"
EPOCH: Instant = 1_800_000_000_000

AT_ONCE: dict[str, Any] = {"ring_time": 0, "talk_time": 0, "outcomes": {Outcome.ANSWERED: 1.0}}
"""Options under which every call is answered and over in the same instant."""


def now() -> Instant:
    """Return a wall clock's instant that goes with trio's clock."""
    return EPOCH + int(trio.current_time() * 1000)


def simulator(**options: Any) -> Simulator:
    """Return a simulated trunk that answers at once, but for `options`."""
    return Simulator(TrunkSite(name="lab"), SimulatorOptions(**AT_ONCE | options), now=now)


def order(attempt_id: str = "a1", **changes: Any) -> RehearsedOrder:
    """Return an order."""
    wanted: dict[str, Any] = {
        "attempt_id": attempt_id,
        "trunk": "lab",
        "number": NUMBER,
        "caller_id": CALLER_ID,
        "agent_name": "agent",
        "agent": AgentSettings(say="hello"),
    }
    return RehearsedOrder(**wanted | changes)


def ref(attempt_id: str = "a1", **changes: Any) -> AttemptRef:
    """Return an attempt of a former life."""
    wanted: dict[str, Any] = {
        "attempt_id": attempt_id,
        "number": NUMBER,
        "caller_id": CALLER_ID,
        "claimed_at": EPOCH,
        "reference": None,
        "state": None,
        "ring_timeout": 45_000,
        "max_duration": 1_800_000,
    }
    return AttemptRef(**wanted | changes)


class Log(Recorder):
    """A `Recorder` whose events are told by their names."""

    def names(self) -> list[str]:
        """Return the names of the events, in order."""
        return [type(told.event).__name__ for told in self.told]


def log(on_event: Callable[[CallEvent], None] | None = None) -> Log:
    """Return a report that keeps what it is told."""
    return Log(None, on_event)


def lines(path: Path) -> list[str]:
    """Return the lines of a ledger."""
    return path.read_text().splitlines()
