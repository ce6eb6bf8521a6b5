"""Turning free lines into an ask: permits, caller ids and start instants for calls that are not chosen yet.

Permits come first and the claim second, so that whoever is claimed can be rung at once.
"""

from collections import Counter, deque
from collections.abc import Sequence

import trio
from attrs import define, field

from dialerd.engine.campaign import LiveCampaign
from dialerd.engine.days import DayCount
from dialerd.engine.limits import AHEAD_S, Permit, Queue, Starts, take
from dialerd.engine.lines import AgentLine, CallerId, Lines, Trunk
from dialerd.model.instants import SECOND, Instant
from dialerd.model.states import Rule
from dialerd.rules.breaker import UNLIMITED, BreakerState
from dialerd.rules.routes import WORLD
from dialerd.store.claiming import Ask, Claimed

_TRUNK_DOWN_S = 1.0  # a trunk that comes up wakes the dispatcher, but not the campaigns that wait for it
_PROBE_S = 1.0  # nor does a probe that gets through
_LOOK_AGAIN_S = 30.0  # a day's end is an instant of the wall clock, which may be stepped


@define(eq=False, slots=True)
class Slot:
    """A line that is held for a call that is not chosen yet.

    Args:
        caller_id: the number to show.
        trunk: over which the call goes, though a reload gives the number to another one meanwhile.
        permit: what is held.
        start_at: monotonic seconds before which the call must not start.
        probe: the call finds out whether the trunk works again, or the agent on it.
        day: the daily cap of which it holds one, or None.
    """

    caller_id: CallerId
    trunk: Trunk
    permit: Permit
    start_at: float
    probe: bool
    day: DayCount | None = None


@define(eq=False, slots=True)
class Asked:
    """An ask with the lines that are held for it."""

    campaign: LiveCampaign
    ask: Ask
    slots: list[Slot]

    def split(self, claimed: Sequence[Claimed]) -> tuple[list[Slot], list[Slot]]:
        """Return the lines of those who were claimed, in their order, and the lines that are left over."""
        if not self.campaign.sticky:  # lines are used in the order in which they were asked for
            return self.slots[: len(claimed)], self.slots[len(claimed) :]
        free: dict[str, deque[Slot]] = {}
        for slot in self.slots:
            free.setdefault(slot.caller_id.number, deque()).append(slot)
        used = [free[one.caller_id].popleft() for one in claimed]
        _close_ranks(used, self.slots)
        return used, [slot for left in free.values() for slot in left]


@define(eq=False, slots=True)
class Blocked:
    """Why a campaign gets no line.

    Args:
        limits: what there is none of now; it is said there when it frees.
        until_s: monotonic seconds at which something frees by itself; None = nothing does.
        capped: the daily cap that is reached and when it resets, or None.
    """

    limits: list[Queue] = field(factory=list)
    until_s: float | None = None
    capped: tuple[Rule, Instant] | None = None

    def until(self, at_s: float) -> None:
        """Note that something frees at `at_s`."""
        self.until_s = at_s if self.until_s is None else min(self.until_s, at_s)


def ask(campaign: LiveCampaign, due: Sequence[int], lines: Lines, wanted: int, now: Instant) -> Asked | Blocked:
    """Take lines for up to `wanted` calls of a campaign, or say what there is to wait for.

    Args:
        campaign: whose calls.
        due: its zone groups that are open and have somebody due.
        lines: all lines.
        wanted: free lines it may have.
        now: the present instant.
    """
    agent = lines.agents.get(campaign.agent)
    if agent is None:  # it was taken out of the settings
        return Blocked(until_s=trio.current_time() + _LOOK_AGAIN_S)
    return _Asking(campaign=campaign, agent=agent, lines=lines, now=now).ask(due, wanted)


def give_back(campaign: LiveCampaign, unused: Sequence[Slot]) -> None:
    """Give back lines for which nobody was claimed.

    Args:
        campaign: for which they were taken.
        unused: the lines.
    """
    campaign.pace.refund(len(unused))
    _release(campaign, unused)


