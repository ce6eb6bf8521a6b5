"""Creation: campaigns made of documents and of dialects' orders, once for each idempotency key, and dialled at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
import trio
from attrs import evolve

from dialerd.intake.campaign_file import read_campaign
from dialerd.intake.duplicate import Origin
from dialerd.intake.read_now import Kept
from dialerd.intake.reading import Reader, Reading
from dialerd.intake.source import Source
from dialerd.intake.terms import Terms
from dialerd.model.campaign_view import Added, Created
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.once import Once
from dialerd.model.states import CampaignState
from dialerd.operations.campaign_views import view_of
from dialerd.operations.ground import Ground, no_campaign
from dialerd.operations.incoming_campaign import IncomingCampaign, Made, Named, Published, check_alias
from dialerd.operations.taking import take_in
from dialerd.plugin.dialect import Order
from dialerd.store import campaign_pages
from dialerd.store.records import NewCampaign

_NAME: Final = "campaign.json"  # its suffix tells how a document is written

_log = structlog.get_logger()


class Creation:
    """Makes campaigns.

    Args:
        ground: what it stands on.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def order(self, order: Order, once: Once | None) -> Created:
        """Make a campaign of a dialect's order; return it as it was stored.

        Raises:
            InvalidInput, KeyReused, StoreError: see `document`.
            WrongState: another campaign has its alias.
        """
        own = {key: value for key, value in order.spec.items() if key != "state"}
        document = _encoded({**own, "recipients": list(order.recipients)})

        def named(new: NewCampaign) -> NewCampaign:
            return evolve(new, alias=order.alias, dialect=order.dialect, extra=dict(order.extra))

        terms = Terms(draft=order.draft, launch=order.launch)
        return await self._create(document, terms, once, named, order.alias)

    async def document(self, document: bytes | Path, terms: Terms, once: Once | None) -> Created:
        """Make a campaign of a document; return it as it was stored.

        Args:
            document: JSON text, or the file that holds it.
            terms: how it is taken.
            once: makes it happen once; what was made the first time is returned again.

        Raises:
            InvalidInput: with its faults; nothing is stored.
            KeyReused: what `once` stands for was another request.
            StoreError: it could not be stored now; nothing is.
        """
        return await self._create(document, terms, once, _as_it_is, None)

    async def _create(
        self, document: bytes | Path, terms: Terms, once: Once | None, named: Named, alias: str | None
    ) -> Created:
        ground = self._ground
        earlier = await ground.answers.made(once)
        if earlier is not None:
            made = Made.read(earlier)
            listed = await ground.store.read(campaign_pages.one_by_name, made.campaign)
            if listed is None:
                raise no_campaign(made.campaign)
            return Created(campaign=view_of(listed, ground.now()), recipients=made.recipients)
        if alias is not None:  # before a long list is read; it is looked at again when it is stored
            await ground.store.read(check_alias, alias)
        published = await self._store(document, terms, once, named)
        row = published.listed.row
        _log.info("campaign.created", campaign=row.uid, name=row.spec.name)
        return Created(campaign=view_of(published.listed, ground.now()), recipients=published.recipients)

    async def _store(self, document: bytes | Path, terms: Terms, once: Once | None, named: Named) -> Published:
        """Take a document into the store, and let the engine have its campaign."""
        ground = self._ground

        def make() -> IncomingCampaign:
            return IncomingCampaign(store=ground.store, telling=ground.engine.telling, named=named)

        def small(source: Source, kept: Kept) -> None:
            read_campaign(source, ground.settings(), ground.now(), kept, terms)

        async def large(reader: Reader, file: Path, incoming: IncomingCampaign, listing: Path) -> Reading:
            return await reader.read(file, ground.settings(), ground.now(), incoming, listing=listing, terms=terms)

        async def publish(incoming: IncomingCampaign, outcome: Added, origin: Origin) -> Published:
            with trio.CancelScope(shield=True):  # also where whoever asked does not wait for it any more
                published = await incoming.publish(outcome, origin, once, ground.now())
                row = published.listed.row
                if row.state is not CampaignState.DRAFT:
                    await ground.engine.campaigns.adopt(row.id)
            return published

        return await take_in(ground, document, _NAME, make=make, small=small, large=large, publish=publish)


def _as_it_is(new: NewCampaign) -> NewCampaign:
    return new


def _encoded(document: Mapping[str, Any]) -> bytes:
    """Return plain data as JSON text.

    Raises:
        InvalidInput: it holds what JSON has no form for.
    """
    try:
        return msgspec.json.encode(document)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidInput([Fault("", f"cannot be written as JSON: {error}")]) from error
