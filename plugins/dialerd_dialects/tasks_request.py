"""Requests of the tasks system, T, as campaigns: one caller id, one zone, a list of tasks with retries of their own.

Knows nothing of answers.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from attrs import field, frozen, validators

from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import SECOND, Plain
from dialerd.model.retry import MAX_ATTEMPTS
from dialerd.model.settings import Settings
from dialerd.model.wording import hint, shown
from dialerd.plugin.dialect import Order, Translation
from dialerd.rules.routes import agent_name, known_number
from dialerd.rules.zones import BadZone, zone
from dialerd_dialects.fields import read, renamer
from dialerd_dialects.ids import hexadecimal
from dialerd_dialects.instants import from_unix_ms
from dialerd_dialects.numbers import bad_numbers

NAME: Final = "tasks"
"""The dialect's name, stored with campaigns."""

MAX_TASKS: Final = 1_000
ID_DIGITS: Final = 32

_MILLISECONDS: Final = 10**11  # fewer since 1970 are of 1973 or before; as seconds they reach the year 5138

NAMES: Final = renamer(
    {
        "agent": "agent_id",
        "caller_ids[]": "from_number",
        "caller_ids": "from_number",
        "start": "trigger_timestamp",
        "retry": "",
        "recipients": "tasks",
        "recipients[].phone": "tasks[].to_number",
        "recipients[].variables": "tasks[].dynamic_variables",
        "recipients[].max_attempts": "tasks[].max_retries",
    }
)
"""Turns paths of campaign files into those of requests."""


@frozen(kw_only=True)
class Task:
    """One person to be called; what is None was not given.

    Args:
        to_number: whom.
        dynamic_variables: what the agent knows of them.
        max_retries: tries after the first one; None = none.
    """

    to_number: str | None = None
    dynamic_variables: dict[str, Plain] | None = None
    max_retries: int | None = field(
        default=None, validator=validators.optional([validators.ge(0), validators.le(MAX_ATTEMPTS - 1)])
    )


@frozen(kw_only=True)
class Batch:
    """The body of `POST /batch-call`; what is None was not given.

    Args:
        from_number: caller id.
        tasks: whom to call; each is read on its own.
        name: what people call it.
        trigger_timestamp: when it starts, in Unix milliseconds.
        agent_id: who speaks.
        timezone: IANA zone; None = UTC.
        status: what is to become of it where neither `send_now` nor `trigger_timestamp` says so.
        send_now: it starts at once.
        organization_id: repeated in answers.
    """

    from_number: str | None = None
    tasks: tuple[Any, ...] | None = field(
        default=None, validator=validators.optional([validators.min_len(1), validators.max_len(MAX_TASKS)])
    )
    name: str | None = field(default=None, validator=validators.optional(validators.max_len(255)))
    trigger_timestamp: int | None = None
    agent_id: str | None = None
    timezone: str | None = None
    status: Literal["draft", "scheduled", "sent"] | None = None
    send_now: bool | None = None
    organization_id: str | None = None


def new_id() -> str:
    """Return an id for a batch."""
    return f"batch_call_{hexadecimal(ID_DIGITS)}"


def order(data: Mapping[str, Any], settings: Settings, batch_id: str, *, dropped: bool = False) -> Order:
    """Return the campaign that a body asks for.

    Args:
        data: the body.
        settings: the settings in force.
        batch_id: the batch's id.
        dropped: it is a file: without a word on when, it is dialled as any file is; a request waits as a draft.

    Raises:
        InvalidInput: with every fault, where one shows before the campaign is made.
    """
    reading = read(data, Batch, required=("from_number", "tasks"))
    batch = reading.record
    tasks = [
        read(plain, Task, required=("to_number",), path=f"tasks[{at}]") for at, plain in enumerate(batch.tasks or ())
    ]
    agent = batch.agent_id or _only_agent(batch.from_number, settings)
    reading.object_to(_faults(batch, agent, settings))
    if faults := [*reading.faults, *(fault for task in tasks for fault in task.faults)]:
        phones = [task.record.to_number for task in tasks]
        raise InvalidInput([*faults, *bad_numbers(phones, "tasks[].to_number", settings.daemon.default_region)])
    draft, launch, start = _when(batch, "sent" if dropped else "draft")
    spec: dict[str, Any] = {
        "name": batch.name or f"Batch call {batch_id}",
        "agent": agent,
        "caller_ids": [batch.from_number],
        "timezone": batch.timezone or "UTC",
        "retry": {"max_attempts": 1},
    }
    if start is not None:
        spec["start"] = start
    return Order(
        spec=spec,
        recipients=[_recipient(task.record) for task in tasks],
        draft=draft,
        launch=launch,
        alias=batch_id,
        extra={"organization_id": batch.organization_id, "tasks": len(tasks)},
    )


def reads(data: Mapping[str, Any], settings: Settings) -> Translation | None:
    """Return what a dropped file stands for, or None where it is of another kind."""
    if not (isinstance(data.get("tasks"), list) and "from_number" in data):
        return None
    made = order(data, settings, new_id(), dropped=True)
    return Translation(
        document={**made.spec, "recipients": list(made.recipients)},
        where=NAMES,
        draft=made.draft,
        alias=made.alias,
        extra=made.extra,
    )


def _faults(batch: Batch, agent: str | None, settings: Settings) -> Iterator[Fault]:
    """Yield what a body says that cannot be, beyond the kinds and ranges of its fields."""
    if known_number(batch.from_number or "", settings) is None:
        yield Fault("from_number", f"{shown(batch.from_number or '')} is not a configured number")
    if agent is None:
        yield Fault("agent_id", "is required here, as one of several may be meant" + hint("", settings.agents))
    elif agent_name(agent, settings) is None:
        yield Fault("agent_id", f"{shown(agent)} is not a configured agent{hint(agent, settings.agents)}")
    if (milliseconds := batch.trigger_timestamp) is not None:
        try:
            from_unix_ms(milliseconds)
        except ValueError as error:
            yield Fault("trigger_timestamp", str(error))
        if 0 < milliseconds < _MILLISECONDS:
            message = f"looks like seconds; it is in milliseconds, so send {milliseconds * SECOND}"
            yield Fault("trigger_timestamp", message)
    elif batch.status == "scheduled" and not batch.send_now:
        yield Fault("trigger_timestamp", "is required with the status scheduled; give it, or send_now")
    try:
        zone(batch.timezone or "UTC")
    except BadZone as error:
        yield Fault("timezone", str(error))


def _when(batch: Batch, silent: str) -> tuple[bool, bool, str | None]:
    """Return whether it is a draft, whether it is launched, and its start: send_now, then trigger, then status."""
    if batch.send_now:
        return False, True, None
    if batch.trigger_timestamp is not None:
        return False, False, from_unix_ms(batch.trigger_timestamp)
    status = batch.status or silent
    return status == "draft", status == "sent", None


def _only_agent(from_number: str | None, settings: Settings) -> str | None:
    """Return the agent that is meant where none is given: the only one, or the only one of that caller id."""
    number = known_number(from_number or "", settings)
    of_number = [
        name
        for name, agent in settings.agents.items()
        if number is not None and number in (known_number(text, settings) for text in agent.numbers)
    ]
    for found in (of_number, list(settings.agents)):
        if len(found) == 1:
            return found[0]
    return None


def _recipient(task: Task) -> dict[str, Any]:
    recipient: dict[str, Any] = {"phone": task.to_number, "variables": task.dynamic_variables or {}}
    if task.max_retries:
        recipient["max_attempts"] = 1 + task.max_retries
    return recipient
