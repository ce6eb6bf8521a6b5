"""What a pretended carrier refuses to take: calls above its capacity, and all calls in an outage.

Time is the caller's seconds, on whatever clock it runs. Knows nothing of trio.
"""

from math import ceil, inf

from dialerd.model.call import Cause
from dialerd.model.instants import Duration
from dialerd.model.states import AtFault
from dialerd.plugin.provider import NotPlaced, Throttled
from dialerd_simulator.options import SimulatorOptions


class Carrier:
    """Judges whether a trunk takes one more call.

    Args:
        options: the trunk's options.
        start_s: now, in seconds of any clock.
    """

    def __init__(self, options: SimulatorOptions, start_s: float) -> None:
        self._start_s = start_s
        self._outages = options.outages
        self._channels = options.max_channels or inf
        self._per_second = options.capacity
        self._depth = max(1.0, options.capacity or 1.0)
        self._left = self._depth
        self._filled_s = start_s
        self.refuses_nothing = not (self._outages or options.max_channels or options.capacity)

    def silence(self, now_s: float) -> Duration:
        """Return how long the carrier will answer nothing at all; 0 = it answers."""
        passed = int((now_s - self._start_s) * 1000)
        return max((outage.left_at(passed) for outage in self._outages if outage.silent), default=0)

    def admit(self, calls: int, now_s: float) -> None:
        """Take one more call.

        Args:
            calls: calls in progress, without this one.
            now_s: now, in seconds of the same clock as at the start.

        Raises:
            NotPlaced: there is an outage.
            Throttled: it is one too many.
        """
        passed = int((now_s - self._start_s) * 1000)
        if any(outage.left_at(passed) for outage in self._outages):
            raise NotPlaced(OUT_OF_SERVICE)
        if calls >= self._channels:
            raise Throttled(None, _NO_CHANNEL)
        if self._per_second is None:
            return
        self._left = min(self._depth, self._left + (now_s - self._filled_s) * self._per_second)
        self._filled_s = now_s
        if self._left < 1:
            wait_ms = ceil((1 - self._left) / self._per_second * 1000)
            raise Throttled(max(1, wait_ms), _TOO_FAST)
        self._left -= 1


# Q.850 (05/2018), table 1: 38 network out of order, 34 no circuit available, 42 switching equipment congestion.
OUT_OF_SERVICE = Cause(fault=AtFault.TRUNK, q850=38, code="503", detail="simulated outage of the trunk")
_NO_CHANNEL = Cause(fault=AtFault.TRUNK, q850=34, code="503", detail="all simulated channels are busy")
_TOO_FAST = Cause(
    fault=AtFault.TRUNK, q850=42, code="503", detail="more calls per second than the simulated trunk takes"
)
