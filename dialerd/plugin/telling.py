"""Telling plugins what they want to be told, by the functions that they handed over for it."""

from collections.abc import Callable
from typing import Any

import structlog
import trio

from dialerd.plugin.complaints import Complaints
from dialerd.plugin.raised import spare_ctrl_c

_log = structlog.get_logger()

_shared: trio.lowlevel.RunVar[Complaints] = trio.lowlevel.RunVar("complaints")


def tell(told: Callable[..., None], *words: Any, over: str) -> None:
    """Call what a plugin handed over; its fault must not keep others from being told.

    Args:
        told: what is called.
        words: what with.
        over: what it is told of, for the log: `hangup`, `stored`.
    """
    try:
        told(*words)
    except BaseException as error:  # noqa: BLE001  # a stop, a cancel and a turn tell many calls, one after the other
        spare_ctrl_c(error)
        _complaints().tell(
            _log.error,
            "provider.deaf",
            f"{over} {type(error).__name__}",
            over=over,
            error=error,
            trace=True,
            remedy="a provider plugin failed when it was told that a call is to be hung up, or that what it reported "
            "is stored (see over), and the call may go on: report this to the plugin's author",
        )


def _complaints() -> Complaints:
    """Return what the calls of this event loop share: each tells its own plugin, and one plugin may fail in all."""
    try:
        return _shared.get()
    except LookupError:
        complaints = Complaints()
        _shared.set(complaints)
        return complaints
