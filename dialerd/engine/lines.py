"""The lines: trunks, caller ids and agents, with their limits as they stand now."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import structlog
import trio

from dialerd.engine.days import DayCount
from dialerd.engine.limits import Limit, Starts
from dialerd.engine.paces import Paces
from dialerd.engine.unfit import UnfitAgents
from dialerd.model.settings import AgentSettings, NumberSettings, Settings, TrunkSettings
from dialerd.plugin.complaints import Complaints
from dialerd.plugin.provider import Provider
from dialerd.rules.breaker import Breaker, BreakerState
from dialerd.rules.pacing import Pace
from dialerd.rules.routes import allowed_countries

_MOST = 4_096  # lines that are shared out at once

_log = structlog.get_logger()

_RESTED = (
    "ask the carrier, or look at the trunk's settings; nobody is dialled over it until a call finds out that it works, "
    "which is tried every five minutes at least; nobody's attempts are used up"
)
_SLOWED = (
    "where the reason is the connection, look at the way to the carrier, and otherwise ask it about the route to "
    "numbers like this one; calls over the trunk start slowly while all of them fail, and as fast as before within a "
    "minute after some get through; nobody's attempts are used up"
)
_THROTTLED = (
    "nothing, if it is seldom: calls start more slowly until the carrier takes them again, and nobody's attempts are "
    "used up; else lower calls_per_second of the trunk to what the carrier allows, or ask it for more"
)

L = TypeVar("L")


class Trunk:
    """A configured route of a provider.

    Args:
        name: its name in the settings.
        settings: its table.
        countries: countries it may ring.
        starts: those of its pace, which it may share with other trunks.

    Attributes:
        provider: who places its calls; None while it has not come up.
        providers: who is up, the last come first; one that a reload has replaced stays until its calls have ended.
        limit, pace, breaker: what stands between a call and the trunk; the pace is that of `starts`.
        unfit: the agents that cannot speak in its calls.
        failure: why its provider is not up, in words; None where it is, or has not been tried.
        kept_by: who keeps the provider; of two at a reload, the one that came up last.
        calls_by_provider: calls on a provider's hands, by its identity; two of a trunk live at once after a reload.
    """

    __slots__ = (
        "_complaints",
        "breaker",
        "calls_by_provider",
        "countries",
        "failure",
        "kept_by",
        "limit",
        "name",
        "pace",
        "provider",
        "providers",
        "settings",
        "starts",
        "unfit",
    )

    def __init__(self, name: str, settings: TrunkSettings, countries: frozenset[str], starts: Starts) -> None:
        self.name = name
        self.settings = settings
        self.countries = countries
        self.provider: Provider | None = None
        self.providers: list[Provider] = []
        self.limit = Limit(settings.max_concurrent)
        self.starts = starts
        self.pace = starts.pace
        self.breaker = Breaker()
        self.unfit = UnfitAgents(name)
        self.calls_by_provider: dict[int, int] = {}
        self.failure: str | None = None
        self.kept_by: object = None
        self._complaints = Complaints()

    @property
    def slowed(self) -> bool:
        """Whether fewer calls start than the settings allow, since the carrier takes no more, or fails them all."""
        return self.pace.slowed or self.breaker.hammered

    @property
    def trouble(self) -> str | None:
        """Why it was slowed last, or a trunk that shares its pace, in words; None = it never was."""
        return self.starts.trouble

    def update(self, settings: TrunkSettings, countries: frozenset[str], starts: Starts) -> None:
        """Follow changed settings; where it comes to another pace, that one is no faster than the former was."""
        self.settings = settings
        self.countries = countries
        self.limit.set_total(settings.max_concurrent)
        self.unfit.forget()
        if starts is not self.starts:
            starts.pace.follow(self.pace)
            starts.trouble = starts.trouble or self.starts.trouble
            starts.last_taker = self.starts.last_taker = None  # what is given back now may have been the other's
            self.starts, self.pace = starts, starts.pace

    def lend(self, provider: Provider) -> None:
        """Note that a call is on a provider's hands: it is not closed before `give_back`."""
        self.calls_by_provider[id(provider)] = self.calls_by_provider.get(id(provider), 0) + 1

    def give_back(self, provider: Provider) -> None:
        """Note that a call is off a provider's hands."""
        self.calls_by_provider[id(provider)] -= 1
        if not self.calls_by_provider[id(provider)]:
            del self.calls_by_provider[id(provider)]

    def breakers(self, agent: str) -> Sequence[Breaker]:
        """Return what may hold an agent's calls back: the trunk's breaker, and the agent's where it has one."""
        own = self.unfit.breaker(agent)
        return (self.breaker,) if own is None else (self.breaker, own)

    def returned_probe(self, agent: str) -> None:
        """Take a probe back that an agent's call was; see `Breaker.returned_probe`."""
        for breaker in self.breakers(agent):
            breaker.returned_probe()

    def worked(self, agent: str, started_at: float) -> None:
        """Note that a call reached the callee's network.

        Args:
            agent: whose call it was.
            started_at: monotonic seconds at which the call was claimed.
        """
        self.unfit.worked(agent, started_at)
        breaker = self.breaker
        rested = breaker.state is not BreakerState.CLOSED
        breaker.succeeded(trio.current_time(), started_at=started_at)
        if rested and breaker.state is BreakerState.CLOSED:
            _log.info("trunk.recovered", trunk=self.name)

    def settled(self, agent: str, started_at: float, *, heard: bool) -> None:
        """Note that a call came to its end without the trunk's failing.

        Args:
            agent, started_at: as of `worked`.
            heard: it was told already that the call reached the callee's network.
        """
        if not heard:
            self.worked(agent, started_at)
        if self.pace.slowed:
            self.pace.settled(trio.current_time())

    def failed(self, number: str, reason: str, started_at: float) -> None:
        """Note that a call failed by the trunk's or the provider's doing.

        Args:
            number: called number.
            reason: in words.
            started_at: as of `worked`.
        """
        rested, hammered = self.breaker.state is BreakerState.OPEN, self.breaker.hammered
        self.breaker.failed(number, trio.current_time(), reason, started_at=started_at)
        if self.breaker.hammered:
            self.congested(reason)
            if not hammered:
                _log.error("trunk.slowed", trunk=self.name, number=number, reason=reason, remedy=_SLOWED)
        self._tell_rest(rested)

    def throttled(self, reason: str, retry_after_s: float | None) -> None:
        """Note that the carrier refused a call because too much is asked of it: start calls more slowly.

        Args:
            reason: in words.
            retry_after_s: seconds that it asked to be left alone; None = it did not say.
        """
        self.congested(reason, retry_after_s)
        self._complaints.tell(
            _log.warning,
            "trunk.throttled",
            self.name,
            trunk=self.name,
            reason=reason,
            retry_after_s=retry_after_s,
            remedy=_THROTTLED,
        )

    def congested(self, reason: str, retry_after_s: float | None = None) -> None:
        """Start calls more slowly; arguments as of `throttled`."""
        self.starts.trouble = reason
        self.pace.throttled(trio.current_time(), retry_after_s)

    def down(self, reason: str, started_at: float) -> None:
        """Note that it can place no call until somebody acts; arguments as of `failed`."""
        rested = self.breaker.state is BreakerState.OPEN
        self.breaker.trip(trio.current_time(), reason, started_at=started_at)
        self._tell_rest(rested)

    def reachable(self) -> bool:
        """Note that its carrier can be reached again; tell whether its rest ends earlier by that."""
        return self.breaker.hasten(trio.current_time())

    def _tell_rest(self, rested: bool) -> None:
        breaker = self.breaker
        if not rested and breaker.state is BreakerState.OPEN and breaker.until is not None:
            rest_s = round(breaker.until - trio.current_time())
            _log.error("trunk.rested", trunk=self.name, reason=breaker.reason, probe_in_s=rest_s, remedy=_RESTED)


