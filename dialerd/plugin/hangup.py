"""The wish that a call be ended, as its provider watches it."""

from collections.abc import Callable

import structlog
import trio

from dialerd.plugin.complaints import Complaints
from dialerd.plugin.raised import spare_ctrl_c

_log = structlog.get_logger()

_shared: trio.lowlevel.RunVar[Complaints] = trio.lowlevel.RunVar("complaints")


class HangUp:
    """Set once the call is to be ended; it stays set.

    A provider watches it with `await hangup.wait()`, or, where a waiting task a call is too dear, with `notify`.
    """

    __slots__ = ("_event", "_set", "_told")

    def __init__(self) -> None:
        self._set = False
        self._event: trio.Event | None = None
        self._told: Callable[[], None] | None = None

    def is_set(self) -> bool:
        """Tell whether the call is to be ended."""
        return self._set

    def set(self) -> None:
        """Have the call ended; a second time does nothing."""
        if self._set:
            return
        self._set = True
        if self._event is not None:
            self._event.set()
        if (told := self._told) is not None:
            self._told = None
            _tell(told)

    async def wait(self) -> None:
        """Wait until the call is to be ended."""
        if self._set:
            await trio.lowlevel.checkpoint()
            return
        if self._event is None:
            self._event = trio.Event()
        await self._event.wait()

    def notify(self, told: Callable[[], None] | None) -> None:
        """Have `told` called when the call is to be ended, at once where it is already.

        Args:
            told: synchronous and cheap; replaces the one before. None = nobody is told any more.
        """
        if told is not None and self._set:
            self._told = None
            _tell(told)
        else:
            self._told = told


def _tell(told: Callable[[], None]) -> None:
    """Call what a plugin handed over; its fault must not keep others from being told."""
    try:
        told()
    except BaseException as error:  # noqa: BLE001  # a stop and a cancel tell many calls, one after the other
        spare_ctrl_c(error)
        _complaints().tell(
            _log.error,
            "provider.deaf",
            type(error).__name__,
            error=error,
            trace=True,
            remedy="a provider plugin failed when it was told to hang up, and its call may go on: report this to the "
            "plugin's author",
        )


def _complaints() -> Complaints:
    """Return what the calls of this event loop share: each has a hang-up of its own, and one plugin may fail in all."""
    try:
        return _shared.get()
    except LookupError:
        complaints = Complaints()
        _shared.set(complaints)
        return complaints
