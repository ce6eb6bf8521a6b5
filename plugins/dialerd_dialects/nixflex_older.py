"""N1, the older batch request of Nixflex, as a campaign. Knows nothing of HTTP.

Its fields, limits and codes stand in docs/dialects-nixflex.md.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, Literal

from attrs import field, frozen, validators

from dialerd.model.errors import Fault
from dialerd.model.instants import Plain
from dialerd.model.settings import Settings
from dialerd.plugin.dialect import Order
from dialerd_dialects.fields import read, renamer
from dialerd_dialects.instants import in_utc
from dialerd_dialects.nixflex_errors import Refusal, missing
from dialerd_dialects.nixflex_invalid import of_recipients
from dialerd_dialects.nixflex_owned import not_owned
from dialerd_dialects.numbers import bad_numbers

MOST_RECIPIENTS: Final = 10_000
"""The document's limit, beyond which it answers `too_many_recipients`."""

PREFIX: Final = "camp_"
DIGITS: Final = 8

rename: Final = renamer(
    {
        "agent": "agent_id",
        "caller_ids": "from_number",
        "caller_ids[]": "from_number",
        "start": "scheduled_at",
        "variables": "dynamic_vars",
        "pacing.max_concurrent": "max_concurrent",
        "recipients[].phone": "recipients[].phone_number",
        "recipients[].variables": "recipients[].dynamic_vars",
    }
)
"""Turns the path of a fault in the campaign into the request's."""


@frozen(kw_only=True)
class OlderBatch:
    """What the request may hold; what is None was not given."""

    agent_id: str | None = None
    from_number: str | None = None
    name: str | None = field(
        default=None, validator=validators.optional([validators.min_len(1), validators.max_len(255)])
    )
    recipients: list[Any] | None = None
    schedule_type: Literal["now", "schedule"] | None = None
    scheduled_at: datetime | date | None = None
    max_concurrent: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    dynamic_vars: dict[str, Plain] | None = None
    metadata: dict[str, Plain] | None = None


@frozen(kw_only=True)
class OlderRecipient:
    """What one of its recipients may hold; whether the number is one is judged with the campaign."""

    phone_number: Any = None
    dynamic_vars: dict[str, Plain] | None = None
    metadata: dict[str, Plain] | None = None


def is_older(data: Mapping[str, Any]) -> bool:
    """Tell whether a request is N1 rather than N2: it has no `prompt`, and recipients with `phone_number`."""
    recipients = data.get("recipients")
    return (
        "prompt" not in data
        and isinstance(recipients, list)
        and any(isinstance(recipient, Mapping) and "phone_number" in recipient for recipient in recipients)
    )


def order_of(data: Mapping[str, Any], settings: Settings, alias: str) -> Order:
    """Return the campaign that a request asks for.

    Args:
        data: the request's body.
        settings: by which agents and numbers are known.
        alias: the campaign's id in the dialect.

    Raises:
        Refusal: it cannot be, with every fault.
    """
    reading = read(data, OlderBatch, required=("agent_id", "from_number", "name", "recipients", "schedule_type"))
    batch, entries = reading.record, data["recipients"]
    reading.object_to(not_owned(batch.agent_id, batch.from_number, settings))
    if batch.schedule_type == "schedule" and batch.scheduled_at is None:
        reading.object_to([Fault("scheduled_at", 'is required with schedule_type "schedule"')])
    if len(entries) > MOST_RECIPIENTS:
        reading.object_to([Fault("recipients", f"are {len(entries)}; at most {MOST_RECIPIENTS} go into one batch")])
        entries = []
    people = [
        read(plain, OlderRecipient, required=("phone_number",), path=f"recipients[{at}]")
        for at, plain in enumerate(entries)
    ]
    if faults := [*reading.faults, *(fault for person in people for fault in person.faults)]:
        phones = [person.record.phone_number for person in people]
        faults += bad_numbers(phones, "recipients[].phone_number", settings.daemon.default_region)
        raise refusal_of(faults)
    spec: dict[str, Any] = {
        "name": batch.name,
        "agent": batch.agent_id,
        "caller_ids": [batch.from_number],
        "retry": {"max_attempts": 1},  # one call each
        "amd": "detect",
    }
    if batch.schedule_type == "schedule" and batch.scheduled_at is not None:
        spec["start"] = in_utc(batch.scheduled_at)
    if batch.max_concurrent is not None:
        spec["pacing"] = {"max_concurrent": batch.max_concurrent}
    if batch.dynamic_vars:
        spec["variables"] = batch.dynamic_vars
    if batch.metadata:
        spec["metadata"] = batch.metadata
    return Order(
        spec=spec,
        recipients=[_recipient(person.record) for person in people],
        launch=batch.schedule_type == "now",
        alias=alias,
    )


def refusal_of(faults: Sequence[Fault]) -> Refusal:
    """Return the refusal for all that is wrong, by the code of its worst fault."""
    if missing(faults):
        return Refusal("missing_field", faults)
    for code in ("agent_not_owned", "from_number_not_owned"):
        if any(fault.message.startswith(f"{code}:") for fault in faults):
            return Refusal(code, faults)
    paths = {fault.path for fault in faults}
    if "recipients" in paths:
        return Refusal("too_many_recipients", faults)
    if paths & {"schedule_type", "scheduled_at"}:
        return Refusal("invalid_schedule", faults)
    return Refusal("invalid_phone_format" if of_recipients(faults) else "invalid_request", faults)


def _recipient(recipient: OlderRecipient) -> dict[str, Any]:
    plain = {"phone": recipient.phone_number}
    if recipient.dynamic_vars:
        plain["variables"] = recipient.dynamic_vars
    if recipient.metadata:
        plain["metadata"] = recipient.metadata
    return plain