class CallerId:
    """A configured number that may be shown.

    Args:
        number: E.164.
        settings: its table.
        trunk: the trunk that shows it.
        zone: zone of its day.
    """

    __slots__ = ("_counted", "day", "limit", "number", "trunk")

    def __init__(self, number: str, settings: NumberSettings, trunk: Trunk, zone: str) -> None:
        self.number = number
        self.trunk = trunk
        self.limit = Limit(settings.max_concurrent)
        self.day: DayCount | None = None
        self._counted: DayCount | None = None  # today's count, kept while there is no cap
        self.update(settings, trunk, zone)

    def update(self, settings: NumberSettings, trunk: Trunk, zone: str) -> None:
        """Follow changed settings; today's count goes on where there was one."""
        self.trunk = trunk
        self.limit.set_total(settings.max_concurrent)
        self.day = None
        if settings.calls_per_day is not None:
            if self._counted is None or self._counted.zone != zone:
                self._counted = DayCount(f"number:{self.number}", zone, settings.calls_per_day)
            self.day = self._counted
            self.day.cap = settings.calls_per_day


class AgentLine:
    """A configured agent.

    Args:
        name: its name in the settings.
        settings: its table.
    """

    __slots__ = ("limit", "name", "settings")

    def __init__(self, name: str, settings: AgentSettings) -> None:
        self.name = name
        self.settings = settings
        self.limit = Limit(settings.max_concurrent)

    def update(self, settings: AgentSettings) -> None:
        """Follow changed settings."""
        self.settings = settings
        self.limit.set_total(settings.max_concurrent)


