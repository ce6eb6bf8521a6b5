"""Agents that cannot speak over one trunk: each has a breaker there, and rests when call after call fails by it.

That is our fault and nobody else's: nobody's attempts are used up. Other agents go on over the trunk, and the agent
over other trunks. What only one recipient lacks is not held against its agent. Knows nothing of campaigns.
"""

from collections.abc import Sequence
from typing import Final

import structlog
import trio

from dialerd.model.call import UNFIT_AGENT, Cause
from dialerd.plugin.complaints import Complaints
from dialerd.rules.breaker import Breaker, BreakerState

_E164_DIGITS: Final = 15  # the most that a number has, so that a breaker's place is one person

_log = structlog.get_logger()

_UNFIT = (
    "give the recipients what the agent speaks, by variables of the campaign too, or mend the agent; nothing rang, and "
    "nobody's attempts are used up for about eight hours"
)
_RESTED = (
    "mend the agent, in its settings or where it runs, and reload: then it is tried at once, and otherwise every five "
    "minutes at least; its campaigns wait, the others go on, and nobody's attempts are used up"
)


class UnfitAgents:
    """The agents of one trunk against which there is anything.

    Args:
        trunk: its name.
    """

    __slots__ = ("_breakers", "_complaints", "_trunk")

    def __init__(self, trunk: str) -> None:
        self._trunk = trunk
        self._breakers: dict[str, Breaker] = {}
        self._complaints = Complaints()

    def breaker(self, agent: str) -> Breaker | None:
        """Return the breaker of an agent; None = there is nothing against it."""
        return self._breakers.get(agent)

    def resting(self) -> Sequence[str]:
        """Return the names of the agents that rest."""
        return [name for name, breaker in self._breakers.items() if breaker.state is not BreakerState.CLOSED]

    def take(self, agent: str, cause: Cause, *, number: str, started_at: float, campaign: str, call_id: str) -> None:
        """Take a call that was not placed since its agent could not speak.

        Args:
            agent: its name.
            cause: why, with the code `UNFIT_AGENT` or `UNFIT_CALL`.
            number: called number.
            started_at: monotonic seconds at which the call was claimed.
            campaign, call_id: ids of the call's campaign and of the call.
        """
        reason = cause.detail or str(cause.code)
        self._complaints.tell(
            _log.warning,
            "agent.unfit",
            agent,
            agent=agent,
            trunk=self._trunk,
            campaign=campaign,
            call_id=call_id,
            reason=reason,
            remedy=_UNFIT,
        )
        if cause.code == UNFIT_AGENT:
            self._failed(agent, number, reason, started_at)

    def worked(self, agent: str, started_at: float) -> None:
        """Note that a call of an agent was placed.

        Args:
            agent, started_at: as of `take`.
        """
        if (breaker := self._breakers.get(agent)) is None:
            return
        rested = breaker.state is not BreakerState.CLOSED
        breaker.succeeded(trio.current_time(), started_at=started_at)
        if breaker.state is BreakerState.CLOSED:
            del self._breakers[agent]
            if rested:
                _log.info("agent.recovered", agent=agent, trunk=self._trunk)

    def forget(self) -> None:
        """Hold nothing against any agent: what was in its way may have been mended."""
        self._breakers.clear()

    def _failed(self, agent: str, number: str, reason: str, started_at: float) -> None:
        breaker = self._breakers.setdefault(agent, Breaker(place_digits=_E164_DIGITS))
        rested, now_s = breaker.state is BreakerState.OPEN, trio.current_time()
        breaker.failed(number, now_s, reason, started_at=started_at)
        if not rested and breaker.state is BreakerState.OPEN and breaker.until is not None:
            rest_s = round(breaker.until - now_s)
            _log.error("agent.rested", agent=agent, trunk=self._trunk, reason=reason, probe_in_s=rest_s, remedy=_RESTED)
