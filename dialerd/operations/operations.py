"""Everything that may be asked of a running daemon, in one place, for the doors to ask through.

Knows nothing of the doors.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from dialerd.engine.engine import Engine
from dialerd.intake.reading import Reader
from dialerd.model.instants import Instant
from dialerd.model.settings import Settings
from dialerd.operations.answers import Answers
from dialerd.operations.calls import CallOperations
from dialerd.operations.campaigns import CampaignOperations
from dialerd.operations.events import Events
from dialerd.operations.ground import Ground
from dialerd.operations.health import Health
from dialerd.operations.metrics import Metrics
from dialerd.operations.plans import Plans
from dialerd.operations.recipients import RecipientOperations
from dialerd.operations.resources import Resources
from dialerd.operations.suppressions import SuppressionOperations
from dialerd.operations.why import Why
from dialerd.store.store import Store


class Operations:
    """The operations, by what they are about.

    Args:
        store: where everything is durable.
        engine: dials.
        reader: reads large documents; nobody else uses it.
        settings: returns the settings in force.
        now: returns the present instant.
        scratch: directory for what is on its way; it is there, and nobody else's.
        reload: reads the settings file anew; raises `InvalidInput` with all its faults, and then the old ones stay.
        standing: says in one line how the daemon stands.
    """

    def __init__(
        self,
        *,
        store: Store,
        engine: Engine,
        reader: Reader,
        settings: Callable[[], Settings],
        now: Callable[[], Instant],
        scratch: Path,
        reload: Callable[[], Awaitable[None]],
        standing: Callable[[], str],
    ) -> None:
        self.reload = reload
        self.answers = Answers(store, now)
        self.ground = ground = Ground(
            store=store,
            engine=engine,
            reader=reader,
            settings=settings,
            now=now,
            scratch=scratch,
            reload=reload,
            standing=standing,
            answers=self.answers,
        )
        self.recipients = RecipientOperations(ground)
        self.campaigns = CampaignOperations(ground, self.recipients)
        self.calls = CallOperations(ground)
        self.suppressions = SuppressionOperations(ground)
        self.why = Why(ground)
        self.plans = Plans(ground)
        self.resources = Resources(ground)
        self.events = Events(ground)
        self.metrics = Metrics(ground, self.events)
        self.health = Health(ground)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do what goes on behind the operations until cancelled; started once nothing of a former life is left.

        A daemon, whose doors close one after another, runs the parts by themselves.

        Raises:
            StoreError: the store cannot be read at the start.
        """
        async with trio.open_nursery() as nursery:
            await nursery.start(self.recipients.run)
            nursery.start_soon(self.events.run)
            task_status.started()
