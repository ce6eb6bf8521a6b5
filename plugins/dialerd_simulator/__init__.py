"""A phone network that rings nobody: the provider `simulator`, for trials, forecasts, tests and benchmarks.

What becomes of a call is a pure function of the seed and the attempt's id (`fate`); the calls that the pretended
network took are in a ledger, so that it knows them again after a restart as a carrier would (`ledger`). Knows nothing
of campaigns, stores and the engine.
"""

from collections.abc import Iterable

from dialerd.plugin.hookspecs import ProviderFactory, hookimpl
from dialerd_simulator.options import SimulatorOptions
from dialerd_simulator.provider import Simulator

__all__ = ["Simulator", "SimulatorOptions", "dialerd_providers"]


@hookimpl
def dialerd_providers() -> Iterable[ProviderFactory]:
    """Offer the provider `simulator`."""
    return [ProviderFactory(name="simulator", options=SimulatorOptions, make=Simulator)]
