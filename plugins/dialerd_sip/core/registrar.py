"""What a registrar says in its answers (RFC 3261 section 10.2). Knows nothing of when registrations are made."""

from typing import Final

from dialerd_sip.core.headers import addresses, retry_after, seconds
from dialerd_sip.core.message import BadMessage, Response
from dialerd_sip.core.uri import NameAddr

LONGEST: Final = 86_400
"""Seconds that a registrar is followed to: one day."""

_LONGEST_REST: Final = 300.0  # seconds of Retry-After that are honoured: more would take a trunk away


def longer_time(response: Response, asked: int) -> int | None:
    """Return what a 423 wants instead of what was asked for (RFC 3261 section 10.2.8), or None where that is no use."""
    try:
        least = seconds(response, "Min-Expires")
    except BadMessage:
        return None
    return least if least is not None and asked < least <= LONGEST else None


def granted_to(response: Response, contact: str, asked: int) -> int:
    """Return for how many seconds a registrar has taken our Contact (RFC 3261 section 10.2.4).

    It is said beside our Contact, among those of others; else in Expires; else it is what was asked for.

    Args:
        response: its 2xx.
        contact: our Contact.
        asked: what was asked for.
    """
    try:
        ours = NameAddr.parse(contact).uri
        for address in addresses(response, "Contact"):
            expires = address.params.get("expires")
            if address.uri == ours and expires is not None and expires.isdecimal():
                return min(int(expires), LONGEST)
        said = seconds(response, "Expires")
    except BadMessage:
        return asked
    return asked if said is None else min(said, LONGEST)


def retry_after_of(response: Response) -> float:
    """Return the seconds of Retry-After, capped, or 0."""
    told = retry_after(response)
    return 0.0 if told is None else min(float(told.seconds), _LONGEST_REST)
