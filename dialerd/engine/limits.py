"""Limits and permits: one unit of every limiter that a call needs, held from before the claim to the call's end."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from dialerd.engine.campaign import LiveCampaign


class Limit:
    """Something of which only so many calls may be in progress: the daemon, a trunk, a number, an agent, a campaign.

    Campaigns that found it full are parked on it until a unit is free, so that they cost nothing while they wait.

    Args:
        total: calls at once; None = no limit.

    Attributes:
        parked: campaigns that wait for a free unit.
    """

    __slots__ = ("limiter", "parked")

    def __init__(self, total: int | None) -> None:
        self.limiter = trio.CapacityLimiter(_tokens(total))
        self.parked: dict[LiveCampaign, None] = {}

    @property
    def free(self) -> float:
        """Units that can be had now; `math.inf` where there is no limit."""
        # a limit that was lowered below what is in use has fewer than none
        return max(0, self.limiter.available_tokens)

    def set_total(self, total: int | None) -> None:
        """Follow changed settings; calls in progress beyond a lower limit go on."""
        self.limiter.total_tokens = _tokens(total)

    def park(self, campaign: "LiveCampaign") -> None:
        """Let `campaign` wait for a free unit."""
        self.parked[campaign] = None


class Permit:
    """One unit of each of several limits, for one call.

    Args:
        limits: what was taken.
    """

    __slots__ = ("limits",)

    def __init__(self, limits: tuple[Limit, ...]) -> None:
        self.limits = limits

    def release(self) -> None:
        """Give everything back; a second time does nothing."""
        for limit in self.limits:
            limit.limiter.release_on_behalf_of(self)
        self.limits = ()


def take(limits: Iterable[Limit]) -> Permit | None:
    """Take one unit of each limit, all or none."""
    permit = Permit(())
    taken: list[Limit] = []
    for limit in limits:
        try:
            limit.limiter.acquire_on_behalf_of_nowait(permit)
        except trio.WouldBlock:
            permit.limits = tuple(taken)
            permit.release()
            return None
        taken.append(limit)
    permit.limits = tuple(taken)
    return permit


def _tokens(total: int | None) -> float:
    return math.inf if total is None else total
