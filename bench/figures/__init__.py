"""The figures: a module each, whose docstring tells what is measured and whose `rows` measures it.

`rows(scale)` divides counts by `scale`, 1 or 10.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from bench.figures import (
    api,
    bullmq,
    calls,
    cost,
    events,
    files,
    forecast,
    hold,
    intake,
    opening,
    restart,
    sip,
    sizes,
    streams,
    twilio,
)
from bench.table import Row


class Figure(Protocol):
    """A module of this package."""

    def rows(self, scale: int) -> Sequence[Row]:
        """Measure."""


FIGURES: Final[dict[str, Figure]] = {
    "bullmq": bullmq,
    "calls": calls,
    "cost": cost,
    "hold": hold,
    "sizes": sizes,
    "opening": opening,
    "intake": intake,
    "restart": restart,
    "files": files,
    "forecast": forecast,
    "api": api,
    "events": events,
    "twilio": twilio,
    "streams": streams,
    "sip": sip,
}
