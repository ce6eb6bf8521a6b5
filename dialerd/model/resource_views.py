"""Trunks, numbers, agents and the daemon itself as doors show them. Nothing here may hold a secret."""

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

from dialerd.model.instants import Instant
from dialerd.model.states import CampaignState


class TrunkState(StrEnum):
    """Whether calls go over a trunk."""

    UP = "up"
    SLOWED = "slowed"  # calls go over it, fewer than the settings allow: the carrier takes no more, or fails them all
    DOWN = "down"  # its provider has not come up
    RESTING = "resting"  # too much failed; one call finds out by and by whether it works again


class AgentKind(StrEnum):
    """What speaks when a call is answered."""

    SAY = "say"
    PLAY = "play"
    STREAM = "stream"
    BRIDGE = "bridge"
    TWIML = "twiml"


class Activity(StrEnum):
    """What the daemon is at."""

    STARTING = "starting"
    DIALLING = "dialling"
    DRAINING = "draining"


@frozen(kw_only=True)
class TrunkView:
    """A trunk; what it needs to log in somewhere is not shown.

    Args:
        name: its name in the settings.
        provider: over which plugin's provider its calls go.
        state: whether calls go over it.
        why: what is wrong where they do not, or go slowly, or None.
        until: when it is tried again, or None where that is not known or it is up.
        max_concurrent: calls in progress at once.
        in_use: calls in progress.
        calls_per_second: starts a second by the settings, over all trunks that share the pace; None = no limit.
        calls_per_second_now: starts a second that it takes at present; lower where the carrier asked for fewer.
        shares_pace_with: the other trunks of its account, which start calls by the same pace.
        countries: ISO 3166 countries that it may ring.
        numbers: caller ids that it shows.
    """

    name: str
    provider: str
    state: TrunkState
    why: str | None = None
    until: Instant | None = None
    max_concurrent: int
    in_use: int = 0
    calls_per_second: float | None = None
    calls_per_second_now: float | None = None
    shares_pace_with: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()


@frozen(kw_only=True)
class NumberView:
    """A caller id.

    Args:
        number: E.164.
        id: another name for it, or None.
        trunk: which trunk shows it.
        max_concurrent: calls in progress at once that show it; None = as many as the trunk takes.
        in_use: calls in progress that show it.
        calls_per_day: how many a day may show it; None = no limit.
        calls_today: how many have shown it today; None = they are not counted, as there is no limit.
    """

    number: str
    id: str | None = None
    trunk: str
    max_concurrent: int | None = None
    in_use: int = 0
    calls_per_day: int | None = None
    calls_today: int | None = None


@frozen(kw_only=True)
class AgentView:
    """An agent.

    Args:
        name: its name in the settings.
        id: another name for it, or None.
        kind: what speaks.
        timezone: zone of its campaigns that give none; None = the daemon's.
        numbers: caller ids of its campaigns that give none; empty = all.
        max_concurrent: calls in progress at once that it serves; None = as many as other limits allow.
        in_use: calls in progress that it serves.
        campaigns: its campaigns that are not over.
        why: why it rests on a trunk, since it cannot speak there; None = it rests on none.
        until: when that is tried again, or None.
    """

    name: str
    id: str | None = None
    kind: AgentKind
    timezone: str | None = None
    numbers: tuple[str, ...] = ()
    max_concurrent: int | None = None
    in_use: int = 0
    campaigns: int = 0
    why: str | None = None
    until: Instant | None = None


@frozen(kw_only=True)
class StatusView:
    """How the daemon stands.

    Args:
        version: of dialerd.
        state: what it is at.
        line: the same and more, in one line for people.
        at: the present instant.
        uptime_s: seconds since its start.
        lines_in_use: calls in progress.
        max_concurrent: how many there may be.
        calls_per_second: calls that were let go a second, of late.
        calls_started: calls that were let go since its start.
        campaigns: campaigns that are not over, by state; drafts are not counted.
        trunks_down: trunks over which no call goes, those that rest among them.
        trunks_slowed: trunks over which calls go slowly, since the carrier takes no more, or fails them all.
        need_restart: settings that a reload found changed, and that count from the next start only.
        notice_backlog: notices that not every reader has taken; None = the database was not asked.
    """

    version: str
    state: Activity
    line: str
    at: Instant
    uptime_s: float
    lines_in_use: int
    max_concurrent: int
    calls_per_second: float = 0.0
    calls_started: int = 0
    campaigns: Mapping[CampaignState, int] = field(factory=dict)
    trunks_down: tuple[str, ...] = ()
    trunks_slowed: tuple[str, ...] = ()
    need_restart: tuple[str, ...] = ()
    notice_backlog: int | None = None
