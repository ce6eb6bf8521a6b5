"""A batch of Nexus as a campaign, and a campaign as a batch. Knows nothing of HTTP.

Its fields stand in docs/dialects-nexus.md.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import field, frozen, validators

from dialerd.model.campaign import CampaignSpec, Window
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import SECOND
from dialerd.model.retry import MAX_ATTEMPTS
from dialerd.model.settings import Settings
from dialerd.model.states import ALL_WEEKDAYS
from dialerd.model.wording import hint, kind, shown
from dialerd.rules.routes import agent_name, known_number
from dialerd.rules.zones import BadZone, zone
from dialerd_dialects.fields import Reading, read, renamer
from dialerd_dialects.instants import clock, to_clock
from dialerd_dialects.weekdays import from_sunday_0, to_sunday_0

rename: Final = renamer(
    {
        "name": "batchName",
        "agent": "agentId",
        "caller_ids": "callingNumbers",
        "caller_ids[]": "callingNumbers[]",
        "retry": "retry",
        "retry.max_attempts": "retry",
        "retry.delay": "delay",
        "windows": "callingHour",
        "windows[]": "callingHour",
        "recipients": "contacts",
        "recipients[].phone": "contacts[].phoneNumber",
    }
)
"""Turns the path of a fault in the campaign into the request's."""

_OUTCOMES: Final = ("busy", "no_answer", "unreachable", "congestion", "failed")
"""What is tried again; the request's delay and count hold for all of them, whatever the daemon's [retry] says."""

_LONGEST_S: Final = 30 * 24 * 60 * 60  # of a delay; more is a slip, such as milliseconds


@frozen(kw_only=True)
class CallingHour:
    """`callingHour`: from when to when."""

    start: str | None = None
    end: str | None = None


@frozen(kw_only=True)
class Batch:
    """What a request may hold; of a change, what it changes."""

    name: str | None = field(
        default=None, alias="batchName", validator=validators.optional([validators.min_len(1), validators.max_len(255)])
    )
    numbers: list[Any] | None = field(default=None, alias="callingNumbers")
    retry: int | None = field(
        default=None, validator=validators.optional([validators.ge(0), validators.le(MAX_ATTEMPTS - 1)])
    )
    delay: int | None = field(
        default=None, validator=validators.optional([validators.ge(0), validators.le(_LONGEST_S)])
    )
    timezone: str | None = None
    hour: dict[str, Any] | None = field(default=None, alias="callingHour")
    days: tuple[int, ...] | None = field(
        default=None, alias="allowedDays", validator=validators.optional(validators.min_len(1))
    )
    agent: str | None = field(default=None, alias="agentId")


