"""Bodies of the batch calls system, B, as campaigns: what may be written, its defaults, and what may be changed later.

Knows nothing of contacts and answers.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import attrs
from attrs import field, frozen, validators

from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.settings import Settings
from dialerd.model.states import ALL_WEEKDAYS
from dialerd.model.unstructuring import unstructure
from dialerd.model.wording import hint
from dialerd.rules.localtime import instant_of
from dialerd.rules.routes import agent_name, known_number
from dialerd.rules.zones import BadZone, zone
from dialerd_dialects.fields import Reading, read, renamer
from dialerd_dialects.instants import clock
from dialerd_dialects.weekdays import from_monday_1

NAME: Final = "batch_calls"
"""The dialect's name, stored with campaigns."""

NAMES: Final = renamer(
    {
        "agent": "agent_id",
        "caller_ids": "phone_number_ids",
        "rotation": "phone_rotation_strategy",
        "start": "scheduled_at",
        "windows": "working_days",
        "windows[]": "working_days",
        "windows[].start": "start_time",
        "windows[].end": "end_time",
        "pacing.max_concurrent": "max_concurrent_calls",
        "pacing.calls_per_day": "max_calls_per_day",
        "retry": "max_retry_attempts",
        "retry.max_attempts": "max_retry_attempts",
        "recipients": "contacts",
        "recipients[].phone": "contacts[].phone_number",
    }
)
"""Turns paths of campaign files into those of requests."""

CHANGEABLE: Final = (
    "name",
    "phone_number_ids",
    "phone_rotation_strategy",
    "scheduled_at",
    "start_time",
    "end_time",
    "working_days",
    "max_concurrent_calls",
    "max_calls_per_day",
    "retry_failed",
    "max_retry_attempts",
)
"""What an update may hold."""

_MONDAY_TO_FRIDAY: Final = (1, 2, 3, 4, 5)


def _or_none(*checks: Any) -> Any:
    return validators.optional(list(checks))


@frozen(kw_only=True)
class Batch:
    """The body of a creation, without contacts; what is None was not given, or given as null.

    Args:
        name: what people call it.
        agent_id: who speaks.
        phone_number_ids: caller ids; empty = the agent's.
        phone_rotation_strategy: how a caller id is chosen.
        contact_source: where contacts come from.
        contact_folder_id: names them where they come from a folder.
        schedule_type: whether it starts when it is released, or at `scheduled_at`.
        scheduled_at: when it starts; without an offset it is local to the zone.
        timezone: IANA zone.
        start_time, end_time: daily window, `HH:MM`.
        working_days: 1 = Monday to 7 = Sunday.
        max_concurrent_calls: calls in progress at once.
        max_calls_per_day: calls a day; None = no cap.
        retry_failed: whether calls that failed are tried again.
        max_retry_attempts: how often.
    """

    name: str | None = field(default=None, validator=_or_none(validators.min_len(1), validators.max_len(255)))
    agent_id: str | None = field(default=None, validator=_or_none(validators.min_len(1)))
    phone_number_ids: tuple[str, ...] | None = None
    phone_rotation_strategy: Literal["random", "sequential", "round_robin"] | None = None
    contact_source: Literal["csv", "folder", "manual"] | None = None
    contact_folder_id: str | None = None
    schedule_type: Literal["immediate", "scheduled"] | None = None
    scheduled_at: datetime | None = None
    timezone: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    working_days: tuple[int, ...] | None = field(default=None, validator=_or_none(validators.min_len(1)))
    max_concurrent_calls: int | None = field(default=None, validator=_or_none(validators.ge(1), validators.le(100)))
    max_calls_per_day: int | None = field(default=None, validator=_or_none(validators.ge(1)))
    retry_failed: bool | None = None
    max_retry_attempts: int | None = field(default=None, validator=_or_none(validators.ge(0), validators.le(3)))

    @property
    def waits(self) -> bool:
        """Whether it starts at a given time; a time without a word on its type says so, too."""
        if self.schedule_type is None:
            return self.scheduled_at is not None
        return self.schedule_type == "scheduled"


def reading(data: Mapping[str, Any], settings: Settings) -> Reading[Batch]:
    """Return a body as it was written, with everything that is wrong with it."""
    found = read(data, Batch, required=("name", "agent_id"))
    found.object_to(_faults(found.record, settings))
    return found


