"""The simulator under the published conformance suite, with and without a ledger."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dialerd_simulator
import trio
from dialerd_simulator import Simulator, SimulatorOptions

from dialerd.model.instants import HOUR, MINUTE
from dialerd.model.structuring import structure
from dialerd.plugin.conformance import ProviderConformance, Scenario, Tempo

(FACTORY,) = dialerd_simulator.dialerd_providers()

ANSWERING, UNANSWERED, BUSY = "+12125550101", "+12125550102", "+12125550103"

IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None

EPOCH = 1_800_000_000_000

OPTIONS = f"""
ring_time = "1s"
talk_time = "30s"
[numbers]
"{ANSWERING}" = ["answered"]
"{UNANSWERED}" = ["no_answer"]
"{BUSY}" = ["busy"]
"""


class TestWithoutLedger(ProviderConformance):
    """A simulated trunk that keeps no file."""

    factory = FACTORY
    options = OPTIONS
    answered = Scenario(ANSWERING)
    talks_on = Scenario(ANSWERING, options={"talk_time": "3h"})
    rings_on = Scenario(UNANSWERED)
    busy = Scenario(BUSY)
    refused = Scenario("+12125550104", options={"not_placed": 1})
    throttled = Scenario(ANSWERING, options={"capacity": 5, "talk_time": "0s", "ring_time": "0s"})
    lost = Scenario("+12125550104", options={"maybe_placed": 1})
    lines = 50
    tempo = Tempo(patience=HOUR)


class TestWithoutDuration(TestWithoutLedger):
    """Calls that neither ring nor last, as benchmarks and forecasts use them."""

    options = OPTIONS.replace('"1s"', '"0s"').replace('"30s"', '"0s"')
    talks_on = Scenario(ANSWERING, options={"talk_time": "3h", "ring_time": "1s"})


class TestWithLedger(TestWithoutLedger):
    """A simulated trunk that knows its calls again after a restart."""

    # A worker thread writes the ledger, and the clock must not leap while it does; in memory that takes no 50 ms.
    leap_after_s = 0.05
    tempo = Tempo(patience=10 * MINUTE)
    lines = 10

    @asynccontextmanager
    async def network(self) -> AsyncIterator[Mapping[str, Any]]:
        """Keep the ledger in a directory of its own."""
        with TemporaryDirectory(dir=IN_MEMORY) as folder:
            self.ledger = Path(folder) / "ledger.jsonl"
            yield {"ledger": str(self.ledger)}

    def make(self, options: Mapping[str, Any]) -> Simulator:
        """Make a simulator whose ledger is dated on the suite's clock."""
        read = structure(options, SimulatorOptions, path="trunks.conformance.options")
        return Simulator(self.site(), read, now=lambda: EPOCH + int(trio.current_time() * 1000))

    def seen(self) -> int:
        """Return the number of lines in the ledger."""
        return len([json.loads(line) for line in self.ledger.read_text().splitlines()])
