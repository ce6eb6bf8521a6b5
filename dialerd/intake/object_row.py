"""A recipient written as an object, in JSONL, in a JSON list or inline in a campaign file, handed to `Rows`."""

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from dialerd.intake.recipients import Placed, RecipientSpec, Rows
from dialerd.model.errors import InvalidInput
from dialerd.model.structuring import structure
from dialerd.model.wording import kind


def add_object(rows: Rows, position: int, value: Any, placed: Placed, *, path: str = "") -> None:
    """Check one recipient and hand it to `rows`, or note all that is wrong with it.

    Args:
        rows: takes it.
        position: names it in messages and reports.
        value: plain data.
        placed: tells where a path stands.
        path: where the object stands in its document; put in front of every path.
    """
    if not isinstance(value, Mapping):
        line, column = placed(path)
        message = f'must be an object such as {{"phone": "+442079460000"}}, but is {kind(value)}'
        rows.bad(message, line=line, column=column, path=path)
        return
    try:
        spec = structure(value, RecipientSpec, path=path)
    except InvalidInput as error:
        for fault in error.faults:
            line, column = placed(fault.path)
            rows.bad_fault(evolve(fault, file=rows.file, line=line, column=column))
        phone, timezone = value.get("phone"), value.get("timezone")
        if isinstance(phone, str):  # what is wrong with the number is told in the same breath
            timezone = timezone if isinstance(timezone, str) else None
            rows.add(position, phone, placed, timezone=timezone, keep=False, path=path)
        return
    rows.add(
        position,
        spec.phone,
        placed,
        timezone=spec.timezone,
        prompt=spec.prompt,
        max_attempts=spec.max_attempts,
        variables=spec.variables,
        metadata=spec.metadata,
        path=path,
    )
