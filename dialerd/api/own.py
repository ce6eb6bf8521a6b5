"""Campaigns as one dialect has them: it makes, sees and steers its own, and those of others are not there for it."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from dialerd.model.call_view import RecipientView
from dialerd.model.campaign_view import Added, CampaignView, Created
from dialerd.model.once import Once
from dialerd.model.page import Page
from dialerd.model.settings import Settings
from dialerd.model.states import CampaignState
from dialerd.operations.campaigns import CampaignOperations
from dialerd.operations.ground import no_campaign
from dialerd.plugin.dialect import Order


class Own:
    """See `dialerd.plugin.dialect.Campaigns`, which this is; made for one request.

    Args:
        campaigns: everybody's.
        dialect: whose are meant.
    """

    def __init__(self, campaigns: CampaignOperations, dialect: str) -> None:
        self._campaigns = campaigns
        self._dialect = dialect
        self._known: set[str] = set()  # ids that were asked for already; whose a campaign is does not change

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._campaigns.settings

    async def create(self, order: Order, *, once: Once | None = None) -> Created:
        """See `Campaigns.create`."""
        return await self._campaigns.create(evolve(order, dialect=self._dialect), once=once)

    async def get(self, campaign: str) -> CampaignView:
        """See `Campaigns.get`."""
        view = await self._campaigns.get(campaign)
        if view.dialect != self._dialect:
            raise no_campaign(campaign)
        self._known |= {campaign, view.id}
        return view

    async def list(
        self,
        *,
        agent: str | None = None,
        states: Sequence[CampaignState] = (),
        name: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Page[CampaignView]:
        """See `Campaigns.list`."""
        return await self._campaigns.list(
            dialect=self._dialect, agent=agent, states=states, name=name, limit=limit, offset=offset
        )

    async def update(
        self, campaign: str, changes: Mapping[str, Any], *, extra: Mapping[str, Any] | None = None
    ) -> CampaignView:
        """See `Campaigns.update`."""
        return await self._campaigns.update(await self._own(campaign), changes, extra=extra)

    async def delete(self, campaign: str) -> None:
        """See `Campaigns.delete`."""
        await self._campaigns.delete(await self._own(campaign))

    async def schedule(self, campaign: str) -> CampaignView:
        """See `Campaigns.schedule`."""
        return await self._campaigns.schedule(await self._own(campaign))

    async def start(self, campaign: str) -> CampaignView:
        """See `Campaigns.start`."""
        return await self._campaigns.start(await self._own(campaign))

    async def pause(self, campaign: str) -> CampaignView:
        """See `Campaigns.pause`."""
        return await self._campaigns.pause(await self._own(campaign))

    async def resume(self, campaign: str) -> CampaignView:
        """See `Campaigns.resume`."""
        return await self._campaigns.resume(await self._own(campaign))

    async def cancel(self, campaign: str, *, now: bool = False) -> CampaignView:
        """See `Campaigns.cancel`."""
        return await self._campaigns.cancel(await self._own(campaign), now=now)

    async def add_recipients(
        self, campaign: str, recipients: Sequence[Any], *, skip_invalid: bool = False, once: Once | None = None
    ) -> Added:
        """See `Campaigns.add_recipients`."""
        uid = await self._own(campaign)
        return await self._campaigns.add_recipients(uid, recipients, skip_invalid=skip_invalid, once=once)

    async def recipients(
        self, campaign: str, *, limit: int = 100, after: str | None = None, calls: bool = False
    ) -> Page[RecipientView]:
        """See `Campaigns.recipients`."""
        return await self._campaigns.recipients(await self._own(campaign), limit=limit, after=after, calls=calls)

    async def _own(self, campaign: str) -> str:
        """Return an id or alias that is the dialect's own.

        Raises:
            NotFound: it is another's, or there is none.
        """
        if campaign not in self._known:
            await self.get(campaign)
        return campaign
