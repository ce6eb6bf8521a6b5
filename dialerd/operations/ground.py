"""What every operation stands on: the store, the engine, and the few things of the daemon that they ask for."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from attrs import frozen

from dialerd.engine.engine import Engine
from dialerd.intake.reading import Reader
from dialerd.model.errors import NotFound
from dialerd.model.instants import Instant
from dialerd.model.settings import Settings
from dialerd.operations.answers import Answers
from dialerd.store import campaign_pages
from dialerd.store.records import CampaignRow
from dialerd.store.store import Store


@frozen(kw_only=True, eq=False)
class Ground:
    """What operations are made of; each of their classes takes it as its first argument.

    Args:
        store: where everything is durable.
        engine: dials.
        reader: reads large documents, in a process of its own.
        settings: returns the settings in force.
        now: returns the present instant.
        scratch: directory for what is on its way.
        reload: reads the settings file anew.
        standing: says in one line how the daemon stands.
        answers: what was answered to requests with an idempotency key.
    """

    store: Store
    engine: Engine
    reader: Reader
    settings: Callable[[], Settings]
    now: Callable[[], Instant]
    scratch: Path
    reload: Callable[[], Awaitable[None]]
    standing: Callable[[], str]
    answers: Answers

    async def campaign(self, wanted: str) -> CampaignRow:
        """Return the campaign whose id or alias is `wanted`.

        Raises:
            NotFound: there is none, or it is still being stored or deleted.
        """
        row = await self.store.read(campaign_pages.by_name, wanted)
        if row is None:
            raise NotFound(f"there is no campaign with the id {wanted!r}")
        return row
