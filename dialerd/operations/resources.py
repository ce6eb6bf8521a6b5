"""Trunks, numbers and agents with the live use of their limits, and how the daemon stands: from memory alone."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import trio

from dialerd import __version__
from dialerd.engine.lines import Trunk
from dialerd.model.instants import Instant
from dialerd.model.resource_views import (
    Activity,
    AgentKind,
    AgentView,
    NumberView,
    StatusView,
    TrunkState,
    TrunkView,
)
from dialerd.operations.ground import Ground
from dialerd.operations.waiting import agent_waits, trunk_waits
from dialerd.store import notices

_DOWN: Final = (TrunkState.DOWN, TrunkState.RESTING)


class Resources:
    """Shows what calls are made of, and how the daemon stands.

    Args:
        ground: what it stands on.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._engine = ground.engine
        self._began_s = trio.current_time()

    def trunks(self) -> tuple[TrunkView, ...]:
        """Return the configured trunks, in the order of the settings."""
        lines = self._engine.lines
        shown: dict[str, list[str]] = {}
        for number, line in lines.caller_ids.items():
            shown.setdefault(line.trunk.name, []).append(number)
        now, now_s = self._ground.now(), trio.current_time()
        return tuple(
            _trunk(trunk, lines.sharing(trunk), tuple(sorted(shown.get(name, ()))), now, now_s)
            for name in self._engine.settings.trunks
            for trunk in [lines.trunks[name]]
        )

    def numbers(self) -> tuple[NumberView, ...]:
        """Return the configured caller ids, in the order of the settings."""
        now = self._ground.now()
        views = []
        for number, entry in self._engine.settings.numbers.items():
            line = self._engine.lines.caller_ids[number]
            if line.day is not None:
                line.day.key(now)  # a new day begins a new count
            views.append(
                NumberView(
                    number=number,
                    id=entry.id,
                    trunk=entry.trunk,
                    max_concurrent=entry.max_concurrent,
                    in_use=line.limit.used,
                    calls_per_day=entry.calls_per_day,
                    calls_today=None if line.day is None else line.day.calls,
                )
            )
        return tuple(views)

    def agents(self) -> tuple[AgentView, ...]:
        """Return the configured agents, in the order of the settings."""
        campaigns = Counter(campaign.agent for campaign in self._engine.campaigns.live())
        now, now_s = self._ground.now(), trio.current_time()
        trunks = self._engine.lines.trunks.values()
        views = []
        for name, entry in self._engine.settings.agents.items():
            waits = next((one for trunk in trunks for one in agent_waits(name, trunk, now, now_s)), None)
            views.append(
                AgentView(
                    name=name,
                    id=entry.id,
                    kind=next(kind for kind in AgentKind if getattr(entry, kind) is not None),
                    timezone=entry.timezone,
                    numbers=entry.numbers,
                    max_concurrent=entry.max_concurrent,
                    in_use=self._engine.lines.agents[name].limit.used,
                    campaigns=campaigns[name],
                    why=None if waits is None else waits.words,
                    until=None if waits is None else waits.until,
                )
            )
        return tuple(views)

    def status(self, *, notice_backlog: int | None = None) -> StatusView:
        """Return how the daemon stands.

        Args:
            notice_backlog: the most of what `notice_backlog()` said, where it was asked.
        """
        engine = self._engine
        daemon, dispatcher = engine.lines.daemon, engine.dispatcher
        states = {view.name: view.state for view in self.trunks()}
        return StatusView(
            version=__version__,
            state=self._activity(),
            line=self._ground.standing(),
            at=self._ground.now(),
            uptime_s=round(trio.current_time() - self._began_s, 3),
            lines_in_use=daemon.used,
            max_concurrent=engine.settings.daemon.max_concurrent,
            calls_per_second=round(dispatcher.tempo.per_second(trio.current_time()), 1),
            calls_started=dispatcher.started,
            campaigns=dict(Counter(campaign.state for campaign in engine.campaigns.live())),
            trunks_down=tuple(name for name, state in states.items() if state in _DOWN),
            trunks_slowed=tuple(name for name, state in states.items() if state is TrunkState.SLOWED),
            need_restart=tuple(self._ground.need_restart()),
            notice_backlog=notice_backlog,
        )

    async def notice_backlog(self) -> Mapping[str, int]:
        """Return how many notices each plugin that listens has not been told yet.

        Raises:
            StoreError: the store cannot be read.
        """
        return await self._ground.store.read(notices.backlog)

    def _activity(self) -> Activity:
        if self._engine.stopping:
            return Activity.DRAINING
        return Activity.DIALLING if self._engine.ready.is_set() else Activity.STARTING


def _trunk(trunk: Trunk, sharing: tuple[str, ...], numbers: tuple[str, ...], now: Instant, now_s: float) -> TrunkView:
    waits = next(iter(trunk_waits(trunk, now, now_s)), None)
    if waits is not None:
        state, why = TrunkState(waits.kind), waits.words
    elif trunk.slowed:
        state = TrunkState.SLOWED
        why = f"calls over trunk {trunk.name} start slowly until more get through: {trunk.trouble}"
    else:
        state, why = TrunkState.UP, None
    return TrunkView(
        name=trunk.name,
        provider=trunk.settings.provider,
        state=state,
        why=why,
        until=None if waits is None else waits.until,
        max_concurrent=trunk.settings.max_concurrent,
        in_use=trunk.limit.used,
        calls_per_second=trunk.pace.configured,
        calls_per_second_now=trunk.pace.rate,
        shares_pace_with=sharing,
        countries=tuple(sorted(trunk.countries)),
        numbers=numbers,
    )
