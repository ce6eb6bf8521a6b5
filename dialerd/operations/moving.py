"""Moving additions: those that are published go to their campaigns, chunk by chunk, also after a restart."""

import math
from collections.abc import Callable

import structlog
import trio

from dialerd.engine.engine import Engine
from dialerd.model.errors import StoreError, StoreLost
from dialerd.model.instants import Instant
from dialerd.rules.reminders import Reminder
from dialerd.store import adding, campaigns
from dialerd.store.adding import Step
from dialerd.store.store import Store

_log = structlog.get_logger()

_STORE_RETRY_S = 1.0


class Mover:
    """Moves additions; their campaigns do not end before, see `dialerd.store.adding`.

    Args:
        store: where they are.
        engine: who dials their recipients.
        now: returns the present instant.
    """

    def __init__(self, store: Store, engine: Engine, now: Callable[[], Instant]) -> None:
        self._store = store
        self._engine = engine
        self._now = now
        self._send, self._left = trio.open_memory_channel[tuple[int | None, int]](math.inf)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Finish what a former life, or a client that went away, left unfinished; until cancelled.

        Raises:
            StoreError: the store cannot be read at the start.
        """
        found = await self._store.read(adding.under_way)
        if found:
            _log.info("addition.resumed", additions=len(found))
        task_status.started()
        for key, campaign_id in found:
            await self._finish(key, campaign_id)
        async for left in self._left:
            await self._finish(*left)

    async def move(self, key: int, campaign_id: int) -> int:
        """Move a published addition to its campaign; return how many were in it by then, and are left out.

        Whoever is dialable is dialled as soon as it has arrived. Where this is cancelled, or the store fails, `run`
        goes on with it.
        """
        return await self._try(key, campaign_id)

    async def tell(self, campaign_id: int) -> None:
        """Let the engine know of recipients that were stored straight into a campaign; cannot fail."""
        await self._try(None, campaign_id)

    async def _try(self, key: int | None, campaign_id: int) -> int:
        done = False
        try:
            dropped = await self._move(key, campaign_id)
            done = True
        except StoreError as error:  # what is published gets there, if later
            _log.info("addition.put_off", campaign=campaign_id, error=str(error))
            dropped = 0
        finally:
            if not done:
                self._send.send_nowait((key, campaign_id))
        return dropped

    async def _finish(self, key: int | None, campaign_id: int) -> None:
        trouble = Reminder()
        while True:
            try:
                await self._move(key, campaign_id)
            except StoreLost:
                return  # told by whoever watches the store; the next start goes on
            except StoreError as error:
                if trouble.due(trio.current_time()):
                    remedy = "mend what hinders the database; it is tried again every second"
                    _log.error("addition.not_moved", campaign=campaign_id, error=str(error), remedy=remedy)
                await trio.sleep(_STORE_RETRY_S)
            else:
                return

    async def _move(self, key: int | None, campaign_id: int) -> int:
        """Move an addition, or, without a key, only tell the engine; return how many were left out."""
        registry = self._engine.campaigns
        dropped = 0
        step = Step.DONE
        while True:
            if key is not None:
                moved = await self._store.write_bulk(adding.move_some, key, now=self._now())
                dropped += moved.dropped
                step = moved.step
            if (campaign := registry.by_key(campaign_id)) is not None and step is not Step.LOST:
                await registry.refresh(campaign)
            if step is not Step.MOVED:
                break
        while step is Step.LOST and key is not None and await self._store.write_bulk(campaigns.discard_some, key):
            _log.debug("addition.chunk_discarded", campaign=campaign_id)
        if (campaign := registry.by_key(campaign_id)) is not None:
            registry.idle(campaign)  # it may have had nobody else left, and waited
        return dropped
