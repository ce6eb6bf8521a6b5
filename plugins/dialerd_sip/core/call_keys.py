"""Keys that a far end presses by INFO (RFC 6086; application/dtmf-relay as the field writes it, application/dtmf)."""

from typing import Final

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.headers import content_type
from dialerd_sip.core.message import Request

KINDS: Final = ("application/dtmf-relay", "application/dtmf")
KEYS: Final = frozenset("0123456789*#ABCD")
_NUMBERED: Final = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}  # RFC 4733's event numbers


def keys_in(request: Request) -> str | None:
    """Return the keys in an INFO, empty where there are none in it; None where it is about something else."""
    try:
        kind = content_type(request)
    except BadMessage:
        return None
    if kind is None or kind.media not in KINDS:
        return None
    text = request.body.decode("ascii", "replace")
    if kind.media == "application/dtmf-relay":
        text = next(
            (line.partition("=")[2] for line in text.splitlines() if line.strip().lower().startswith("signal")), ""
        )
    text = text.strip().upper()
    text = _NUMBERED.get(text, text)
    return text if text in KEYS else ""
