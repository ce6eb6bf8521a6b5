"""A campaign: the order of what to dial, for which agent, from which numbers, when, how fast and how often again."""

from datetime import date, datetime, time

from attrs import field, frozen, validators

from dialerd.model.instants import HOUR, MINUTE, SECOND, Duration, Plain
from dialerd.model.retry import RetryPolicy
from dialerd.model.states import ALL_WEEKDAYS, Amd, Rotation, Weekday

_POSITIVE = validators.optional(validators.ge(1))


@frozen(kw_only=True)
class Window:
    """A calling window: weekdays and times in the campaign's zone.

    Args:
        days: weekdays on which the window starts.
        start: local time at which it opens.
        end: local time at which it closes; at or before `start` it closes on the next day, so that
            equal times are 24 hours. An overnight window belongs to the day on which it starts.
    """

    days: tuple[Weekday, ...] = field(default=ALL_WEEKDAYS, validator=validators.min_len(1))
    start: time
    end: time


@frozen(kw_only=True)
class Pacing:
    """How fast a campaign dials.

    Args:
        max_concurrent: calls in progress at once; None = as many as the other limits allow.
        calls_per_second: calls started per second, evenly spaced; None = no limit of its own.
        calls_per_day: calls started per day of the campaign's zone; None = no limit.
        priority: share of free lines relative to other campaigns, 1 to 100.
    """

    max_concurrent: int | None = field(default=None, validator=_POSITIVE)
    calls_per_second: float | None = field(default=None, validator=validators.optional(validators.gt(0)))
    calls_per_day: int | None = field(default=None, validator=_POSITIVE)
    priority: int = field(default=10, validator=[validators.ge(1), validators.le(100)])


@frozen(kw_only=True)
class CampaignSpec:
    """A campaign as its author wrote it, without the recipients.

    Args:
        name: what people call it, 1 to 255 characters.
        agent: name or id of a configured agent.
        caller_ids: configured numbers (E.164 or id) to show; empty = the agent's.
        rotation: how the caller id of a call is chosen.
        prompt: what the agent is to say or do; a recipient's own replaces it.
        variables: defaults for every recipient's variables, overridden key by key.
        metadata: echoed in every call's notice.
        timezone: IANA zone of `windows`, `start`, `end` and the daily cap; None = the agent's, then the daemon's.
        start: day or moment at which it becomes due; a moment without offset is local to the zone; None = now.
        end: moment after which nobody is rung; a day means its beginning; None = open-ended.
        windows: when it may ring; empty = always.
        skip_holidays: no calls on public holidays of the called number's country.
        pacing: how fast it dials; None = the daemon's default.
        retry: what is tried again; None = the daemon's default.
        ring_timeout: how long a phone rings before the attempt counts as no answer.
        max_duration: bound of an answered call.
        amd: whether to listen for answering machines.
        skip_invalid: True stores the valid recipients and lists the others; False refuses the whole file.
    """

    name: str = field(validator=[validators.min_len(1), validators.max_len(255)])
    agent: str = field(validator=validators.min_len(1))
    caller_ids: tuple[str, ...] = ()
    rotation: Rotation = Rotation.ROUND_ROBIN
    prompt: str | None = None
    variables: dict[str, Plain] = field(factory=dict)
    metadata: dict[str, Plain] = field(factory=dict)
    timezone: str | None = None
    start: datetime | date | None = None
    end: datetime | date | None = None
    windows: tuple[Window, ...] = ()
    skip_holidays: bool = False
    pacing: Pacing | None = None
    retry: RetryPolicy | None = None
    ring_timeout: Duration = field(
        default=45 * SECOND, validator=[validators.ge(5 * SECOND), validators.le(10 * MINUTE)]
    )
    max_duration: Duration = field(default=30 * MINUTE, validator=[validators.ge(SECOND), validators.le(24 * HOUR)])
    amd: Amd = Amd.OFF
    skip_invalid: bool = False


@frozen(kw_only=True)
class ZoneGroup:
    """Where a number may lie: what recipients with the same opening hours share.

    Args:
        country: ISO 3166 alpha-2 code of the number's country, or None for a non-geographic code such as +800.
        zones: IANA zones the number may lie in, sorted; a recipient's own zone replaces them; empty = unknown.
        placeless: the number has no place (toll-free, shared cost, universal access, non-geographic code), so that
            the policy of its country decides; False where the recipient's own zone is given.
    """

    country: str | None
    zones: tuple[str, ...]
    placeless: bool = False


@frozen(kw_only=True)
class Recipient:
    """One person in one campaign, as intake hands it to the store.

    Args:
        position: 1-based place in the recipients' file (its line) or list; names the row in messages.
        number: E.164 with a leading +.
        group: where the number may lie.
        prompt: replaces the campaign's prompt.
        max_attempts: replaces the retry policy's limit.
        variables: override the campaign's, key by key.
        metadata: echoed in the notices of this recipient's calls.
    """

    position: int
    number: str
    group: ZoneGroup
    prompt: str | None = None
    max_attempts: int | None = None
    variables: dict[str, Plain] = field(factory=dict)
    metadata: dict[str, Plain] = field(factory=dict)
