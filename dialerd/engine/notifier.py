"""The notifier: tells each plugin that listens every notice, in order, at least once.

Notices are rows written in the transaction of what they tell. Each plugin's place among them is durable; one that fails
is told the same again later and holds up nobody else.
"""

from collections.abc import Mapping

import structlog
import trio

from dialerd.engine.breach import meant
from dialerd.model.errors import StoreError
from dialerd.plugin.hookspecs import Notifier
from dialerd.plugin.raised import words
from dialerd.rules.reminders import Reminder
from dialerd.rules.rests import FIRST_REST_S, rest_s
from dialerd.store import notices
from dialerd.store.store import Store

_log = structlog.get_logger()

_BATCH = 200  # notices told at once
_LOOK_S = 0.5  # how late a notice may be told
_LONGEST_REST_S = 300.0
_TELL_S = 60.0  # a plugin that has not taken a batch by then is told again


async def notify(store: Store, notifiers: Mapping[str, Notifier]) -> None:
    """Tell every plugin, whose place is there, what it has not been told yet; until cancelled."""
    async with trio.open_nursery() as nursery:
        for name, notifier in notifiers.items():
            nursery.start_soon(_tell, store, name, notifier)


async def _tell(store: Store, name: str, notifier: Notifier) -> None:
    failures = 0
    trouble = Reminder()
    unmarked: int | None = None
    while True:
        try:
            if unmarked is not None:  # told already, which could not be stored: not again for as long as that lasts
                await store.write(notices.mark_read, name, unmarked)
                unmarked = None
            batch = await store.read(notices.unread, name, _BATCH)
            if batch:
                with trio.fail_after(_TELL_S):
                    await notifier(batch)
                unmarked = batch[-1].id
                await store.write(notices.mark_read, name, unmarked)
                unmarked = None
            trouble.over()
        except StoreError as error:
            if trouble.due(trio.current_time()):
                _log.error("notifier.store_failed", plugin=name, error=error.what, remedy=error.remedy)
            await trio.sleep(FIRST_REST_S)
            continue
        except BaseException as error:  # noqa: BLE001  # whatever a plugin raises, its notices wait and the others go on
            failures += 1
            retry_s = rest_s(failures, _LONGEST_REST_S)
            _log.warning(
                "notifier.failed",
                plugin=name,
                error=words(meant(error)),
                retry_s=retry_s,
                remedy="its notices are kept and told again; look at where this plugin sends them",
            )
            await trio.sleep(retry_s)
            continue
        failures = 0
        if len(batch) < _BATCH:
            await trio.sleep(_LOOK_S)
