"""Recipients on their way into a campaign that is stored already.

Few are stored straight into it; many begin an addition of their own (`dialerd.store.adding`). Knows nothing of who
moves it on.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec
from attrs import define, evolve
from sqlalchemy import Connection

from dialerd.intake.duplicate import Origin
from dialerd.model.campaign_view import Added
from dialerd.model.instants import Instant
from dialerd.model.once import Once
from dialerd.model.unstructuring import unstructure
from dialerd.operations.incoming import Incoming, with_duplicates
from dialerd.store import adding, answers, recipients
from dialerd.store.records import Duplicate, NewCampaign, RecipientBatch


@define(kw_only=True, eq=False)
class IncomingRecipients(Incoming):
    """Recipients that are being read; see `Incoming`.

    Args:
        campaign_id: key of their campaign.
        now: the present instant.
    """

    straight: ClassVar[int] = 2

    campaign_id: int
    now: Instant

    def take(self, new: NewCampaign) -> None:
        """See `Incoming.take`; it is stored already."""

    def begin(self, connection: Connection) -> int:
        """See `Incoming.begin`."""
        return adding.begin(connection, self.campaign_id, now=self.now)

    def load(self, connection: Connection, key: int, batch: RecipientBatch) -> Sequence[Duplicate]:
        """See `Incoming.load`."""
        return recipients.add(connection, key, batch, into=self.campaign_id)

    async def publish(self, outcome: Added, origin: Origin, once: Once | None) -> Added:
        """Store them, or let them go to their campaign, from now on whatever happens; return what becomes of them.

        Args:
            outcome: what was found in the rows, without duplicates.
            origin: where they come from.
            once: makes it happen once.

        Raises:
            NotFound, WrongState: the campaign is no more, or is over; nothing is stored.
            KeyReused: the key of `once` was used meanwhile; nothing is stored.
        """
        return await self.store.write(self._publish, outcome, origin, once)

    def _publish(self, connection: Connection, outcome: Added, origin: Origin, once: Once | None) -> Added:
        count, duplicates = self.duplicate_count, self.duplicates
        if self.key is None:  # nothing of this object changes here: the transaction may be tried again
            duplicates = list(adding.add(connection, self.campaign_id, self.waiting, now=self.now))
            count = len(duplicates)
            added = self.rows - count
        else:
            added = adding.publish(connection, self.key, self.campaign_id)
        outcome = with_duplicates(evolve(outcome, added=added), count, duplicates, origin)
        if once is not None:
            answers.claim(connection, once, msgspec.json.encode(unstructure(outcome)).decode(), self.now)
        return outcome
