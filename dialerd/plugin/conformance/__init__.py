"""The conformance suite: what every provider must do, as tests that a third party runs with pytest against its own.

    class TestMyProvider(ProviderConformance):
        factory = ProviderFactory(name="mine", options=MyOptions, make=MyProvider)
        answered = Scenario("+12125550100")

Each check is an async function over a `Rehearsal`; they stand in the files beside this one, by subject. A check whose
scenario is not given is skipped and says which; it never passes silently. Needs pytest, but no plugin of it. Knows
nothing of the store and the engine: orders and reports are the suite's own.
"""

from dialerd.plugin.conformance.order import RehearsedOrder
from dialerd.plugin.conformance.recorder import Recorder
from dialerd.plugin.conformance.rehearsal import Placement, Rehearsal
from dialerd.plugin.conformance.scenario import Scenario, Tempo, Violation
from dialerd.plugin.conformance.suite import CHECKS, ProviderConformance

__all__ = [
    "CHECKS",
    "Placement",
    "ProviderConformance",
    "Recorder",
    "Rehearsal",
    "RehearsedOrder",
    "Scenario",
    "Tempo",
    "Violation",
]
