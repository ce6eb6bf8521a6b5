"""How the daemon stands, in the line that `systemctl status` shows: from memory alone, so that it costs very little."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import tzinfo

import trio

from dialerd.engine.campaign import LiveCampaign
from dialerd.engine.engine import Engine
from dialerd.model.instants import NEVER, Instant, to_datetime
from dialerd.model.states import AttemptState, CampaignState
from dialerd.rules.breaker import BreakerState
from dialerd.rules.zones import zone

_DAY_AHEAD = 6  # days for which a weekday says enough; beyond, its date


class Standing:
    """Puts an engine's figures into words.

    Args:
        engine: whose.
        now: returns the present instant.
    """

    def __init__(self, engine: Engine, now: Callable[[], Instant]) -> None:
        self._engine = engine
        self._now = now
        self._turns = -1
        self._stored_s = trio.current_time()

    def starting(self) -> str:
        """Return what a start waits for."""
        asked = sum(not call.ended for call in self._engine.dispatcher.calls.values())
        if asked:
            return f"starting: asking carriers about {_count(asked, 'call')} of a former life"
        if down := self._down_trunks():
            return f"starting: reading campaigns, bringing up {_names(down, 'trunk')}"
        return "starting: looking for calls of a former life"

    def dialling(self) -> str:
        """Return lines in use, pace, campaigns, and what is amiss."""
        daemon = self._engine.lines.daemon
        parts = [f"{daemon.used} of {daemon.total:g} lines in use", *self._rate()]
        words = ", ".join(parts) + "; " + self._campaigns()
        return "; ".join([words, *self._amiss()])

    def draining(self, until_s: float) -> str:
        """Return what a stop waits for.

        Args:
            until_s: monotonic seconds at which what is left is hung up.
        """
        calls = self._engine.dispatcher.calls.values()
        left = sum(not call.ended and call.phase is not AttemptState.UNCERTAIN for call in calls)
        if not left:
            ends = sum(call.ended for call in calls)
            return "; ".join([f"stopping: storing {_count(ends, 'end') if ends else 'what is left'}", *self._disk()])
        rest_s = until_s - trio.current_time()
        if rest_s <= 0:
            return f"stopping: hanging up {_count(left, 'call')}"
        return f"draining: {_count(left, 'call')} left, hung up in {_minutes(rest_s)}"

    def clock(self) -> str:
        """Return the present time of day in the daemon's zone."""
        now = self._now()
        return self._moment(now, now)

    def _rate(self) -> Iterable[str]:
        """Calls that were let go lately, by the second."""
        rate = self._engine.dispatcher.tempo.per_second(trio.current_time())
        return [f"{rate:.1f} calls/s"] if rate else []

    def _campaigns(self) -> str:
        now = self._now()
        kinds: Counter[str] = Counter()
        wake_at = NEVER
        total = 0
        for campaign in self._engine.campaigns.live():
            total += 1
            kind = _kind(campaign, now)
            kinds[kind] += 1
            if kind == "waiting":
                wake_at = min(wake_at, campaign.wake_at)
        if not total:
            return "no campaign"
        waiting = "waiting" if wake_at >= NEVER else f"waiting until {self._moment(wake_at, now)}"
        shown = {"dialling": "dialling", "waiting": waiting, "paused": "paused", "ending": "ending"}
        if len(kinds) == 1:
            return f"{_count(total, 'campaign')}, {shown[next(iter(kinds))]}"
        each = [f"{kinds[kind]} {words}" for kind, words in shown.items() if kinds[kind]]
        return f"{_count(total, 'campaign')}: {', '.join(each)}"

    def _moment(self, at: Instant, now: Instant) -> str:
        """An instant by the daemon's clock on the wall."""
        local: tzinfo = zone(self._engine.settings.daemon.timezone)
        then, present = to_datetime(at).astimezone(local), to_datetime(now).astimezone(local)
        days = (then.date() - present.date()).days
        if days == 0:
            return f"{then:%H:%M}"
        return f"{then:%a %H:%M}" if 0 < days <= _DAY_AHEAD else f"{then:%Y-%m-%d %H:%M}"

    def _amiss(self) -> Iterable[str]:
        """What a sysadmin should know of without reading the log."""
        if down := self._down_trunks():
            yield f"{_names(down, 'trunk')} down"
        resting = [
            name
            for name, trunk in self._engine.lines.trunks.items()
            if trunk.provider is not None and trunk.breaker.state is not BreakerState.CLOSED
        ]
        if resting:
            yield f"{_names(resting, 'trunk')} resting after faults"
        slowed = [
            name
            for name, trunk in self._engine.lines.trunks.items()
            if trunk.provider is not None and trunk.breaker.state is BreakerState.CLOSED and trunk.slowed
        ]
        if slowed:
            yield f"{_names(slowed, 'trunk')} slowed"
        unfit = {agent: None for trunk in self._engine.lines.trunks.values() for agent in trunk.unfit.resting()}
        if unfit:
            yield f"{_names(list(unfit), 'agent')} resting, cannot speak"
        yield from self._disk()

    def _disk(self) -> Iterable[str]:
        """For how long the disk has been waited for."""
        now_s, dispatcher = trio.current_time(), self._engine.dispatcher
        if not dispatcher.storing or dispatcher.turns != self._turns:
            self._turns, self._stored_s = dispatcher.turns, now_s
        elif now_s - self._stored_s >= 1:
            yield f"waiting for the disk for {now_s - self._stored_s:.0f} s"

    def _down_trunks(self) -> list[str]:
        return [name for name, trunk in self._engine.lines.trunks.items() if trunk.provider is None]


def _kind(campaign: LiveCampaign, now: Instant) -> str:
    if campaign.state is CampaignState.PAUSED:
        return "paused"
    if not campaign.dialable or campaign.over:
        return "ending"
    return "dialling" if campaign.live or campaign.wake_at <= now else "waiting"


def _names(names: list[str], noun: str) -> str:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{noun if len(names) == 1 else noun + 's'} {shown}"


def _minutes(seconds: float) -> str:
    return f"{round(seconds)} s at most" if seconds < 90 else f"{round(seconds / 60)} min at most"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
