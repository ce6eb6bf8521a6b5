"""Sharing: which campaigns may ask for how many of the free lines, and who waits for lines that are not free.

A campaign that finds a limit full is parked on it, and is brought back when the limit has units again.
"""

import math
from collections.abc import Callable, Container

import trio

from dialerd.engine.asking import Asked, Blocked, ask
from dialerd.engine.campaign import LiveCampaign
from dialerd.engine.limits import Queue
from dialerd.engine.lines import Lines
from dialerd.engine.live import LiveCall
from dialerd.engine.scheduler import Scheduler
from dialerd.model.instants import NEVER, SECOND, Instant
from dialerd.store.claiming import Answer

_STALLED_S = 1.0  # a campaign whose due people can all not be had with the free lines is looked at again then


class Sharing:
    """Shares the lines out.

    Args:
        scheduler: who has somebody due.
        lines: what is free.
        idle: told of campaigns of which nobody is due after all.
    """

    def __init__(self, scheduler: Scheduler, lines: Lines, idle: Callable[[LiveCampaign], None]) -> None:
        self._scheduler = scheduler
        self._lines = lines
        self._idle = idle
        self._full: dict[Queue, None] = {}  # what campaigns are parked on

    def ask(self, now: Instant) -> list[Asked]:
        """Return what the campaigns that have somebody due ask for with the lines that are free."""
        now_s = trio.current_time()
        self._scheduler.due(now, now_s)
        asked: list[Asked] = []
        asking: set[LiveCampaign] = set()
        while free := self._lines.free():
            unparked = self._unpark(asking, now)
            shared = list(self._scheduler.share(free))
            for campaign, given in shared:
                result = self._ask(campaign, given, now, now_s)
                if result is not None:
                    asked.append(result)
                    asking.add(campaign)
            if not (shared or unparked):
                break
        return asked

    def _ask(self, campaign: LiveCampaign, given: int, now: Instant, now_s: float) -> Asked | None:
        """Let a campaign ask with some lines; one that cannot rests, or is parked on what it finds full."""
        due = campaign.due_groups(now)
        if not due:
            self._idle(campaign)
            self._scheduler.rest(campaign, now_s + _STALLED_S)
            return None
        result = ask(campaign, due, self._lines, given, now)
        self._scheduler.unused(campaign, given - (len(result.slots) if isinstance(result, Asked) else 0))
        if isinstance(result, Blocked):
            campaign.parked = frozenset(due if result.limits else ())
            for limit in result.limits:
                limit.park(campaign, self._scheduler.tag(campaign))
                if limit is not campaign.limit:
                    self._full[limit] = None
            if result.capped is not None:
                self._scheduler.hold(campaign, campaign.heads, *result.capped)
            self._scheduler.rest(campaign, result.until_s)
            return None
        campaign.parked = frozenset()  # where it still stands in a queue, it may be passed over
        self._scheduler.rest(campaign, None)  # until its answer is here
        return result

    def _unpark(self, asking: Container[LiveCampaign], now: Instant) -> bool:
        """Bring back who waits for limits that have free units, whatever freed them; tell whether there was anybody.

        Those who cannot use their unit, because they were paused or find another limit full, leave it free, and then
        the next are brought back: no unit is left lying while somebody waits for it.

        Args:
            asking: campaigns that wait for an answer; they are looked at again when it is here.
            now: the present instant.
        """
        found = False
        for limit in [limit for limit in self._full if limit.free >= 1]:
            free = limit.free
            while free >= 1 and (campaign := limit.unpark()) is not None:
                if campaign not in asking:
                    self._scheduler.unpark(campaign, now)
                    found = True
                    free -= 1
            if not limit.awaited:
                del self._full[limit]
        return found

    def answered(self, asked: Asked, answer: Answer, now: Instant) -> None:
        """Take the lines back that an answer did not use; a campaign that can use none of those free rests a while."""
        campaign = asked.campaign
        self._scheduler.unused(campaign, len(asked.slots) - len(answer.claimed))
        if answer.claimed or answer.held or answer.finished or not campaign.due_groups(now):
            campaign.stalls = 0
        elif campaign.stalls < len(campaign.caller_ids):
            campaign.stalls += 1  # those who are due keep other caller ids; the rotation comes to each of them
        else:
            campaign.stalls = 0
            self._scheduler.rest(campaign, trio.current_time() + _STALLED_S)

    def release(self, call: LiveCall) -> None:
        """Let a call's lines go to whoever waits for them."""
        if call.permit is not None:
            call.permit.release()
        limit = call.campaign.limit
        if limit.awaited and (campaign := limit.unpark()) is not None:  # on its own limit there waits but itself
            self._scheduler.unpark(campaign, call.clock.now())

    def wake_s(self, now: Instant) -> float:
        """Return in how many seconds there may be something to ask for, as far as is known; may be less than 0."""
        now_s = trio.current_time()
        at, until_s = self._scheduler.next_wake()
        seconds = math.inf if at == NEVER else (at - now) / SECOND
        if until_s is not None:
            seconds = min(seconds, until_s - now_s)
        if self._lines.daemon.free >= 1:
            for queue in self._full:
                if (free_at := queue.free_at) is not None:
                    seconds = min(seconds, free_at - now_s)
        return seconds