def spec_of(data: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the campaign that a request for a new batch asks for.

    Raises:
        InvalidInput: it cannot be, with every fault.
    """
    reading, spec = _judged(data, settings)
    batch = reading.record
    if batch.agent is None and batch.numbers and all(_known(number, settings) for number in batch.numbers):
        if (agent := _speaker(batch, settings)) is not None:
            spec["agent"] = agent
        else:
            reading.object_to([Fault("agentId", f"{_WHO}{hint('', settings.agents)}")])
    lacking = [name for name in ("batchName", "callingNumbers") if data.get(name) in (None, "", [])]
    faults = [fault for fault in reading.faults if fault.path not in lacking]
    faults += [Fault(name, "is required") for name in lacking]
    if faults:
        raise InvalidInput(faults)
    return {**spec, "rotation": "round_robin"}


def changes_of(data: Mapping[str, Any], spec: CampaignSpec, settings: Settings) -> dict[str, Any]:
    """Return which keys of a campaign a request for a change changes, and to what.

    Args:
        data: what is to be changed, with the names of a new batch; null takes away.
        spec: the campaign as it stands; hours and days that are not given stay.
        settings: by which numbers are known.

    Raises:
        InvalidInput: it cannot be, with every fault.
    """
    if faults := faults_of_change(data, settings):
        raise InvalidInput(faults)
    present = shape(spec)
    whole = {name: present[name] for name in TOGETHER if present[name] is not None} | dict(data)
    reading, changed = _judged(whole, settings)
    if reading.faults:
        raise InvalidInput(reading.faults)
    return {_KEYS[name]: changed.get(_KEYS[name]) for name in data}


def faults_of_change(data: Mapping[str, Any], settings: Settings) -> list[Fault]:
    """Return what is wrong with a request for a change, whatever the batch."""
    if not data:
        return [Fault("", "changes nothing; send the fields to change")]
    empty = [name for name in ("batchName", "callingNumbers") if name in data and not data[name]]
    faults = [fault for fault in _judged(data, settings)[0].faults if fault.path not in empty]
    return faults + [Fault(name, "may not be empty") for name in empty]


def shape(spec: CampaignSpec) -> dict[str, Any]:
    """Return a campaign's spec as a batch shows it; what it does not give is None."""
    window = spec.windows[0] if spec.windows else None
    return {
        "batchName": spec.name,
        "callingNumbers": list(spec.caller_ids),
        "retry": None if spec.retry is None else spec.retry.max_attempts - 1,
        "delay": None if spec.retry is None else spec.retry.delay // SECOND,
        "timezone": spec.timezone,
        "callingHour": None if window is None else _hour(window),
        "allowedDays": None if window is None else to_sunday_0(window.days),
        "agentId": spec.agent,
    }


_KEYS: Final = {
    "batchName": "name",
    "callingNumbers": "caller_ids",
    "retry": "retry",
    "delay": "retry",
    "timezone": "timezone",
    "callingHour": "windows",
    "allowedDays": "windows",
    "agentId": "agent",
}

TOGETHER: Final = ("retry", "delay", "callingHour", "allowedDays")
"""What makes one key of a campaign with another one of these; it can be changed as long as a batch is not over."""


def _judged(data: Mapping[str, Any], settings: Settings) -> tuple[Reading[Batch], dict[str, Any]]:
    """Return what can be read of a batch, and the keys of a campaign that it gives; all faults are found."""
    reading = read(data, Batch)
    batch = reading.record
    reading.object_to(_numbers(batch, settings))
    spec: dict[str, Any] = {}
    if batch.name is not None:
        spec["name"] = batch.name
    if batch.numbers:
        spec["caller_ids"] = list(batch.numbers)
    if batch.retry is not None or batch.delay is not None:
        spec["retry"] = _retry(batch)
    if batch.timezone is not None:
        spec["timezone"] = batch.timezone
        try:
            zone(batch.timezone)
        except BadZone as error:
            reading.object_to([Fault("timezone", str(error))])
    if batch.hour is not None or batch.days is not None:
        window, found = _window(batch)
        reading.object_to(found)
        spec["windows"] = [window]
    if batch.agent is not None:
        spec["agent"] = batch.agent
        if agent_name(batch.agent, settings) is None:
            known = hint(batch.agent, settings.agents)
            reading.object_to([Fault("agentId", f"{shown(batch.agent)} is not a configured agent{known}")])
    return reading, spec


def _known(number: Any, settings: Settings) -> bool:
    return isinstance(number, str) and known_number(number, settings) is not None


def _numbers(batch: Batch, settings: Settings) -> Iterator[Fault]:
    known = [*settings.numbers, *(entry.id for entry in settings.numbers.values() if entry.id is not None)]
    for at, text in enumerate(batch.numbers or ()):
        if not isinstance(text, str):
            yield Fault(f"callingNumbers[{at}]", f"must be text, but is {kind(text)}")
        elif known_number(text, settings) is None:
            message = f"{shown(text)} is not the id of a configured number{hint(text, known)}"
            yield Fault(f"callingNumbers[{at}]", message)


def _retry(batch: Batch) -> dict[str, Any]:
    policy: dict[str, Any] = {}
    if batch.retry is not None:
        policy["max_attempts"] = batch.retry + 1
    if batch.delay is not None:
        policy |= {"delay": f"{batch.delay}s", "backoff": 1, "max_delay": f"{batch.delay}s"}
    return policy | {outcome: {} for outcome in _OUTCOMES}


def _window(batch: Batch) -> tuple[dict[str, Any], list[Fault]]:
    faults = []
    window: dict[str, Any] = {"days": [day.value for day in ALL_WEEKDAYS], "start": "00:00", "end": "00:00"}
    if batch.days is not None:
        try:
            window["days"] = [day.value for day in from_sunday_0(batch.days)]
        except ValueError as error:
            faults.append(Fault("allowedDays", str(error)))
    if batch.hour is not None:
        reading = read(batch.hour, CallingHour, required=("start", "end"), path="callingHour")
        hour = reading.record
        late = []
        for name, text in (("start", hour.start), ("end", hour.end)):
            try:
                window[name] = window[name] if text is None else clock(text)
            except ValueError as error:
                late.append(Fault(f"callingHour.{name}", f"{shown(str(text))} {error}"))
        faults += [*reading.faults, *late]
        if hour.end is not None and not faults and window["start"] == window["end"] and hour.end.strip() != "24:00":
            faults.append(Fault("callingHour.end", 'is the start, too; the whole day is "00:00" to "24:00"'))
    return window, faults


def _hour(window: Window) -> dict[str, str]:
    return {"start": to_clock(window.start), "end": to_clock(window.end, end=True)}


def _speaker(batch: Batch, settings: Settings) -> str | None:
    """Return who speaks where the request does not say: the only one whose numbers these are; else the only one."""
    wanted = {known_number(text, settings) for text in batch.numbers or ()}
    owners = [
        name
        for name, agent in settings.agents.items()
        if wanted <= {known_number(text, settings) for text in agent.numbers}
    ]
    for found in (owners, list(settings.agents)):
        if len(found) == 1:
            return found[0]
    return None


_WHO: Final = "cannot be guessed: name one of the configured agents, or give the numbers to one agent in its settings"
