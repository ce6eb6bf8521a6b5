"""What a campaign waits for that nobody but the running daemon knows: full limits, spaced starts, trunks that are down.

It reads the same limits as the search for lines (`dialerd.engine.asking`) and takes nothing of them.
"""

from collections.abc import Iterable, Iterator

import trio

from dialerd.engine.campaign import LiveCampaign
from dialerd.engine.engine import Engine
from dialerd.engine.limits import AHEAD_S, Limit
from dialerd.engine.lines import CallerId, Trunk
from dialerd.model.instants import SECOND, Instant
from dialerd.model.reason import Waiting
from dialerd.rules.breaker import Breaker, BreakerState
from dialerd.rules.pacing import Pace
from dialerd.rules.routes import WORLD


def waiting(engine: Engine, campaign: LiveCampaign | None, country: str | None, now: Instant) -> tuple[Waiting, ...]:
    """Return what keeps a campaign from dialling somebody whom no rule holds; empty = it is a matter of moments.

    Args:
        engine: which dials.
        campaign: whose recipient; None = the engine has not taken it in.
        country: where the recipient's number lies, or None.
        now: the present instant.
    """
    if not engine.dispatcher.accepting:
        word = "stopping" if engine.ready.is_set() else "starting"
        return (Waiting(kind=word, words=f"the daemon is {word}; nobody is dialled"),)
    if campaign is None:
        return (Waiting(kind="loading", words="the campaign is being taken in"),)
    now_s = trio.current_time()
    found = [*_shared(engine, campaign, now, now_s)]
    lines = [
        line
        for number in campaign.caller_ids
        if (line := engine.lines.caller_ids.get(number)) is not None and (country or WORLD) in line.trunk.countries
    ]
    of_lines = [[*_line(line, campaign.agent, now, now_s)] for line in lines]
    if all(of_lines):  # one that is free is enough
        found += dict.fromkeys(one for blocked in of_lines for one in blocked)
    return tuple(found)


def _shared(engine: Engine, campaign: LiveCampaign, now: Instant, now_s: float) -> Iterator[Waiting]:
    """Yield what is full whatever the caller id."""
    yield from _full("daemon", None, engine.lines.daemon)
    agent = engine.lines.agents.get(campaign.agent)
    if agent is not None:
        yield from _full("agent", agent.name, agent.limit)
    yield from _full("campaign", campaign.row.spec.name, campaign.limit)
    rate = campaign.pace.rate
    ahead_s = AHEAD_S if rate is None or rate * AHEAD_S > 1 else 0.0  # a slow one is asked for when its start has come
    yield from _spaced("campaign", campaign.row.spec.name, campaign.pace, now, now_s, ahead_s=ahead_s)


def _line(line: CallerId, agent: str, now: Instant, now_s: float) -> Iterator[Waiting]:
    """Yield what keeps a caller id from being shown in an agent's calls."""
    yield from trunk_waits(line.trunk, now, now_s)
    yield from agent_waits(agent, line.trunk, now, now_s)
    yield from _full("number", line.number, line.limit)
    yield from _full("trunk", line.trunk.name, line.trunk.limit)
    yield from _spaced("trunk", line.trunk.name, line.trunk.pace, now, now_s, ahead_s=AHEAD_S)


def trunk_waits(trunk: Trunk, now: Instant, now_s: float) -> Iterable[Waiting]:
    """Return why no call goes over a trunk, if none does.

    Args:
        trunk: which.
        now: the present instant.
        now_s: the same in monotonic seconds.
    """
    if trunk.provider is None:
        why = f": {trunk.failure}" if trunk.failure else " yet"
        words = f"trunk {trunk.name} is down, its provider is not up{why}"
        return [Waiting(kind="down", name=trunk.name, words=words)]
    breaker = trunk.breaker
    if breaker.state is BreakerState.CLOSED:
        return []
    why = f": {breaker.reason}" if breaker.reason else ""
    words = f"trunk {trunk.name} rests after faults{why}"
    return [Waiting(kind="resting", name=trunk.name, words=words, until=_rest_ends(breaker, now, now_s))]


def agent_waits(agent: str, trunk: Trunk, now: Instant, now_s: float) -> Iterable[Waiting]:
    """Return why an agent makes no call over a trunk, if it is at fault.

    Args:
        agent: its name.
        trunk: which.
        now, now_s: as of `trunk_waits`.
    """
    breaker = trunk.unfit.breaker(agent)
    if breaker is None or breaker.state is BreakerState.CLOSED:
        return []
    words = f"agent {agent} rests on trunk {trunk.name}, since it cannot speak there: {breaker.reason}"
    return [Waiting(kind="unfit", name=agent, words=words, until=_rest_ends(breaker, now, now_s))]


def _rest_ends(breaker: Breaker, now: Instant, now_s: float) -> Instant | None:
    return None if breaker.until is None else now + max(0, round((breaker.until - now_s) * SECOND))


def _full(kind: str, name: str | None, limit: Limit) -> Iterator[Waiting]:
    if limit.free < 1:
        of = f"{kind} {name}" if name else f"the {kind}"
        yield Waiting(kind=kind, name=name, words=f"all {limit.total:g} lines of {of} are in use")


def _spaced(kind: str, name: str, pace: Pace, now: Instant, now_s: float, *, ahead_s: float) -> Iterator[Waiting]:
    next_s = pace.next_at(now_s)
    if next_s > now_s + ahead_s:
        words = f"calls of {kind} {name} are spaced out"
        yield Waiting(kind="pace", name=name, words=words, until=now + round((next_s - now_s) * SECOND))
