"""An order without an engine: it notes when it leaves, and can be withdrawn."""

import trio
from attrs import define, field

from dialerd.plugin.provider import CallOrder


@define(kw_only=True, slots=True, eq=False)
class RehearsedOrder(CallOrder):
    """A `CallOrder` whose leaving is under control.

    Args:
        withdrawal: what `leave` raises, or None to let the call leave.
        left_at_s: trio's times at which `leave` was called.
    """

    withdrawal: Exception | None = None
    left_at_s: list[float] = field(factory=list)

    def leave(self) -> None:
        """Note the leaving; raise the withdrawal where there is one."""
        self.left_at_s.append(trio.current_time())
        if self.withdrawal is not None:
            raise self.withdrawal
