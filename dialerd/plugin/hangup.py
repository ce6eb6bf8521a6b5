"""The wish that a call be ended, as its provider watches it."""

from collections.abc import Callable

import trio

from dialerd.plugin.telling import tell


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
            tell(told, over="hangup")

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
            tell(told, over="hangup")
        else:
            self._told = told
