"""What is on its way into the store: rows that are read, and wait out of sight until they are whole.

Few batches wait in memory and are stored in one transaction with everything that belongs to them. With more, something
of their own begins in the store, in state `loading`, which nothing else sees and which the next start discards; then
memory does not grow with the list. Knows nothing of who reads, and nothing of the engine.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import structlog
import trio
from attrs import define, evolve, field
from sqlalchemy import Connection

from dialerd.intake.duplicate import Origin
from dialerd.intake.findings import SHOWN
from dialerd.model.campaign_view import Added
from dialerd.model.errors import Fault, InvalidInput, StoreError
from dialerd.store import campaigns
from dialerd.store.records import Duplicate, NewCampaign, RecipientBatch
from dialerd.store.store import Store

_log = structlog.get_logger()


@define(kw_only=True, eq=False)
class Incoming(ABC):
    """Takes what a reader delivers, see `dialerd.intake.reading.Deliver`.

    Args:
        store: where it goes.

    Attributes:
        key: that of what is loading in the store; None while it is small.
        rows: how many were delivered.
        duplicate_count: how many of those that were stored stand there twice.
        duplicates: the first `SHOWN` of them.
        waiting: the batches that are not stored yet.
    """

    straight: ClassVar[int]
    """How many batches are stored in one transaction."""

    store: Store
    key: int | None = None
    rows: int = 0
    duplicate_count: int = 0
    duplicates: list[Duplicate] = field(factory=list)
    waiting: list[RecipientBatch] = field(factory=list)

    async def fingerprint(self, fingerprint: str) -> bool:  # whatever it is, it is read
        """See `Deliver.fingerprint`."""
        await trio.lowlevel.checkpoint()
        return True

    async def campaign(self, new: NewCampaign) -> None:
        """See `Deliver.campaign`."""
        await trio.lowlevel.checkpoint()
        self.take(new)

    async def recipients(self, batch: RecipientBatch) -> tuple[Duplicate, ...]:
        """See `Deliver.recipients`; duplicates are told in the end, as the last batches are stored only then."""
        self.rows += batch.count
        self.waiting.append(batch)
        if self.key is None and len(self.waiting) > self.straight:
            self.key = await self.store.write_bulk(self.begin)
        while self.key is not None and self.waiting:
            found = await self.store.write_bulk(self.load, self.key, self.waiting.pop(0))
            self.duplicate_count += len(found)
            self.duplicates += found[: SHOWN - len(self.duplicates)]
        return ()

    @abstractmethod
    def take(self, new: NewCampaign) -> None:
        """Take the campaign that the rows are for."""

    @abstractmethod
    def begin(self, connection: Connection) -> int:
        """Begin in the store, out of sight; return the key."""

    @abstractmethod
    def load(self, connection: Connection, key: int, batch: RecipientBatch) -> Sequence[Duplicate]:
        """Store a batch out of sight; return those that stand there already."""

    async def discard(self) -> None:
        """Delete what was stored of it, unless it is published; what cannot be deleted now is by the next start."""
        if self.key is None:
            return
        with trio.CancelScope(shield=True):
            try:
                while await self.store.write_bulk(campaigns.discard_some, self.key):
                    _log.debug("incoming.chunk_discarded", key=self.key)
            except StoreError as error:
                remedy = "mend what hinders the database; what was read is deleted at the next start of dialerd"
                _log.warning("incoming.discard_failed", error=str(error), remedy=remedy)


def with_duplicates(outcome: Added, count: int, duplicates: Sequence[Duplicate], origin: Origin) -> Added:
    """Return what was found in a list with its duplicates.

    Args:
        outcome: what was found besides.
        count: how many there are.
        duplicates: the first of them.
        origin: where the list comes from.
    """
    left = max(0, SHOWN - len(outcome.warnings))
    told = tuple(plain(origin.twice(duplicate)) for duplicate in duplicates[:left])
    return evolve(outcome, duplicates=count, warnings=(*outcome.warnings, *told))


def refusal(faults: Sequence[Fault], total: int) -> InvalidInput:
    """Return the error that tells faults, and how many more there are.

    Args:
        faults: the first of them.
        total: how many there are.
    """
    more = total - len(faults)
    rest = (Fault("", f"there are {more} faults more; mend these first"),) if more else ()
    return InvalidInput([*map(plain, faults), *rest])


def plain(fault: Fault) -> Fault:
    """Return a fault without the name of the file, which is the daemon's own."""
    return evolve(fault, file=None)
