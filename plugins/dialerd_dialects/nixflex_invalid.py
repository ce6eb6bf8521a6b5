"""Which of a request's recipients cannot be called, as N2 lists them. Knows nothing of HTTP."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from dialerd.model.errors import Fault
from dialerd_dialects.fields import in_json

_ENTRY: Final = re.compile(r"recipients\[(\d+)\]")


def of_recipients(faults: Iterable[Fault]) -> bool:
    """Tell whether all faults are of single recipients."""
    return all(_ENTRY.match(fault.path) for fault in faults)


def listed(faults: Iterable[Fault], recipients: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the recipients with a fault, once each, in the request's order.

    Args:
        faults: paths are those of a campaign or of the request.
        recipients: the request's.
    """
    reasons: dict[int, list[str]] = {}
    for fault in faults:
        if match := _ENTRY.match(fault.path):
            reasons.setdefault(int(match[1]), []).append(in_json(fault).message)
    return [{"index": at, "phone": _phone(recipients[at]), "reason": "; ".join(reasons[at])} for at in sorted(reasons)]


def _phone(recipient: Any) -> Any:
    if not isinstance(recipient, Mapping):
        return None
    return recipient.get("phone", recipient.get("phone_number"))
