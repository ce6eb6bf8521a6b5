"""A campaign on its way into the store, invisible until it is whole.

Knows nothing of documents, and of who dials it.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

import msgspec
from attrs import define, evolve, frozen
from sqlalchemy import Connection

from dialerd.engine.notices import tell_campaign
from dialerd.engine.telling import Telling
from dialerd.intake.duplicate import Origin
from dialerd.model.campaign_view import Added
from dialerd.model.errors import WrongState
from dialerd.model.instants import Instant
from dialerd.model.once import Once
from dialerd.model.states import CampaignState
from dialerd.model.structuring import structure
from dialerd.model.unstructuring import unstructure
from dialerd.operations.incoming import Incoming, with_duplicates
from dialerd.store import answers, campaign_pages, campaigns, recipients
from dialerd.store.campaign_pages import Listed
from dialerd.store.records import Duplicate, NewCampaign, RecipientBatch

Named = Callable[[NewCampaign], NewCampaign]
"""Gives a campaign what a door knows of it and its document does not."""


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


@frozen(kw_only=True)
class Published:
    """A campaign that was stored.

    Args:
        listed: as it is stored, before anybody is dialled.
        recipients: what became of those that came with it.
    """

    listed: Listed
    recipients: Added


@define(kw_only=True, eq=False)
class IncomingCampaign(Incoming):
    """A campaign that is being read; see `Incoming`.

    Args:
        named: is handed it before it is stored.
        telling: whether notices are written.

    Attributes:
        new: the campaign, once it was delivered.
    """

    straight: ClassVar[int] = 1

    named: Named
    telling: Telling
    new: NewCampaign | None = None

    def take(self, new: NewCampaign) -> None:
        """See `Incoming.take`."""
        self.new = self.named(new)

    def begin(self, connection: Connection) -> int:
        """See `Incoming.begin`."""
        assert self.new is not None, "the campaign is delivered before its recipients"
        return campaigns.begin(connection, self.new)

    def load(self, connection: Connection, key: int, batch: RecipientBatch) -> Sequence[Duplicate]:
        """See `Incoming.load`."""
        return recipients.add(connection, key, batch)

    async def publish(self, outcome: Added, origin: Origin, once: Once | None, now: Instant) -> Published:
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
    ) -> Published:
        new = self.new
        assert new is not None, "only what was delivered can be published"
        key, found, count = self.key, list(self.duplicates), self.duplicate_count
        if key is None:  # nothing of this object changes here: the transaction may be tried again
            check_alias(connection, new.alias)
            key = campaigns.begin(connection, new, state=new.state)
            for batch in self.waiting:
                found += recipients.add(connection, key, batch)
            count = len(found)
        else:
            campaigns.publish(connection, key, state=new.state, taken=None, now=now)
        added = with_duplicates(evolve(outcome, added=self.rows - count), count, found, origin)
        if once is not None:
            answers.claim(connection, once, Made(campaign=new.uid, recipients=added).text(), now)
        listed = campaign_pages.one(connection, key)
        assert listed is not None, "what is published is seen"
        if new.state is CampaignState.RUNNING:  # its first claim tells nothing any more
            tell_campaign(connection, self.telling, listed.row, new.state, now=listed.row.state_at)
        return Published(listed=listed, recipients=added)


def check_alias(connection: Connection, alias: str | None) -> None:
    """Look that no other campaign has an alias.

    Raises:
        WrongState: one has.
    """
    if alias is not None and campaign_pages.by_name(connection, alias) is not None:
        raise WrongState(f"there is a campaign with the id {alias!r} already")
