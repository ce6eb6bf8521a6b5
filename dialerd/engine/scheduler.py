"""The scheduler: which campaigns have somebody due in an open zone group now, and when to look again.

Campaigns that have are in the fair share of lines; the others sleep in a heap by the instant at which they may have.
A turn touches only campaigns that get a line, never all of them.
"""

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush

import trio

from dialerd.engine.campaign import LiveCampaign
from dialerd.model.instants import NEVER, Instant
from dialerd.model.states import Rule
from dialerd.rules.fairness import FairShare

Held = Callable[[LiveCampaign, Iterable[int], Rule, Instant], None]
"""Told of zone groups with somebody due whom a rule holds until an instant; told again at every look."""


class Scheduler:
    """Keeps the live campaigns and knows which of them want lines.

    Args:
        held: told whom closed hours and daily caps hold, or None: a forecast counts them, a daemon does not.
    """

    def __init__(self, held: Held | None = None) -> None:
        self._held = held
        self.campaigns: dict[int, LiveCampaign] = {}
        self._fair: FairShare[int] = FairShare()
        self._sleepers: list[tuple[Instant, int]] = []  # an entry is good while it is its campaign's wake_at
        self._ends: list[tuple[Instant, int]] = []  # looked at then even while it waits for a line
        self._blocked: list[tuple[float, int]] = []  # by monotonic seconds: campaigns held back by their own pace

    def add(self, campaign: LiveCampaign, now: Instant) -> None:
        """Take a campaign in."""
        self.campaigns[campaign.row.id] = campaign
        campaign.dialable_since = now
        if campaign.hours.end_at is not None:
            heappush(self._ends, (campaign.hours.end_at, campaign.row.id))
        self.touch(campaign, now)

    def remove(self, campaign: LiveCampaign) -> None:
        """Let a campaign go that is over."""
        campaign.wake_at = NEVER
        self.campaigns.pop(campaign.row.id, None)
        self._fair.forget(campaign.row.id)

    def touch(self, campaign: LiveCampaign, now: Instant) -> None:
        """Look at a campaign anew, because something about it has changed."""
        campaign.wake_at = campaign.next_wake(now)
        if self._held is not None:
            self._tell_closed(campaign, now)
        if campaign.wake_at <= now:
            if campaign.blocked_until <= trio.current_time() and not campaign.waits(now):
                self._fair.wants(campaign.row.id, campaign.pacing.priority, campaign.appetite)
            else:
                self._fair.rests(campaign.row.id, waiting=True)
            return
        self._fair.rests(campaign.row.id)
        if campaign.wake_at < NEVER:
            heappush(self._sleepers, (campaign.wake_at, campaign.row.id))

    def hold(self, campaign: LiveCampaign, groups: Iterable[int], rule: Rule, until: Instant) -> None:
        """Tell of groups with somebody due whom a rule holds."""
        if self._held is not None:
            self._held(campaign, groups, rule, until)

    def _tell_closed(self, campaign: LiveCampaign, now: Instant) -> None:
        for group_id, head in campaign.heads.items():
            stretch = campaign.opening(group_id, now)
            if stretch.rule is not None and head < stretch.until:
                self.hold(campaign, (group_id,), stretch.rule, stretch.until)

    def touch_all(self, now: Instant) -> None:
        """Look at every campaign anew: the wall clock was stepped, or the settings have changed."""
        self._sleepers.clear()
        for campaign in self.campaigns.values():
            campaign.hopeless_since = None  # the day of grace begins anew
            self._release(campaign, now)

    def changed(self, campaign: LiveCampaign, now: Instant) -> None:
        """Look anew at a campaign whose hours or pacing were changed."""
        if campaign.hours.end_at is not None:
            heappush(self._ends, (campaign.hours.end_at, campaign.row.id))
        campaign.hopeless_since = None  # the day of grace begins anew
        campaign.dialable_since = now
        self._release(campaign, now)

    def rest(self, campaign: LiveCampaign, until_s: float | None) -> None:
        """Give a campaign no lines until a limit on which it is parked frees, or until `until_s` monotonic seconds."""
        self._fair.rests(campaign.row.id, waiting=True)
        if until_s is not None:
            campaign.blocked_until = until_s
            heappush(self._blocked, (until_s, campaign.row.id))

    def due(self, now: Instant, now_s: float) -> None:
        """Wake the campaigns whose instant has come."""
        while self._sleepers and self._sleepers[0][0] <= now:
            at, key = heappop(self._sleepers)
            campaign = self.campaigns.get(key)
            if campaign is not None and campaign.wake_at == at:
                self.touch(campaign, now)
        while self._ends and self._ends[0][0] <= now:
            _, key = heappop(self._ends)
            if (campaign := self.campaigns.get(key)) is not None:
                self._release(campaign, now)
        while self._blocked and self._blocked[0][0] <= now_s:
            _, key = heappop(self._blocked)
            if (campaign := self.campaigns.get(key)) is not None and campaign.blocked_until <= now_s:
                self._release(campaign, now)

    def unblock(self, now: Instant) -> None:
        """Look anew at the campaigns that are held back for a while: what they wait for may have come earlier."""
        blocked, self._blocked = self._blocked, []
        for _, key in blocked:
            if (campaign := self.campaigns.get(key)) is not None:
                self._release(campaign, now)

    def share(self, lines: int) -> Iterator[tuple[LiveCampaign, int]]:
        """Share free lines among the campaigns that want some."""
        for key, given in self._fair.share(lines):
            yield self.campaigns[key], given

    def tag(self, campaign: LiveCampaign) -> float:
        """Return a campaign's place in virtual time: of several that wait for a limit, the lowest comes first."""
        return self._fair.tag(campaign.row.id)

    def unpark(self, campaign: LiveCampaign, now: Instant) -> None:
        """Look anew at a campaign that was parked on a limit which has free units again."""
        if campaign.row.id in self.campaigns:
            self._release(campaign, now)

    def _release(self, campaign: LiveCampaign, now: Instant) -> None:
        """Let a campaign that was held back want lines again."""
        campaign.blocked_until = 0.0
        campaign.parked = frozenset()
        self.touch(campaign, now)

    def unused(self, campaign: LiveCampaign, lines: int) -> None:
        """Uncharge a campaign for lines that it was given and had nobody for."""
        self._fair.give_back(campaign.row.id, lines)

    def next_wake(self) -> tuple[Instant, float | None]:
        """Return when to look again: an instant (NEVER = not by itself) and monotonic seconds (None = not)."""
        at = min((heap[0][0] for heap in (self._sleepers, self._ends) if heap), default=NEVER)
        return at, self._blocked[0][0] if self._blocked else None
