"""N2, the newer batch request of Nixflex, as a campaign. Knows nothing of HTTP.

Its fields, limits and codes stand in docs/dialects.md.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, Literal

from attrs import field, frozen, validators

from dialerd.model.campaign import CampaignSpec
from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import Plain
from dialerd.model.settings import Settings
from dialerd.model.states import ALL_WEEKDAYS, Weekday
from dialerd.model.structuring import structure
from dialerd.model.wording import hint, shown
from dialerd.plugin.dialect import Order
from dialerd.rules.routes import agent_name, caller_ids, known_number
from dialerd.rules.zones import BadZone, zone
from dialerd_dialects.fields import renamer
from dialerd_dialects.instants import from_minutes
from dialerd_dialects.nixflex_errors import Refusal, missing
from dialerd_dialects.weekdays import in_order

PREFIX: Final = "batchcall_"
DIGITS: Final = 16

LAST_ZONE: Final = "Europe/London"
"""The zone of campaigns that give none and whose agent has none, by the document."""

rename: Final = renamer(
    {
        "agent": "agent_id",
        "caller_ids": "from_number",
        "caller_ids[]": "from_number",
        "start": "scheduled_date",
        "windows": "window_start_minutes",
        "windows[]": "window_start_minutes",
        "recipients[].variables": "recipients[].variables",
        "recipients[].prompt": "recipients[].prompt_override",
    }
)
"""Turns the path of a fault in the campaign into the request's."""

_MINUTE: Final = validators.optional([validators.ge(0), validators.le(1440)])


@frozen(kw_only=True)
class NewerBatch:
    """What the request may hold."""

    agent_id: str
    prompt: str
    name: str | None = field(
        default=None, validator=validators.optional([validators.min_len(1), validators.max_len(255)])
    )
    from_number: str | None = None
    recipients: list[Any] = field(validator=validators.min_len(1))
    skip_invalid: bool = False
    schedule_type: Literal["now", "schedule"] = "now"
    scheduled_date: date | None = None
    window_start_minutes: int | None = field(default=None, validator=_MINUTE)
    window_end_minutes: int | None = field(default=None, validator=_MINUTE)
    window_days: tuple[Weekday, ...] | None = field(default=None, validator=validators.optional(validators.min_len(1)))
    timezone: str | None = None


@frozen(kw_only=True)
class NewerRecipient:
    """What one of its recipients may hold; whether `phone` is a number is judged with the campaign."""

    phone: Any = None
    variables: dict[str, Plain] | None = None
    prompt_override: str | None = None


def order_of(data: Mapping[str, Any], settings: Settings, alias: str) -> Order:
    """Return the campaign that a request asks for.

    Args:
        data: the request's body.
        settings: by which agents and numbers are known.
        alias: the campaign's id in the dialect, and its name where it gives none.

    Raises:
        Refusal: it cannot be, with every fault.
    """
    batch, recipients = _read(data)
    faults = [*_schedule(batch), *_owned(batch, settings)]
    if faults:
        raise Refusal("campaign_creation_failed", faults)
    agent = settings.agents[agent_name(batch.agent_id, settings) or batch.agent_id]
    spec: dict[str, Any] = {
        "name": batch.name or alias,
        "agent": batch.agent_id,
        "caller_ids": [batch.from_number or _numbers(batch, settings)[0]],
        "prompt": batch.prompt,
        "timezone": batch.timezone or agent.timezone or LAST_ZONE,
        "windows": _windows(batch),
        "retry": {"max_attempts": 1},  # one call each
        "amd": "detect",
        "skip_invalid": batch.skip_invalid,
    }
    if batch.schedule_type == "schedule" and batch.scheduled_date is not None:
        spec["start"] = batch.scheduled_date.isoformat()
    return Order(
        spec=spec,
        recipients=[_recipient(recipient) for recipient in recipients],
        launch=batch.schedule_type == "now",
        alias=alias,
        dialect="nixflex",
    )


def _read(data: Mapping[str, Any]) -> tuple[NewerBatch, list[NewerRecipient]]:
    faults: list[Fault] = []
    batch: NewerBatch | None = None
    try:
        batch = structure(data, NewerBatch)
    except InvalidInput as error:
        faults += error.faults
    if batch is not None and not batch.prompt.strip():
        faults.append(Fault("prompt", "is required"))
    recipients = []
    entries = data.get("recipients")
    for at, plain in enumerate(entries if isinstance(entries, list) else ()):
        try:
            recipients.append(structure(plain, NewerRecipient, path=f"recipients[{at}]"))
        except InvalidInput as error:
            faults += error.faults
    if faults or batch is None:
        raise Refusal("missing_field" if missing(faults) else "campaign_creation_failed", faults)
    return batch, recipients


def _schedule(batch: NewerBatch) -> list[Fault]:
    """Return what is wrong with when it is to call."""
    faults = []
    if batch.schedule_type == "schedule" and batch.scheduled_date is None:
        faults.append(Fault("scheduled_date", 'is required with schedule_type "schedule"'))
    start, end = batch.window_start_minutes, batch.window_end_minutes
    if (start is None) != (end is None):
        lacking = "window_start_minutes" if start is None else "window_end_minutes"
        faults.append(Fault(lacking, "is required beside the other end of the window; send both or neither"))
    elif start is not None and start == end:
        message = "is where the window starts, too; the whole day is 0 to 1440"
        faults.append(Fault("window_end_minutes", message))
    if batch.timezone is not None:
        try:
            zone(batch.timezone)
        except BadZone as error:
            faults.append(Fault("timezone", f"invalid_timezone: {error}"))
    return faults


def _owned(batch: NewerBatch, settings: Settings) -> list[Fault]:
    """Return what is wrong with whose agent and number they are; to be configured here is to be owned."""
    if agent_name(batch.agent_id, settings) is None:
        known = [*settings.agents, *(agent.id for agent in settings.agents.values() if agent.id is not None)]
        message = f"agent_not_owned: {shown(batch.agent_id)} is not a configured agent{hint(batch.agent_id, known)}"
        return [Fault("agent_id", message)]
    if batch.from_number is not None:
        if known_number(batch.from_number, settings) is not None:
            return []
        number = shown(batch.from_number)
        near = hint(batch.from_number, settings.numbers)
        return [Fault("from_number", f"from_number_not_owned: {number} is not a configured number{near}")]
    if len(numbers := _numbers(batch, settings)) != 1:
        message = f"is required, as the agent has {len(numbers)} numbers; send one of them"
        return [Fault("from_number", message)]
    return []


def _numbers(batch: NewerBatch, settings: Settings) -> tuple[str, ...]:
    return caller_ids(CampaignSpec(name="-", agent=batch.agent_id), settings)


def _windows(batch: NewerBatch) -> list[dict[str, Any]]:
    start, end = batch.window_start_minutes, batch.window_end_minutes
    if start is None and batch.window_days is None:
        return []
    return [
        {
            "days": [day.value for day in in_order(batch.window_days or ALL_WEEKDAYS)],
            "start": from_minutes(start or 0),
            "end": from_minutes(end or 0),
        }
    ]


def _recipient(recipient: NewerRecipient) -> dict[str, Any]:
    plain: dict[str, Any] = {"phone": "" if recipient.phone is None else recipient.phone}
    if recipient.variables:
        plain["variables"] = recipient.variables
    if recipient.prompt_override:
        plain["prompt"] = recipient.prompt_override
    return plain