class Lines:
    """Everything a call needs one unit of, by name.

    Args:
        settings: the settings in force.
    """

    def __init__(self, settings: Settings) -> None:
        self.daemon = Limit(settings.daemon.max_concurrent)
        self.trunks: dict[str, Trunk] = {}
        self.caller_ids: dict[str, CallerId] = {}
        self.agents: dict[str, AgentLine] = {}
        self._paces = Paces()
        self._by_pace: Sequence[tuple[Starts, Sequence[Trunk]]] = ()
        # what was taken out of the settings: its calls may go on, and it may come back
        self._gone_trunks: dict[str, Trunk] = {}
        self._gone_caller_ids: dict[str, CallerId] = {}
        self._gone_agents: dict[str, AgentLine] = {}
        self.update(settings)

    def update(self, settings: Settings) -> None:
        """Follow changed settings; what is gone from them takes no new calls, its calls in progress go on."""
        self.daemon.set_total(settings.daemon.max_concurrent)
        _bring_back(self.trunks, self._gone_trunks, settings.trunks)
        _bring_back(self.caller_ids, self._gone_caller_ids, settings.numbers)
        _bring_back(self.agents, self._gone_agents, settings.agents)
        starts = self._paces.update(settings.trunks)
        for name, trunk in settings.trunks.items():
            countries = allowed_countries(name, settings)
            if name in self.trunks:
                self.trunks[name].update(trunk, countries, starts[name])
            else:
                self.trunks[name] = Trunk(name, trunk, countries, starts[name])
        for number, entry in settings.numbers.items():
            trunk_of = self.trunks[entry.trunk]
            if number in self.caller_ids:
                self.caller_ids[number].update(entry, trunk_of, settings.daemon.timezone)
            else:
                self.caller_ids[number] = CallerId(number, entry, trunk_of, settings.daemon.timezone)
        for name, agent in settings.agents.items():
            if name in self.agents:
                self.agents[name].update(agent)
            else:
                self.agents[name] = AgentLine(name, agent)
        _put_away(self.trunks, self._gone_trunks, settings.trunks)
        _put_away(self.caller_ids, self._gone_caller_ids, settings.numbers)
        _put_away(self.agents, self._gone_agents, settings.agents)
        self._by_pace = [
            (each, [trunk for trunk in self.trunks.values() if trunk.starts is each])
            for each in dict.fromkeys(starts.values())
        ]

    def free(self) -> int:
        """Return how many calls might be started now; at least 1, as long as the daemon has a line."""
        found = 0.0
        for starts, trunks in self._by_pace:
            lines = 0.0
            for trunk in trunks:
                if trunk.provider:
                    lines += trunk.limit.free
            if lines:
                found += min(lines, starts.free)
        free = self.daemon.free
        return int(min(free, max(1, found), _MOST)) if free >= 1 else 0

    def sharing(self, trunk: Trunk) -> tuple[str, ...]:
        """Return the names of the other trunks that start by a trunk's pace."""
        together = (other.name for other in self.trunks.values() if other.starts is trunk.starts)
        return tuple(name for name in together if name != trunk.name)

    def trunk(self, name: str) -> Trunk:
        """Return the trunk of that name, also one that is not configured any more: it may come back."""
        if name not in self.trunks and name not in self._gone_trunks:
            starts = Starts(Pace(None, trio.current_time()))
            self._gone_trunks[name] = Trunk(name, TrunkSettings(provider="none"), frozenset(), starts)
        return self.trunks.get(name) or self._gone_trunks[name]

    def providers_of(self, name: str) -> Sequence[Provider] | None:
        """Return who is up of a trunk, the last come first; None where there is none of that name.

        One that is not configured any more is there as long as its calls go on.
        """
        if (trunk := self.trunks.get(name)) is not None:
            return tuple(trunk.providers)
        gone = self._gone_trunks.get(name)
        return tuple(gone.providers) if gone is not None and gone.providers else None

    def day_counts(self) -> Iterable[DayCount]:
        """Return the daily caps of the caller ids that have one."""
        return (line.day for line in self.caller_ids.values() if line.day is not None)


def _put_away(known: dict[str, L], gone: dict[str, L], wanted: Mapping[str, object]) -> None:
    for name in [name for name in known if name not in wanted]:
        gone[name] = known.pop(name)


def _bring_back(known: dict[str, L], gone: dict[str, L], wanted: Mapping[str, object]) -> None:
    for name in [name for name in gone if name in wanted]:
        known[name] = gone.pop(name)
