"""Housekeeping: what ended long ago leaves the store, bit by bit and behind everything that is urgent."""

from collections.abc import Callable
from datetime import timedelta

import structlog
import trio

from dialerd.model.errors import StoreError
from dialerd.model.instants import Instant, to_datetime
from dialerd.model.settings import Settings
from dialerd.store import answers, days
from dialerd.store.pruning import prune_some
from dialerd.store.store import Store

_log = structlog.get_logger()

_EVERY_S = 3_600.0
_BREATH_S = 0.05  # between two bits, so that pruning never fills the disk's time


async def keep_house(store: Store, *, settings: Callable[[], Settings], now: Callable[[], Instant]) -> None:
    """Prune once an hour until cancelled.

    Args:
        store: what is pruned.
        settings: returns the settings in force; `store.keep` says how long ended campaigns are kept.
        now: returns the present instant.
    """
    while True:
        try:
            pruned = await prune(store, ended_before=now() - settings().store.keep, now=now())
            if pruned:
                _log.info("store.pruned", steps=pruned)
            while await store.write_bulk(answers.prune_some, now=now()):  # noqa: ASYNC110  # a breath, not a wait
                await trio.sleep(_BREATH_S)
            # a day's count matters for that day alone; two days cover every zone
            await store.write_bulk(days.forget_before, (to_datetime(now()) - timedelta(days=2)).date().isoformat())
        except StoreError as error:
            _log.warning("store.prune_failed", error=str(error), retry_s=_EVERY_S)
        await trio.sleep(_EVERY_S)


async def prune(store: Store, *, ended_before: Instant, now: Instant | None = None) -> int:
    """Delete the campaigns that ended and were reported before an instant; return in how many steps.

    Args:
        store: what is pruned.
        ended_before: the instant.
        now: the present one, by which those are judged that somebody deleted; None = they stay.
    """
    steps = 0
    while await store.write_bulk(prune_some, ended_before=ended_before, now=now):
        steps += 1
        await trio.sleep(_BREATH_S)
    return steps
