"""What the service manager is told all through the daemon's life: what a start or a stop waits for, and how it stands.

Knows nothing of how it is told, which is `systemd.py`'s, nor of how the figures read, which is `standing.py`'s.
"""

from collections.abc import Callable
from typing import Final

import trio

from dialerd.daemon.standing import Standing
from dialerd.daemon.systemd import Manager

_EVERY_S: Final = 5.0  # a change costs the manager a message to everybody who watches the unit
_EVERY_UNDER_WAY_S: Final = 1.0
_EXTEND_S: Final = 30.0
"""How long a start or a stop may go on without a word before its timeout in the unit counts: the loop is stuck then."""


class Bulletin:
    """Tells the manager, all the time.

    Args:
        manager: who is told.
    """

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._words: Callable[[], str] = lambda: "starting: opening the database, bringing its schema up to date"
        self._note = ""
        self._under_way = True
        self._stop = trio.Event()
        self._hung_up_at_s = 0.0

    async def run(self) -> None:
        """Tell until cancelled."""
        while self._manager.listens:
            extend_s = _EXTEND_S if self._under_way else None
            self._manager.status(self.line(), extend_s=extend_s)
            if self._stop.is_set():
                await trio.sleep(_EVERY_UNDER_WAY_S)
            else:
                with trio.move_on_after(_EVERY_UNDER_WAY_S if self._under_way else _EVERY_S):
                    await self._stop.wait()  # time for the drain is asked for at once

    def starting(self, standing: Standing) -> None:
        """Note that the engine comes up, and who puts its figures into words."""
        self._standing = standing
        self._words = standing.starting

    def started(self) -> None:
        """Tell that calls may leave and files are taken."""
        if not self._stop.is_set():
            self._under_way = False
            self._words = self._standing.dialling
            self._manager.ready(self.line())

    def reloading(self) -> None:
        """Tell that the settings are read again."""
        if not self._under_way:  # in a start or a stop the manager waits for something else
            self._manager.reloading()

    def reloaded(self, *, refused: bool) -> None:
        """Tell that the settings were read again.

        Args:
            refused: they have faults and were not taken; the status says so until others are.
        """
        read_at = self._standing.clock()
        self._note = f"settings read at {read_at} refused, see the journal; " if refused else ""
        if not self._under_way:
            self._manager.ready(self.line())

    def stopping(self, drain_s: float) -> None:
        """Tell that the end has begun.

        Args:
            drain_s: how long calls may go on.
        """
        self._under_way = True
        self._stop.set()
        self._note = ""
        self._hung_up_at_s = trio.current_time() + drain_s
        self._words = lambda: self._standing.draining(self._hung_up_at_s)
        self._manager.stopping(self.line())

    def hanging_up(self) -> None:
        """Note that calls are hung up now."""
        self._hung_up_at_s = trio.current_time()

    def line(self) -> str:
        """Return how the daemon stands, in one line."""
        return self._note + self._words()
