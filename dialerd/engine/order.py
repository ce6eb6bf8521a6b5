"""The order that a provider gets, and the last instant at which it may be refused."""

from typing import Any

import msgspec
from attrs import define

from dialerd.engine.figures import Figures
from dialerd.engine.live import LiveCall
from dialerd.engine.withheld import Withheld
from dialerd.model.instants import NEVER, SECOND, Instant
from dialerd.model.settings import AgentSettings
from dialerd.model.states import Rule
from dialerd.plugin.provider import CallOrder, Withdrawn
from dialerd.rules.gate import Hold, Person

_SUPPRESSED = Person(suppressed_until=NEVER)


@define(kw_only=True, slots=True, eq=False)
class Order(CallOrder):
    """An order that can leave.

    Args:
        call: the call that it orders.
        withheld: numbers under a do-not-call entry that is being stored.
        figures: counts calls that leave.

    Attributes:
        hold: what the gate objected when it was to leave.
    """

    call: LiveCall
    hold: Hold | None = None
    withheld: Withheld
    figures: Figures

    def leave(self) -> None:
        """See `CallOrder.leave`."""
        call = self.call
        if call.recalled is not None:
            raise Withdrawn(call.recalled.reason)
        now = call.clock.now()
        self.hold = hold = self._objection(now)
        if hold is not None:
            raise Withdrawn(f"{hold.rule}: {hold.detail}" if hold.detail else str(hold.rule))
        call.left_at = now
        claimed = call.claimed
        self.figures.left((now - call.campaign.since(claimed.group_id, claimed.due_at, now)) / SECOND)

    def _objection(self, now: Instant) -> Hold | None:
        """Return what the gate objects at `now`."""
        call = self.call
        if call.hangup.is_set():
            return Hold(Rule.CAMPAIGN_OVER, detail="the call is to be ended")
        # what the number may bear was judged in the claim, and this call is part of it by now
        campaign = call.campaign
        if self.number in self.withheld.numbers and self.withheld.binds(self.number, campaign.agent, campaign.row.uid):
            return campaign.judge(call.claimed.group_id, now, _SUPPRESSED)
        return campaign.verdict(call.claimed.group_id, now)


def order_for(call: LiveCall, agent: AgentSettings, withheld: Withheld, figures: Figures) -> Order:
    """Return the order of a claimed call."""
    claimed = call.claimed
    spec = call.campaign.row.spec
    return Order(
        call=call,
        withheld=withheld,
        figures=figures,
        attempt_id=claimed.uid,
        trunk=call.trunk.name,
        number=claimed.number,
        caller_id=claimed.caller_id,
        agent_name=call.campaign.agent,
        agent=agent,
        prompt=spec.prompt if claimed.prompt is None else claimed.prompt,
        variables=_merged(spec.variables, claimed.variables),
        campaign=spec.name,
        metadata=_merged(spec.metadata, claimed.metadata),
        ring_timeout=spec.ring_timeout,
        max_duration=spec.max_duration,
        amd=spec.amd,
        hangup=call.hangup,
    )


def _merged(general: dict[str, Any], own: str | None) -> dict[str, Any]:
    """Return the recipient's values over the campaign's, key by key."""
    return {**general, **msgspec.json.decode(own)} if own else general
