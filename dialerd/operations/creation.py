"""Creation: campaigns made of documents and of dialects' orders, once for each idempotency key, and dialled at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog
from attrs import evolve

from dialerd.intake.terms import Terms
from dialerd.model.campaign_view import Created
from dialerd.model.errors import Fault, InvalidInput, NotFound
from dialerd.model.once import Once
from dialerd.model.states import CampaignState
from dialerd.operations.arrival import Made, check_alias
from dialerd.operations.campaign_views import view_of
from dialerd.operations.documents import Documents, Named
from dialerd.operations.ground import Ground
from dialerd.plugin.dialect import Order
from dialerd.store import campaign_pages
from dialerd.store.records import CampaignRow, NewCampaign

_log = structlog.get_logger()


class Creation:
    """Makes campaigns.

    Args:
        ground: what it stands on.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._documents = Documents(ground)

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
        async with ground.answers.made(once) as earlier:
            if earlier is not None:
                made = Made.read(earlier)
                row = await ground.campaign(made.campaign)
                listed = await ground.store.read(campaign_pages.one, row.id)
                if listed is None:
                    raise NotFound(f"campaign {made.campaign} was deleted meanwhile")
                return Created(campaign=view_of(listed, ground.now()), recipients=made.recipients)
            await ground.store.read(check_alias, alias)
            published = await self._documents.store(document, terms, named, once, then=self._take_over)
        row = published.listed.row
        _log.info("campaign.created", campaign=row.uid, name=row.spec.name)
        return Created(campaign=view_of(published.listed, ground.now()), recipients=published.recipients)

    async def _take_over(self, row: CampaignRow) -> None:
        if row.state is not CampaignState.DRAFT:
            await self._ground.engine.campaigns.take_over(row.id)


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
