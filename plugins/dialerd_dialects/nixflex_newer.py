"""N2, the newer batch request of Nixflex, as a campaign. Knows nothing of HTTP.

Its fields, limits and codes stand in docs/dialects-nixflex.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final, Literal

from attrs import field, frozen, validators

from dialerd.model.campaign import CampaignSpec
from dialerd.model.errors import Fault
from dialerd.model.instants import Plain
from dialerd.model.settings import AgentSettings, Settings
from dialerd.model.states import ALL_WEEKDAYS, Weekday
from dialerd.plugin.dialect import Order
from dialerd.rules.routes import agent_name, caller_ids
from dialerd.rules.zones import BadZone, zone
from dialerd_dialects.fields import Reading, read, renamer
from dialerd_dialects.instants import from_minutes
from dialerd_dialects.nixflex_errors import Refusal, missing
from dialerd_dialects.nixflex_invalid import listed, of_recipients
from dialerd_dialects.nixflex_owned import not_owned
from dialerd_dialects.numbers import bad_numbers
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
    """What the request may hold; what is None was not given."""

    agent_id: str | None = None
    prompt: str | None = None
    name: str | None = field(
        default=None, validator=validators.optional([validators.min_len(1), validators.max_len(255)])
    )
    from_number: str | None = None
    recipients: list[Any] | None = field(default=None, validator=validators.optional(validators.min_len(1)))
    skip_invalid: bool | None = None
    schedule_type: Literal["now", "schedule"] | None = None
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
    reading = read(data, NewerBatch, required=("agent_id", "prompt", "recipients"))
    batch = reading.record
    if batch.prompt is not None and not batch.prompt.strip():
        reading.object_to([Fault("prompt", "is required")])
    reading.object_to([*_schedule(batch), *not_owned(batch.agent_id, batch.from_number, settings)])
    numbers = _numbers(batch, settings)
    if batch.from_number is None and len(numbers) != 1:
        message = f"is required, as the agent has {len(numbers)} numbers; send one of them"
        reading.object_to([Fault("from_number", message)] if agent_of(batch, settings) else [])
    people = recipients_of(batch.recipients or ())
    own = [] if batch.skip_invalid else [fault for person in people for fault in person.faults]
    if reading.faults or own:
        if not batch.skip_invalid:
            own += bad_phones(people, settings)
        raise refusal_of([*reading.faults, *own], batch.recipients or ())
    agent = agent_of(batch, settings)
    spec: dict[str, Any] = {
        "name": batch.name or alias,
        "agent": batch.agent_id,
        "caller_ids": [batch.from_number or numbers[0]],
        "prompt": batch.prompt,
        "timezone": batch.timezone or (agent and agent.timezone) or LAST_ZONE,
        "windows": _windows(batch),
        "retry": {"max_attempts": 1},  # one call each
        "amd": "detect",
        "skip_invalid": bool(batch.skip_invalid),
    }
    if batch.schedule_type == "schedule" and batch.scheduled_date is not None:
        spec["start"] = batch.scheduled_date.isoformat()
    return Order(
        spec=spec,
        recipients=[_recipient(person) for person in people],
        launch=batch.schedule_type != "schedule",
        alias=alias,
    )


def recipients_of(entries: Sequence[Any]) -> list[Reading[NewerRecipient]]:
    """Return what can be read of a request's recipients."""
    return [read(plain, NewerRecipient, path=f"recipients[{at}]") for at, plain in enumerate(entries)]


def bad_phones(people: Sequence[Reading[NewerRecipient]], settings: Settings) -> list[Fault]:
    """Return what is wrong with the first recipients' numbers, where nothing is said of them yet."""
    phones = (person.record.phone if person.faults else person.record.phone or "" for person in people)
    return bad_numbers(phones, "recipients[].phone", settings.daemon.default_region)


def refusal_of(faults: Sequence[Fault], entries: Sequence[Any]) -> Refusal:
    """Return the refusal for all that is wrong; where only recipients are, they are listed.

    Args:
        faults: paths are the request's.
        entries: the request's recipients.
    """
    if missing(faults):
        return Refusal("missing_field", faults)
    if not of_recipients(faults):
        return Refusal("campaign_creation_failed", faults)
    invalid = listed(faults, entries)
    counts = {"valid_count": len(entries) - len(invalid), "invalid_count": len(invalid), "invalid": invalid}
    return Refusal("invalid_phone_format", faults, counts)


def agent_of(batch: NewerBatch, settings: Settings) -> AgentSettings | None:
    """Return the agent that a request names, or None where there is none."""
    name = None if batch.agent_id is None else agent_name(batch.agent_id, settings)
    return None if name is None else settings.agents[name]


def _schedule(batch: NewerBatch) -> Iterator[Fault]:
    """Yield what is wrong with when it is to call."""
    if batch.schedule_type == "schedule" and batch.scheduled_date is None:
        yield Fault("scheduled_date", 'is required with schedule_type "schedule"')
    start, end = batch.window_start_minutes, batch.window_end_minutes
    if (start is None) != (end is None):
        lacking = "window_start_minutes" if start is None else "window_end_minutes"
        yield Fault(lacking, "is required beside the other end of the window; send both or neither")
    elif start is not None and start == end:
        yield Fault("window_end_minutes", "is where the window starts, too; the whole day is 0 to 1440")
    if batch.timezone is not None:
        try:
            zone(batch.timezone)
        except BadZone as error:
            yield Fault("timezone", f"invalid_timezone: {error}")


def _numbers(batch: NewerBatch, settings: Settings) -> tuple[str, ...]:
    return caller_ids(CampaignSpec(name="-", agent=batch.agent_id or "-"), settings)


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


def _recipient(person: Reading[NewerRecipient]) -> dict[str, Any]:
    recipient = person.record
    if person.faults:  # with skip_invalid: it keeps its place in the list, and is left out for having no number
        return {"phone": ""}
    plain: dict[str, Any] = {"phone": "" if recipient.phone is None else recipient.phone}
    if recipient.variables:
        plain["variables"] = recipient.variables
    if recipient.prompt_override:
        plain["prompt"] = recipient.prompt_override
    return plain
