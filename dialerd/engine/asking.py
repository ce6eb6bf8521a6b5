"""Turning free lines into an ask: permits, caller ids and start instants for calls that are not chosen yet.

Permits come first and the claim second, so that whoever is claimed can be rung at once.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import trio
from attrs import define, field

from dialerd.engine.campaign import LiveCampaign
from dialerd.engine.days import DayCount
from dialerd.engine.limits import Limit, Permit, take
from dialerd.engine.lines import AgentLine, CallerId, Lines, Trunk
from dialerd.model.instants import SECOND, Instant
from dialerd.rules.breaker import UNLIMITED, BreakerState
from dialerd.rules.routes import WORLD
from dialerd.store.claiming import Ask

AHEAD_S = 0.1
"""Seconds ahead for which paced starts are claimed together: calls wait for their start with their gate still before
them, and a trunk of 200 calls a second takes ten commits a second instead of 200."""

_LOOK_AGAIN_S = 30.0  # a day's end is an instant of the wall clock, which may be stepped


@define(eq=False, slots=True)
class Slot:
    """A line that is held for a call that is not chosen yet.

    Args:
        caller_id: the number to show.
        permit: what is held.
        start_at: monotonic seconds before which the call must not start.
        probe: the call finds out whether the trunk works again.
    """

    caller_id: CallerId
    permit: Permit
    start_at: float
    probe: bool


@define(eq=False, slots=True)
class Asked:
    """An ask with the lines that are held for it."""

    campaign: LiveCampaign
    ask: Ask
    slots: list[Slot]


@define(eq=False, slots=True)
class Blocked:
    """Why a campaign gets no line.

    Args:
        limits: full limits; a call that ends frees them.
        until_s: monotonic seconds at which something frees by itself; None = nothing does.
    """

    limits: list[Limit] = field(factory=list)
    until_s: float | None = None

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
    now_s = trio.current_time()
    blocked = Blocked()
    agent = lines.agents.get(campaign.agent)
    if agent is None:
        blocked.until(now_s + _LOOK_AGAIN_S)
        return blocked
    k = _most(campaign, agent, wanted, blocked, now, now_s)
    countries = dict.fromkeys(campaign.group(group_id).country for group_id in due) if k else ()
    for country in countries:
        usable = [
            line
            for number in campaign.caller_ids
            if (line := lines.caller_ids.get(number)) is not None and (country or WORLD) in line.trunk.countries
        ]
        slots = _slots(campaign, agent, lines, usable, k, blocked, now, now_s)
        if slots:
            groups = [group_id for group_id in due if campaign.group(group_id).country == country]
            return Asked(campaign, _ask(campaign, groups, slots, now), slots)
    if not blocked.limits and blocked.until_s is None:
        blocked.until(now_s + _LOOK_AGAIN_S)  # no trunk may ring any of these countries until the settings change
    return blocked


def give_back(asked: Asked, unused: Iterable[Slot]) -> None:
    """Give back lines for which nobody was claimed."""
    starts: Counter[Trunk] = Counter()
    count = 0
    for slot in unused:
        slot.permit.release()
        starts[slot.caller_id.trunk] += 1
        count += 1
        if slot.probe:
            slot.caller_id.trunk.breaker.returned_probe()
    asked.campaign.pace.refund(count)
    for trunk, n in starts.items():
        if trunk.last_taker is asked.campaign:  # starts that others have taken since cannot be put back behind them
            trunk.pace.refund(n)


def _most(campaign: LiveCampaign, agent: AgentLine, wanted: int, blocked: Blocked, now: Instant, now_s: float) -> int:
    """Return how many calls the campaign's and the agent's own limits allow now."""
    k = wanted
    for limit in (campaign.limit, agent.limit):
        if limit.free < 1:
            blocked.limits.append(limit)
        k = min(k, int(min(limit.free, wanted)))
    if campaign.day is not None:
        k = min(k, _left(campaign.day, blocked, now, now_s))
    if campaign.pace.next_at(now_s) > now_s + AHEAD_S:
        blocked.until(campaign.pace.next_at(now_s))
        k = 0
    return k


def _left(day: DayCount, blocked: Blocked, now: Instant, now_s: float) -> int:
    left = day.left(now)
    if not left:
        blocked.until(now_s + min(_LOOK_AGAIN_S, (day.resets_at(now) - now) / SECOND))
    return left


def _slots(
    campaign: LiveCampaign,
    agent: AgentLine,
    lines: Lines,
    usable: list[CallerId],
    k: int,
    blocked: Blocked,
    now: Instant,
    now_s: float,
) -> list[Slot]:
    """Choose caller ids for up to `k` calls and take everything that they need."""
    free: dict[str, int] = {}
    rooms = {trunk: _room(trunk, k, blocked, now_s) for trunk in {line.trunk for line in usable}}
    for line in usable:
        room = min(rooms[line.trunk], k)
        if line.limit.free < 1:
            blocked.limits.append(line.limit)
        room = int(min(room, line.limit.free))
        if room and line.day is not None:
            room = min(room, _left(line.day, blocked, now, now_s))
        if room:
            free[line.number] = room
    chosen: dict[Trunk, list[CallerId]] = {}
    for number in campaign.rotor.choose(free, k):
        line = lines.caller_ids[number]
        chosen.setdefault(line.trunk, []).append(line)
    slots = [slot for trunk, picks in chosen.items() for slot in _hold(campaign, agent, lines, trunk, picks, now_s)]
    starts = campaign.pace.slots(len(slots), now_s, AHEAD_S)
    for slot in slots[len(starts) :]:
        slot.permit.release()
    del slots[len(starts) :]
    for slot, start_at in zip(slots, starts, strict=True):
        slot.start_at = max(slot.start_at, start_at)
    return slots


def _room(trunk: Trunk, k: int, blocked: Blocked, now_s: float) -> int:
    """Return how many calls a trunk can take now."""
    breaker = trunk.breaker
    if trunk.provider is None:
        blocked.until(now_s + 1.0)
        return 0
    if breaker.state is not BreakerState.CLOSED:
        if breaker.until is not None and breaker.until > now_s:
            blocked.until(breaker.until)
            return 0
        k = 1
    if trunk.limit.free < 1:
        blocked.limits.append(trunk.limit)
        return 0
    if (start_at := trunk.pace.next_at(now_s)) > now_s + AHEAD_S:
        blocked.until(start_at)
        return 0
    return int(min(k, trunk.limit.free))


def _hold(
    campaign: LiveCampaign, agent: AgentLine, lines: Lines, trunk: Trunk, picks: list[CallerId], now_s: float
) -> list[Slot]:
    """Take permits and starts for calls over one trunk, as many as there are of both."""
    allowed = trunk.breaker.allow(now_s)
    starts = trunk.pace.slots(min(len(picks), allowed, int(min(trunk.limit.free, len(picks)))), now_s, AHEAD_S)
    trunk.last_taker = campaign
    slots = []
    for line, start_at in zip(picks, starts, strict=False):
        permit = take((lines.daemon, trunk.limit, line.limit, agent.limit, campaign.limit))
        if permit is None:
            break
        slots.append(Slot(line, permit, start_at, probe=allowed != UNLIMITED))
    trunk.pace.refund(len(starts) - len(slots))
    if allowed != UNLIMITED and not slots:
        trunk.breaker.returned_probe()
    return slots


def _ask(campaign: LiveCampaign, groups: list[int], slots: list[Slot], now: Instant) -> Ask:
    day_keys: dict[str, list[tuple[str, str]]] = {}
    if campaign.day is not None:
        day_keys[""] = [campaign.day.key(now)]
    for slot in slots:
        if slot.caller_id.day is not None:
            day_keys[slot.caller_id.number] = [slot.caller_id.day.key(now)]
    return Ask(
        campaign_id=campaign.row.id,
        campaign=campaign.row.uid,
        agent=campaign.agent,
        state=campaign.state,
        groups=[(group_id, campaign.opening(group_id, now)) for group_id in groups],
        slots=[slot.caller_id.number for slot in slots],
        trunks={slot.caller_id.number: slot.caller_id.trunk.name for slot in slots},
        sticky=campaign.sticky,
        day_keys=day_keys,
    )
