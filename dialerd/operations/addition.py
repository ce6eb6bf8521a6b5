"""An addition on its way: rows read for a campaign that is stored already, until they are published or discarded.

Few rows wait in memory and are stored straight into the campaign. With the third batch an addition of its own begins in
the store (`dialerd.store.adding`), so that memory does not grow with the list. Knows nothing of who moves it on.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import structlog
import trio
from attrs import define, evolve, field
from sqlalchemy import Connection

from dialerd.intake.duplicate import Origin
from dialerd.intake.findings import SHOWN
from dialerd.model.campaign_view import Added
from dialerd.model.errors import Fault, StoreError
from dialerd.model.instants import Instant
from dialerd.model.once import Once
from dialerd.model.unstructuring import unstructure
from dialerd.store import adding, answers, campaigns, recipients
from dialerd.store.records import Duplicate, NewCampaign, RecipientBatch
from dialerd.store.store import Store

_log = structlog.get_logger()

_STRAIGHT: Final = 2  # batches that are stored in one transaction: 2,000 rows


@define(kw_only=True, eq=False)
class Addition:
    """Takes what a reader delivers, see `dialerd.intake.reading.Deliver`.

    Args:
        store: where it goes.
        campaign_id: key of the campaign.
        now: the present instant.

    Attributes:
        key: that of the addition in the store; None while it is small.
        rows: how many were delivered.
        duplicates: those that stand in the campaign or in the list already, the first `SHOWN` of those that were
            stored batch by batch.
    """

    store: Store
    campaign_id: int
    now: Instant
    key: int | None = None
    rows: int = 0
    duplicate_count: int = 0
    duplicates: list[Duplicate] = field(factory=list)
    _waiting: list[RecipientBatch] = field(factory=list)
    _published: bool = False

    async def fingerprint(self, fingerprint: str) -> bool:
        """See `Deliver.fingerprint`; of rows there is none."""
        await trio.lowlevel.checkpoint()
        return True

    async def campaign(self, new: NewCampaign) -> None:
        """See `Deliver.campaign`; it is stored already."""
        await trio.lowlevel.checkpoint()

    async def recipients(self, batch: RecipientBatch) -> tuple[Duplicate, ...]:
        """See `Deliver.recipients`; duplicates are told by `added`, as few batches are stored in the end only."""
        self.rows += batch.count
        self._waiting.append(batch)
        if self.key is None and len(self._waiting) > _STRAIGHT:
            self.key = await self.store.write_bulk(adding.begin, self.campaign_id, now=self.now)
        while self.key is not None and self._waiting:
            await self._load(self._waiting.pop(0))
        return ()

    async def _load(self, batch: RecipientBatch) -> None:
        assert self.key is not None
        found = await self.store.write_bulk(recipients.add, self.key, batch, into=self.campaign_id)
        self.duplicate_count += len(found)
        self.duplicates += found[: SHOWN - len(self.duplicates)]

    async def publish(self, outcome: Added, origin: Origin, once: Once | None) -> Added:
        """Store it, or let it go to its campaign, from now on whatever happens; return what becomes of its rows.

        Args:
            outcome: what was found in the rows, without duplicates.
            origin: where they come from.
            once: makes it happen once.

        Raises:
            NotFound, WrongState: the campaign is no more, or is over; nothing is stored.
            KeyReused: the key of `once` was used meanwhile; nothing is stored.
        """
        added = await self.store.write(self._publish, outcome, origin, once)
        self._published = True
        return added

    def _publish(self, connection: Connection, outcome: Added, origin: Origin, once: Once | None) -> Added:
        count, duplicates = self.duplicate_count, self.duplicates
        if self.key is None:
            duplicates = list(adding.add(connection, self.campaign_id, self._waiting))
            count = len(duplicates)
            added = self.rows - count
        else:
            added = adding.publish(connection, self.key, self.campaign_id)
        outcome = _with_duplicates(evolve(outcome, added=added), count, duplicates, origin)
        if once is not None:
            answers.claim(connection, once, msgspec.json.encode(unstructure(outcome)).decode(), self.now)
        return outcome

    async def discard(self) -> None:
        """Delete what was stored of it, unless it is published; what cannot be deleted now is by the next start."""
        if self.key is None or self._published:
            return
        with trio.CancelScope(shield=True):
            try:
                while await self.store.write_bulk(campaigns.discard_some, self.key):
                    _log.debug("addition.chunk_discarded", campaign=self.campaign_id)
            except StoreError as error:
                remedy = "mend what hinders the database; the rows are deleted at the next start of dialerd"
                _log.warning("addition.discard_failed", error=str(error), remedy=remedy)


def _with_duplicates(outcome: Added, count: int, duplicates: Sequence[Duplicate], origin: Origin) -> Added:
    left = max(0, SHOWN - len(outcome.warnings))
    told = tuple(plain(origin.twice(duplicate)) for duplicate in duplicates[:left])
    return evolve(outcome, duplicates=count, warnings=(*outcome.warnings, *told))


def plain(fault: Fault) -> Fault:
    """Return a fault without the name of the file, which is the daemon's own."""
    return evolve(fault, file=None)
