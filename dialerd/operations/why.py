"""Why a number is not dialled now: the gate's answer, and what only the running daemon knows."""

from functools import partial

from sqlalchemy import Connection

from dialerd.engine.explain import Explanation, explain
from dialerd.model.errors import NotFound
from dialerd.model.instants import Instant
from dialerd.model.reason import Reason
from dialerd.model.settings import Settings
from dialerd.model.states import RecipientState
from dialerd.operations.ground import Ground
from dialerd.operations.live_view import freshened
from dialerd.operations.reasons import reason_of
from dialerd.operations.waiting import waiting
from dialerd.store import lookup

_MOST = 50  # campaigns that are told of at once


class Why:
    """Says what holds recipients.

    Args:
        ground: what it stands on.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def why(self, number: str, campaign: str | None = None) -> tuple[Reason, ...]:
        """Return why a number is not dialled, one reason for each campaign that it stands in, 50 at most.

        Args:
            number: in any form that a campaign file may use.
            campaign: id, alias or name of a campaign, of several with one name all of them, latest first; None = of
                every campaign, those that are not over first.

        Raises:
            InvalidInput: the number cannot be read.
            NotFound: there is no such campaign, or the number is no recipient of it.
            StoreError: the store cannot be read.
        """
        settings, now = self._ground.settings(), self._ground.now()
        wanted = self._ground.number(number)
        found = await self._ground.store.read(partial(explanations, settings, wanted, campaign, now=now))
        return tuple(self._reason(one, settings, now) for one in found)

    def _reason(self, explanation: Explanation, settings: Settings, now: Instant) -> Reason:
        engine, found = self._ground.engine, explanation.found
        free = explanation.hold is None and found.state is RecipientState.PENDING
        campaign = engine.campaigns.by_key(explanation.campaign.id)
        return reason_of(
            explanation,
            settings,
            calls=[freshened(stored, engine.dispatcher.calls) for stored in found.tried],
            live=waiting(engine, campaign, found.group.country, now) if free else (),
        )


def explanations(
    settings: Settings, number: str, campaign: str | None, connection: Connection, *, now: Instant
) -> list[Explanation]:
    """Return what the gate says of a number, campaign by campaign.

    Args:
        settings: the settings in force.
        number: E.164.
        campaign: id, alias or name; None = every campaign that has the number.
        connection: one of the store.
        now: the instant judged.

    Raises:
        NotFound: there is no such campaign, or the number is no recipient of it.
    """
    if campaign is None:
        rows = lookup.campaigns_with(connection, number, _MOST)
        where = "any campaign"
    else:
        rows = lookup.campaigns_named(connection, campaign)[:_MOST]
        if not rows:
            raise NotFound(f"no campaign has the id or the name {campaign!r}")
        where = f"{rows[0].spec.name!r} ({rows[0].uid})"
    found = [explain(connection, settings, row, number, now) for row in rows]
    told = [one for one in found if one is not None]
    if not told:
        raise NotFound(f"{number} is no recipient of {where}")
    return told