def spec_of(batch: Batch) -> dict[str, Any]:
    """Return the keys of the campaign file that a sound body stands for."""
    days = [day.value for day in from_monday_1(batch.working_days or _MONDAY_TO_FRIDAY)]
    windows: list[dict[str, Any]] = []
    if batch.start_time is not None and batch.end_time is not None:
        windows = [{"days": days, "start": clock(batch.start_time), "end": clock(batch.end_time)}]
    elif len(days) < len(ALL_WEEKDAYS):
        windows = [{"days": days, "start": "00:00", "end": "00:00"}]  # equal times are the whole day
    pacing: dict[str, Any] = {"max_concurrent": batch.max_concurrent_calls or 10}
    if batch.max_calls_per_day is not None:
        pacing["calls_per_day"] = batch.max_calls_per_day
    spec: dict[str, Any] = {
        "name": batch.name,
        "agent": batch.agent_id,
        "caller_ids": list(batch.phone_number_ids or ()),
        "rotation": batch.phone_rotation_strategy or "random",
        "timezone": batch.timezone or "UTC",
        "windows": windows,
        "pacing": pacing,
        "retry": {"max_attempts": 1 + (batch.max_retry_attempts or 0 if batch.retry_failed else 0)},
    }
    if batch.waits and batch.scheduled_at is not None:
        spec["start"] = batch.scheduled_at.isoformat()
    return spec


def kept(batch: Batch) -> dict[str, Any]:
    """Return a body as it is kept with its campaign: what was given, as plain data."""
    return {key: value for key, value in unstructure(batch).items() if value is not None}


def changed(batch: Mapping[str, Any], changes: Mapping[str, Any], settings: Settings) -> Batch:
    """Return a kept body with changes.

    Raises:
        InvalidInput: with every fault in the changes; what may not be changed is one.
    """
    known = {a.name for a in attrs.fields(Batch)}
    faults = [
        Fault(
            key,
            "cannot be changed; create another batch"
            if key in known
            else f"is not a known field{hint(key, CHANGEABLE)}",
        )
        for key in changes
        if key not in CHANGEABLE
    ]
    sound = {key: value for key, value in changes.items() if key in CHANGEABLE}
    merged = {**batch, **sound}
    if "scheduled_at" in sound:
        merged["schedule_type"] = "immediate" if sound["scheduled_at"] is None else "scheduled"
    found = reading(merged, settings)
    if faults := [*faults, *found.faults]:
        raise InvalidInput(faults)
    return found.record


def no_number(agent: str, numbers: Sequence[str], settings: Settings) -> Fault | None:
    """Return the fault of a batch that names no outbound number and whose agent has none, or None."""
    name = agent_name(agent, settings)
    if numbers or name is None or any(known_number(text, settings) for text in settings.agents[name].numbers):
        return None
    message = "at least one valid outbound phone number is required; name some, or give the agent numbers of its own"
    return Fault("phone_number_ids", message)


def _faults(batch: Batch, settings: Settings) -> list[Fault]:
    """Return what a body says that cannot be, beyond the kinds and ranges of its fields."""
    faults: list[Fault] = []
    agent, numbers = batch.agent_id or "", batch.phone_number_ids or ()
    if agent_name(agent, settings) is None:
        faults.append(Fault("agent_id", "is no agent that is active here; configure one with this name or id"))
    elif (fault := no_number(agent, numbers, settings)) is not None:
        faults.append(fault)
    for at, number in enumerate(numbers):
        if known_number(number, settings) is None:
            faults.append(Fault(f"phone_number_ids[{at}]", "is no outbound number here; configure it with this id"))
    if batch.contact_source == "folder" and batch.contact_folder_id is None:
        faults.append(Fault("contact_folder_id", "is required when contact_source is folder"))
    if batch.schedule_type == "scheduled" and batch.scheduled_at is None:
        faults.append(Fault("scheduled_at", "is required when schedule_type is scheduled"))
    faults += _clocks(batch)
    if batch.working_days is not None:
        try:
            from_monday_1(batch.working_days)
        except ValueError as error:
            faults.append(Fault("working_days", str(error)))
    try:
        zone(batch.timezone or "UTC")
        if batch.scheduled_at is not None:
            instant_of(batch.scheduled_at, batch.timezone or "UTC")
    except BadZone as error:
        faults.append(Fault("timezone", str(error)))
    return faults


def _clocks(batch: Batch) -> list[Fault]:
    faults: list[Fault] = []
    for key, other in (("start_time", "end_time"), ("end_time", "start_time")):
        text = getattr(batch, key)
        if text is None:
            if getattr(batch, other) is not None:
                faults.append(Fault(key, f"is required with {other}"))
            continue
        try:
            clock(text)
        except ValueError as error:
            faults.append(Fault(key, str(error)))
    return faults
