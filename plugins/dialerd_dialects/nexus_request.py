"""A batch of Nexus as a campaign, and a campaign as a batch. Knows nothing of HTTP.

Its fields stand in docs/dialects.md.
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
from dialerd.model.structuring import structure
from dialerd.model.wording import hint, shown
from dialerd.rules.routes import agent_name, known_number
from dialerd.rules.zones import BadZone, zone
from dialerd_dialects.fields import renamer
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

    start: str
    end: str


@frozen(kw_only=True)
class Batch:
    """What a request may hold; of a change, what it changes."""

    name: str | None = field(
        default=None, alias="batchName", validator=validators.optional([validators.min_len(1), validators.max_len(255)])
    )
    numbers: tuple[str, ...] | None = field(default=None, alias="callingNumbers")
    retry: int | None = field(
        default=None, validator=validators.optional([validators.ge(0), validators.le(MAX_ATTEMPTS - 1)])
    )
    delay: int | None = field(
        default=None, validator=validators.optional([validators.ge(0), validators.le(_LONGEST_S)])
    )
    timezone: str | None = None
    hour: CallingHour | None = field(default=None, alias="callingHour")
    days: tuple[int, ...] | None = field(
        default=None, alias="allowedDays", validator=validators.optional(validators.min_len(1))
    )
    agent: str | None = field(default=None, alias="agentId")


def spec_of(data: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the campaign that a request for a new batch asks for.

    Raises:
        InvalidInput: it cannot be, with every fault.
    """
    batch, faults = _read(data)
    lacking = [name for name in ("batchName", "callingNumbers") if data.get(name) in (None, "", [])]
    faults = [fault for fault in faults if fault.path not in lacking]
    faults += [Fault(name, "is required") for name in lacking]
    spec, found = _translated(batch, settings)
    faults += found
    if batch is not None and batch.numbers and not found:
        agent = _agent(batch, settings)
        if isinstance(agent, Fault):
            faults.append(agent)
        else:
            spec["agent"] = agent
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
    batch, faults = _read(data)
    faults += [
        Fault(name, "may not be empty") for name in ("batchName", "callingNumbers") if name in data and not data[name]
    ]
    if batch is not None:
        present = shape(spec)
        whole = {name: present[name] for name in _TOGETHER if present[name] is not None} | dict(data)
        changed, found = _translated(_read(whole)[0], settings)
        faults += found
    if faults or batch is None:
        raise InvalidInput(faults)
    keys = {_KEYS[name] for name in data}
    return {key: changed.get(key) for key in keys}


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

_TOGETHER: Final = ("retry", "delay", "callingHour", "allowedDays")
"""What makes one key of a campaign with another one of these."""


def _read(data: Mapping[str, Any]) -> tuple[Batch | None, list[Fault]]:
    try:
        return structure(data, Batch), []
    except InvalidInput as error:
        return None, list(error.faults)


def _translated(batch: Batch | None, settings: Settings) -> tuple[dict[str, Any], list[Fault]]:
    """Return the keys of a campaign that a batch gives, and what is wrong with them."""
    if batch is None:
        return {}, []
    faults = [*_numbers(batch, settings)]
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
            faults.append(Fault("timezone", str(error)))
    if batch.hour is not None or batch.days is not None:
        window, found = _window(batch)
        faults += found
        spec["windows"] = [window]
    if batch.agent is not None:
        spec["agent"] = batch.agent
        if agent_name(batch.agent, settings) is None:
            known = hint(batch.agent, settings.agents)
            faults.append(Fault("agentId", f"{shown(batch.agent)} is not a configured agent{known}"))
    return spec, faults


def _numbers(batch: Batch, settings: Settings) -> Iterator[Fault]:
    known = [*settings.numbers, *(entry.id for entry in settings.numbers.values() if entry.id is not None)]
    for at, text in enumerate(batch.numbers or ()):
        if known_number(text, settings) is None:
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
        for name, text in (("start", batch.hour.start), ("end", batch.hour.end)):
            try:
                window[name] = clock(text)
            except ValueError as error:
                faults.append(Fault(f"callingHour.{name}", f"{shown(text)} {error}"))
        if not faults and window["start"] == window["end"] and batch.hour.end.strip() != "24:00":
            faults.append(Fault("callingHour.end", 'is the start, too; the whole day is "00:00" to "24:00"'))
    return window, faults


def _hour(window: Window) -> dict[str, str]:
    return {"start": to_clock(window.start), "end": to_clock(window.end, end=True)}


def _agent(batch: Batch, settings: Settings) -> str | Fault:
    """Return who speaks: whom the request names; else the only one whose numbers these are; else the only one."""
    if batch.agent is not None:
        return batch.agent
    wanted = {known_number(text, settings) for text in batch.numbers or ()}
    owners = [
        name
        for name, agent in settings.agents.items()
        if wanted <= {known_number(text, settings) for text in agent.numbers}
    ]
    if len(owners) == 1:
        return owners[0]
    if len(settings.agents) == 1:
        return next(iter(settings.agents))
    message = "cannot be guessed: name one of the configured agents, or give the numbers to one agent in its settings"
    return Fault("agentId", f"{message}{hint('', settings.agents)}")
