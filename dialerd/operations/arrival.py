"""A campaign on its way into the store: read from a document, invisible until it is whole.

One of a single batch waits in memory and is stored in one transaction with everything that makes it a campaign. With
the second batch it begins in the store, in state `loading`, which nothing else sees and which the next start discards;
then memory does not grow with the list. Knows nothing of documents and of the engine.
"""

from collections.abc import Callable, Sequence

import msgspec
import structlog
import trio
from attrs import define, evolve, field, frozen
from sqlalchemy import Connection

from dialerd.intake.duplicate import Origin
from dialerd.intake.findings import SHOWN
from dialerd.model.campaign_view import Added
from dialerd.model.errors import StoreError, WrongState
from dialerd.model.instants import Instant
from dialerd.model.once import Once
from dialerd.model.structuring import structure
from dialerd.model.unstructuring import unstructure
from dialerd.operations.addition import plain
from dialerd.store import answers, campaign_pages, campaigns, recipients
from dialerd.store.campaign_pages import Listed
from dialerd.store.records import Duplicate, NewCampaign, RecipientBatch
from dialerd.store.store import Store

_log = structlog.get_logger()


@frozen(kw_only=True)
class Made:
    """What a request made: what `dialerd.store.answers.claim` keeps of it.

    Args:
        campaign: id of the campaign.
        recipients: what became of those that came with it.
    """

    campaign: str
    recipients: Added

    def text(self) -> str:
        """Return it as JSON text."""
        return msgspec.json.encode(unstructure(self)).decode()

    @classmethod
    def read(cls, text: str) -> "Made":
        """Return what stands in JSON text."""
        return structure(msgspec.json.decode(text), cls)


@define(kw_only=True, eq=False)
class Arrival:
    """Takes what a reader delivers, see `dialerd.intake.reading.Deliver`.

    Args:
        store: where it goes.
        named: gives the campaign what the door knows of it and the document does not.

    Attributes:
        new: the campaign, once it was delivered.
        key: that of the campaign in the store; None while it is small.
        rows: how many were delivered.
    """

    store: Store
    named: Callable[[NewCampaign], NewCampaign]
    new: NewCampaign | None = None
    key: int | None = None
    rows: int = 0
    _duplicate_count: int = 0
    _duplicates: list[Duplicate] = field(factory=list)
    _waiting: list[RecipientBatch] = field(factory=list)

    async def fingerprint(self, fingerprint: str) -> bool:  # whatever it is, it is read
        """See `Deliver.fingerprint`."""
        await trio.lowlevel.checkpoint()
        return True

    async def campaign(self, new: NewCampaign) -> None:
        """See `Deliver.campaign`."""
        await trio.lowlevel.checkpoint()
        self.take(new)

    async def recipients(self, batch: RecipientBatch) -> tuple[Duplicate, ...]:
        """See `Deliver.recipients`; duplicates are told by `publish`, as the last batch is stored only there."""
        assert self.new is not None, "the campaign is delivered before its recipients"
        self.hold(batch)
        if self.key is None and len(self._waiting) > 1:
            self.key = await self.store.write_bulk(campaigns.begin, self.new)
        while self.key is not None and self._waiting:
            self._note(await self.store.write_bulk(recipients.add, self.key, self._waiting.pop(0)))
        return ()

    def take(self, new: NewCampaign) -> None:
        """Take the campaign."""
        self.new = self.named(new)

    def hold(self, batch: RecipientBatch) -> None:
        """Take a batch that is stored later."""
        self.rows += batch.count
        self._waiting.append(batch)

    async def publish(self, outcome: Added, origin: Origin, once: Once | None, now: Instant) -> "Published":
        """Make it a campaign, or nothing.

        Args:
            outcome: what was found in its rows, without duplicates.
            origin: where they come from.
            once: makes it happen once.
            now: the present instant.

        Raises:
            WrongState: another campaign has its alias.
            KeyReused: what `once` stands for was done already.
            StoreError: it could not be stored.
        """
        return await self.store.write(self._publish, outcome, origin, once, now)

    def _publish(
        self, connection: Connection, outcome: Added, origin: Origin, once: Once | None, now: Instant
    ) -> "Published":
        new = self.new
        assert new is not None, "only what was delivered can be published"
        key, found, count = self.key, list(self._duplicates), self._duplicate_count
        if key is None:  # nothing of this object changes here: the transaction may be tried again
            check_alias(connection, new.alias)
            key = campaigns.begin(connection, new)
            for batch in self._waiting:
                found += recipients.add(connection, key, batch)
            count = len(found)
        campaigns.publish(connection, key, state=new.state, taken=None, now=now)
        left = max(0, SHOWN - len(outcome.warnings))
        told = (plain(origin.twice(duplicate)) for duplicate in found[:left])
        added = evolve(outcome, added=self.rows - count, duplicates=count, warnings=(*outcome.warnings, *told))
        if once is not None:
            answers.claim(connection, once, Made(campaign=new.uid, recipients=added).text(), now)
        listed = campaign_pages.one(connection, key)
        assert listed is not None, "what is published is seen"
        return Published(listed=listed, recipients=added)

    async def discard(self) -> None:
        """Delete what was stored of it; what cannot be deleted now is deleted by the next start."""
        if self.key is None:
            return
        with trio.CancelScope(shield=True):
            try:
                while await self.store.write_bulk(campaigns.discard_some, self.key):
                    _log.debug("campaign.chunk_discarded", key=self.key)
            except StoreError as error:
                remedy = "mend what hinders the database; what was read is deleted at the next start of dialerd"
                _log.warning("campaign.discard_failed", error=str(error), remedy=remedy)

    def _note(self, found: Sequence[Duplicate]) -> None:
        self._duplicate_count += len(found)
        self._duplicates += found[: SHOWN - len(self._duplicates)]


@frozen(kw_only=True)
class Published:
    """A campaign that was stored.

    Args:
        listed: as it is stored, before anybody is dialled.
        recipients: what became of those that came with it.
    """

    listed: Listed
    recipients: Added


def check_alias(connection: Connection, alias: str | None) -> None:
    """Look that no other campaign has an alias.

    Raises:
        WrongState: one has.
    """
    if alias is not None and campaign_pages.by_name(connection, alias) is not None:
        raise WrongState(f"there is a campaign with the id {alias!r} already")
