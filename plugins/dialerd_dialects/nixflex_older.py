"""N1, the older batch request of Nixflex, as a campaign. Knows nothing of HTTP.

Its fields, limits and codes stand in docs/dialects.md.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final, Literal

from attrs import field, frozen, validators

from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import Plain
from dialerd.model.settings import Settings
from dialerd.model.structuring import structure
from dialerd.model.wording import hint, shown
from dialerd.plugin.dialect import Order
from dialerd.rules.routes import agent_name, known_number
from dialerd_dialects.fields import renamer
from dialerd_dialects.instants import in_utc
from dialerd_dialects.nixflex_errors import Refusal, missing, refusal

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
    """What the request may hold."""

    agent_id: str
    from_number: str
    name: str = field(validator=[validators.min_len(1), validators.max_len(255)])
    recipients: list[Any] = field(validator=validators.min_len(1))
    schedule_type: Literal["now", "schedule"]
    scheduled_at: datetime | date | None = None
    max_concurrent: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    dynamic_vars: dict[str, Plain] | None = None
    metadata: dict[str, Plain] | None = None


@frozen(kw_only=True)
class OlderRecipient:
    """What one of its recipients may hold; whether the number is one is judged with the campaign."""

    phone_number: Any
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
        Refusal: it cannot be; all faults are of the code that comes first.
    """
    if len(data["recipients"]) > MOST_RECIPIENTS:
        count = len(data["recipients"])
        raise refusal("too_many_recipients", "recipients", f"are {count}; at most {MOST_RECIPIENTS} go into one batch")
    batch, recipients = _read(data)
    _check_owned(batch, settings)
    if batch.schedule_type == "schedule" and batch.scheduled_at is None:
        raise refusal("invalid_schedule", "scheduled_at", 'is required with schedule_type "schedule"')
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
        recipients=[_recipient(recipient) for recipient in recipients],
        launch=batch.schedule_type == "now",
        alias=alias,
        dialect="nixflex",
    )


def _read(data: Mapping[str, Any]) -> tuple[OlderBatch, list[OlderRecipient]]:
    faults: list[Fault] = []
    batch: OlderBatch | None = None
    try:
        batch = structure(data, OlderBatch)
    except InvalidInput as error:
        faults += error.faults
    recipients = []
    for at, plain in enumerate(data["recipients"]):
        try:
            recipients.append(structure(plain, OlderRecipient, path=f"recipients[{at}]"))
        except InvalidInput as error:
            faults += error.faults
    if faults or batch is None:
        raise Refusal(_code(faults), faults)
    return batch, recipients


def _code(faults: list[Fault]) -> str:
    if missing(faults):
        return "missing_field"
    if any(fault.path in ("schedule_type", "scheduled_at") for fault in faults):
        return "invalid_schedule"
    return "invalid_request"


def _check_owned(batch: OlderBatch, settings: Settings) -> None:
    """Check that the agent and the number are configured here, which is what owning them means."""
    if agent_name(batch.agent_id, settings) is None:
        known = [*settings.agents, *(agent.id for agent in settings.agents.values() if agent.id is not None)]
        message = f"{shown(batch.agent_id)} is not a configured agent{hint(batch.agent_id, known)}"
        raise refusal("agent_not_owned", "agent_id", message)
    if known_number(batch.from_number, settings) is None:
        message = f"{shown(batch.from_number)} is not a configured number{hint(batch.from_number, settings.numbers)}"
        raise refusal("from_number_not_owned", "from_number", message)


def _recipient(recipient: OlderRecipient) -> dict[str, Any]:
    plain = {"phone": recipient.phone_number}
    if recipient.dynamic_vars:
        plain["variables"] = recipient.dynamic_vars
    if recipient.metadata:
        plain["metadata"] = recipient.metadata
    return plain
