"""Aftermath: what is still to be done when a call has ended: its person's wish never to be called again, and what is
known of it only later, such as its price. Nobody waits for the latter: its line is free, and a stop leaves it.
"""

import structlog
import trio

from dialerd.engine.breach import meant
from dialerd.engine.checked import checked_facts
from dialerd.engine.live import LiveCall
from dialerd.engine.suppressing import Suppressing
from dialerd.model.call import Afterwards, CallEnd
from dialerd.model.errors import StoreError, StoreLost
from dialerd.plugin.complaints import Complaints
from dialerd.rules.rests import rest_s
from dialerd.store.attempts import amend
from dialerd.store.store import Store

_log = structlog.get_logger()

_PATIENCE_S = 600.0  # as `CallEnd` says
_TRIES = 10  # to store what was found, over eight minutes
_NOT_FOUND = "the calls stay as they are, without what was to be added: see what the plugin and the carrier say"
_NOT_STORED = "the calls stay as they are, without what was to be added: mend the database, see store.failed"


class Aftermath:
    """Does what remains.

    Args:
        nursery: whose tasks look for what is known later; cancelled before the providers close.
        store: where it is added.
        suppressing: enters numbers.
    """

    def __init__(self, nursery: trio.Nursery, *, store: Store, suppressing: Suppressing) -> None:
        self._nursery = nursery
        self._store = store
        self._suppressing = suppressing
        self._complaints = Complaints()

    def take(self, call: LiveCall, end: CallEnd) -> None:
        """Do what an end asks for besides; to be called in the step in which the dispatcher gets the end.

        Args:
            call: the call.
            end: as its provider told it.
        """
        if end.opted_out:
            self._suppressing.opt_out_soon(call)
        if end.afterwards is not None:
            # by their names: a live call is not to be kept for ten minutes
            claimed = call.claimed
            self._nursery.start_soon(self._find_out, end.afterwards, call.trunk.name, claimed.attempt_id, claimed.uid)

    async def _find_out(self, afterwards: Afterwards, trunk: str, attempt_id: int, uid: str) -> None:
        try:
            with trio.fail_after(_PATIENCE_S):
                facts = checked_facts(await afterwards())
        except BaseException as error:  # noqa: BLE001  # a plugin's fault costs what was to be added, nothing else
            self._complain(trunk, uid, meant(error), _NOT_FOUND)
            return
        if facts is None:
            return
        for failures in range(1, _TRIES + 1):
            trouble: StoreError | None = None
            try:
                if await self._store.write(amend, attempt_id, uid, facts):
                    return
            except StoreLost:
                return  # no end is stored any more either, and that is told
            except StoreError as error:
                trouble = error
            await trio.sleep(rest_s(failures))
        self._complain(trunk, uid, trouble or TimeoutError("the call's end was not stored"), _NOT_STORED)

    def _complain(self, trunk: str, uid: str, error: BaseException, remedy: str) -> None:
        self._complaints.tell(
            _log.warning, "call.afterwards_failed", trunk, trunk=trunk, call_id=uid, error=error, remedy=remedy
        )