def _release(campaign: LiveCampaign, slots: Sequence[Slot]) -> None:
    """Give back what `slots` hold of everything but the campaign's own pace."""
    starts: Counter[Trunk] = Counter()
    for slot in slots:
        slot.permit.release()
        if slot.day is not None:
            slot.day.asked -= 1
        trunk = slot.trunk
        starts[trunk] += 1
        if slot.probe:
            trunk.returned_probe(campaign.agent)
    for trunk, n in starts.items():
        if trunk.starts.last_taker is campaign:  # starts that others have taken since cannot be put back behind them
            trunk.pace.refund(n)


def _close_ranks(used: Sequence[Slot], slots: Sequence[Slot]) -> None:
    """Let the calls that were chosen have the earliest starts, so that those given back are the last ones.

    Args:
        used: the lines that are used, any of `slots`.
        slots: the lines that were held.
    """
    starts: dict[Starts, list[float]] = {}
    for slot in slots:
        starts.setdefault(slot.trunk.starts, []).append(slot.start_at)
    free = {of: iter(sorted(instants)) for of, instants in starts.items()}
    for slot in used:
        slot.start_at = next(free[slot.trunk.starts])


@define(kw_only=True, eq=False, slots=True)
class _Asking:
    """The search for lines for one campaign.

    Args:
        campaign: whose calls.
        agent: who is to speak.
        lines: all lines.
        now: the present instant.
    """

    campaign: LiveCampaign
    agent: AgentLine
    lines: Lines
    now: Instant
    now_s: float = field(factory=trio.current_time)
    blocked: Blocked = field(factory=Blocked)

    def ask(self, due: Sequence[int], wanted: int) -> Asked | Blocked:
        """Try the countries of the due groups in turn; the first for which there are lines is asked for."""
        campaign = self.campaign
        k = self._most(wanted)
        for country in dict.fromkeys(campaign.group(group_id).country for group_id in due) if k else ():
            usable = self._usable(country)
            slots = self._slots(usable, k)
            if slots:
                groups = [group_id for group_id in due if campaign.group(group_id).country == country]
                return Asked(campaign, self._wish(groups, slots, usable), slots)
        if len(campaign.heads) > len(due) or (not self.blocked.limits and self.blocked.until_s is None):
            # other groups open while it waits; or no trunk may ring any of these countries until the settings change
            self.blocked.until(self.now_s + _LOOK_AGAIN_S)
        return self.blocked

    def _usable(self, country: str | None) -> list[CallerId]:
        """Return the campaign's caller ids whose trunk may ring a country."""
        return [
            line
            for number in self.campaign.caller_ids
            if (line := self.lines.caller_ids.get(number)) is not None and (country or WORLD) in line.trunk.countries
        ]

    def _most(self, wanted: int) -> int:
        """Return how many calls the campaign's and the agent's own limits allow now."""
        k = wanted
        for limit in (self.campaign.limit, self.agent.limit):
            if limit.free < 1:
                self.blocked.limits.append(limit)
            k = min(k, int(min(limit.free, wanted)))
        if self.campaign.day is not None:
            k = min(k, self._left(self.campaign.day, Rule.CAMPAIGN_DAY_CAP))
        if (start_at := self.campaign.pace.next_at(self.now_s)) > self.now_s + self._ahead_s():
            self.blocked.until(start_at)
            k = 0
        return k

    def _ahead_s(self) -> float:
        """Return how far ahead of its own pace the campaign may be asked for.

        A slow one must not take a start of the trunk that lies in the future: those before it would go unused.
        """
        rate = self.campaign.pace.rate
        return AHEAD_S if rate is None or rate * AHEAD_S > 1 else 0.0

    def _left(self, day: DayCount, rule: Rule) -> int:
        left = day.left(self.now)
        if not left:
            self.blocked.capped = rule, day.resets_at(self.now)
            wait_s = (day.resets_at(self.now) - self.now) / SECOND
            self.blocked.until(self.now_s + min(_LOOK_AGAIN_S, wait_s))
        return left

    def _slots(self, usable: Sequence[CallerId], k: int) -> list[Slot]:
        """Choose caller ids for up to `k` calls and take everything that they need."""
        rooms = {trunk: self._room(trunk, k) for trunk in {line.trunk for line in usable}}
        free: dict[str, int] = {}
        for line in usable:
            room = rooms[line.trunk]
            if line.limit.free < 1:
                self.blocked.limits.append(line.limit)
            room = int(min(room, line.limit.free))
            if room and line.day is not None:
                room = min(room, self._left(line.day, Rule.CALLER_ID_DAY_CAP))
            if room:
                free[line.number] = room
        chosen: dict[Trunk, list[CallerId]] = {}
        for number in self.campaign.rotor.choose(free, k):
            line = self.lines.caller_ids[number]
            chosen.setdefault(line.trunk, []).append(line)
        return [slot for trunk, picks in chosen.items() for slot in self._hold(trunk, picks)]

    def _room(self, trunk: Trunk, k: int) -> int:
        """Return how many calls a trunk can take now."""
        if trunk.provider is None:
            self.blocked.until(self.now_s + _TRUNK_DOWN_S)
            return 0
        for breaker in trunk.breakers(self.agent.name):
            if breaker.state is not BreakerState.CLOSED:
                if breaker.until is not None and breaker.until > self.now_s:
                    probed = breaker.state is BreakerState.HALF_OPEN
                    self.blocked.until(min(breaker.until, self.now_s + _PROBE_S) if probed else breaker.until)
                    return 0
                k = 1
        if trunk.limit.free < 1:
            self.blocked.limits.append(trunk.limit)
            return 0
        if trunk.pace.next_at(self.now_s) > self.now_s + AHEAD_S:  # judged at the instant at which they are taken
            self.blocked.limits.append(trunk.starts)
            return 0
        return int(min(k, trunk.limit.free))

    def _hold(self, trunk: Trunk, picks: Sequence[CallerId]) -> list[Slot]:
        """Take permits and starts for calls over one trunk, as many as there are of both."""
        allowed = min(breaker.allow(self.now_s) for breaker in trunk.breakers(self.agent.name))
        most = min(len(picks), allowed, int(min(trunk.limit.free, len(picks))))
        trunk.starts.last_taker = self.campaign
        if self.campaign.pace.rate is not None:
            return self._hold_paced(trunk, picks[:most], probe=allowed != UNLIMITED)
        starts = trunk.pace.slots(most, self.now_s, AHEAD_S)
        slots = []
        probe = allowed != UNLIMITED
        for line, start_at in zip(picks, starts, strict=False):
            permit = take((self.lines.daemon, trunk.limit, line.limit, self.agent.limit, self.campaign.limit))
            if permit is None:
                break
            slots.append(Slot(line, trunk, permit, start_at, probe))
        trunk.pace.refund(len(starts) - len(slots))
        if probe and not slots:
            trunk.returned_probe(self.agent.name)
        return slots

    def _hold_paced(self, trunk: Trunk, picks: Sequence[CallerId], *, probe: bool) -> list[Slot]:
        """Take permits and starts that suit both the trunk's pace and the campaign's own."""
        own, slots = self.campaign.pace, []
        for line in picks:
            at = own.next_at(self.now_s)
            starts = trunk.pace.slots(1, at, AHEAD_S) if at <= self.now_s + self._ahead_s() else []
            if not starts:
                break
            permit = take((self.lines.daemon, trunk.limit, line.limit, self.agent.limit, self.campaign.limit))
            if permit is None:
                trunk.pace.refund(1)
                break
            own.slots(1, starts[0])
            slots.append(Slot(line, trunk, permit, starts[0], probe))
        if probe and not slots:
            trunk.returned_probe(self.agent.name)
        return slots

    def _wish(self, groups: Sequence[int], slots: Sequence[Slot], usable: Sequence[CallerId]) -> Ask:
        """Return the ask for calls on `slots`."""
        campaign = self.campaign
        day_keys: dict[str, list[tuple[str, str]]] = {}
        if campaign.day is not None:
            day_keys[""] = [campaign.day.key(self.now)]
        for slot in slots:
            if (day := slot.caller_id.day) is not None:
                slot.day = day
                day.asked += 1
                day_keys[slot.caller_id.number] = [day.key(self.now)]
        return Ask(
            campaign_id=campaign.row.id,
            campaign=campaign.row.uid,
            agent=campaign.agent,
            state=campaign.state,
            groups=[(group_id, campaign.opening(group_id, self.now)) for group_id in groups],
            slots=[slot.caller_id.number for slot in slots],
            trunks={line.number: line.trunk.name for line in usable},
            sticky=campaign.sticky,
            caller_ids=[line.number for line in usable],
            told=campaign.telling.on,
            max_attempts=campaign.retry.max_attempts,
            day_keys=day_keys,
        )
