"""What the engine counts of its calls: plain numbers, because every call is counted. Knows nothing of who asks."""

from typing import Final

from dialerd.model.histogram import Histogram

DELAYS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)


class Figures:
    """The counts of this life of the daemon.

    Attributes:
        calls: ended calls, by trunk and outcome.
        refunded: how many of them did not count, because nothing rang.
        delays: seconds from the instant at which somebody could have been rung to that at which the call left.
    """

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], int] = {}
        self.refunded = 0
        self.delays = Histogram(DELAYS_S)
        self.left = self.delays.count

    def ended(self, trunk: str, outcome: str, refunded: bool) -> None:
        """Count a call's end."""
        key = (trunk, outcome)
        self.calls[key] = self.calls.get(key, 0) + 1
        self.refunded += refunded
