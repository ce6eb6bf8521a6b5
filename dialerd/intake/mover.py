"""The mover: carries out departures, many at once, until each is done, and then marks them in the store.

Many files share the waits for the disk. Nothing is lost when a folder is full or may not be written to: what cannot
leave stays in `incoming/`, and is tried again, more and more slowly.
"""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

import structlog
import trio

from dialerd.intake import durable
from dialerd.intake.departure import Departure, carry_out_all
from dialerd.intake.folders import Folders
from dialerd.intake.kinds import shown
from dialerd.intake.troubles import Troubles, what_to_do
from dialerd.rules.rests import rest_s
from dialerd.store import spool_files
from dialerd.store.store import Store

_AT_ONCE: Final = 256  # departures that share one wait for the disk; more would keep the first waiting
_GATHER_S: Final = 0.1  # after some have left, the next gather; every wait for the disk holds up the store's

_log = structlog.get_logger()


class Claimed(Protocol):
    """Tells whether a recipients file is asked for by another campaign file than those that leave."""

    def __call__(self, name: str, *, besides: frozenset[str]) -> bool: ...


class Mover:
    """Carries out departures.

    Args:
        folders: of the spool.
        store: where files are marked as moved.
        claimed: whether recipients must stay for another campaign file.
        gone: told each departure that is done.
    """

    def __init__(self, folders: Folders, store: Store, *, claimed: Claimed, gone: Callable[[Departure], None]) -> None:
        self._folders = folders
        self._store = store
        self._claimed = claimed
        self._gone = gone
        self._waiting: list[Departure] = []
        self._work = trio.Event()
        self._troubles = Troubles()

    def add(self, departure: Departure) -> None:
        """Take over a departure."""
        self._waiting.append(departure)
        self._work.set()

    async def catch_up(self, departures: Iterable[Departure]) -> None:
        """Carry out what a former life left, before anything else; what fails is tried again later."""
        self._waiting += departures
        now_s = trio.current_time()
        while any(departure.retry_at <= now_s for departure in self._waiting):
            await self.carry_out(now_s)

    async def run(self) -> None:
        """Carry out departures until cancelled."""
        while True:
            now_s = trio.current_time()
            with trio.move_on_at(min((d.retry_at for d in self._waiting), default=float("inf"))):
                if all(departure.retry_at > now_s for departure in self._waiting):
                    self._work = trio.Event()
                    await self._work.wait()
            await self.carry_out(trio.current_time())
            await trio.sleep(_GATHER_S)

    async def carry_out(self, now_s: float) -> None:
        """Carry out what is due, a handful at once.

        Args:
            now_s: monotonic seconds.
        """
        due = [departure for departure in self._waiting if departure.retry_at <= now_s][:_AT_ONCE]
        if not due:
            await trio.lowlevel.checkpoint()
            return
        leaving = frozenset(departure.spec for departure in self._waiting)
        wanted = {departure.recipients for departure in due if departure.recipients is not None}
        kept = frozenset(name for name in wanted if self._claimed(name, besides=leaving))
        try:
            await trio.to_thread.run_sync(carry_out_all, due, self._folders, kept)
            done = [departure for departure in due if departure.error is None]
            await self._mark(done)
        except Exception as error:  # noqa: BLE001  # what cannot leave now must stop neither the others nor the daemon
            self._rest(due, now_s)
            self._tell([(departure, error) for departure in due], now_s)
            return
        gone = set(map(id, done))
        self._waiting = [departure for departure in self._waiting if id(departure) not in gone]
        for departure in done:
            self._gone(departure)
        if failed := [departure for departure in due if departure.error is not None]:
            self._rest(failed, now_s)
            self._tell([(departure, departure.error) for departure in failed if departure.error is not None], now_s)
            for departure in failed:
                await self._complain(departure)

    async def _mark(self, done: Iterable[Departure]) -> None:
        fingerprints = [departure.fingerprint for departure in done if departure.fingerprint is not None]
        if fingerprints:
            await self._store.write(spool_files.mark_moved, *fingerprints)

    def _rest(self, departures: Iterable[Departure], now_s: float) -> None:
        for departure in departures:
            departure.failures += 1
            departure.retry_at = now_s + rest_s(departure.failures)

    def _tell(self, failed: Iterable[tuple[Departure, Exception]], now_s: float) -> None:
        for departure, error in failed:
            self._troubles.meet(departure.spec, error, departure.folder, failures=departure.failures, now_s=now_s)
        for fields in self._troubles.due(now_s):
            _log.warning("spool.move_failed", **fields)

    async def _complain(self, departure: Departure) -> None:
        error = departure.error
        assert error is not None
        if error.errno in durable.FULL:  # a note would find no room either
            return
        try:
            await trio.to_thread.run_sync(departure.explain_beside, self._folders, error)
        except OSError as second:
            if departure.failures == 1:
                _log.warning(
                    "spool.note_failed",
                    file=shown(departure.spec),
                    error=second.strerror or str(second),
                    remedy=what_to_do(second, self._folders.incoming),
                )
