"""Numbers as a trunk wants them written, and the URIs that they stand in. Knows nothing of headers."""

import re
from functools import lru_cache
from typing import Final

import phonenumbers

from dialerd_sip.options import SipOptions

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9\-_.!~*'()&=+$,;?/]")
"""What RFC 3261, section 25.1, wants escaped in the user part of a URI."""

_TRUNK_ACCESS: Final = "00"
"""ITU-T E.164, annex A, and Recommendation E.123: the usual international prefix."""


def user_of(number: str, options: SipOptions) -> str:
    """Return a called number as the user part of its URI.

    Args:
        number: E.164, with +.
        options: the trunk's; `number_format` and `number_prefix` are looked at.
    """
    return options.number_prefix + written(number, options.number_format)


@lru_cache(maxsize=4_096)  # caller ids are few, and come again with every call
def written(number: str, number_format: str) -> str:
    """Return a number as a trunk wants it.

    Args:
        number: E.164, with +.
        number_format: `e164` (+447111000001), `e164_plain` (447111000001), `international` (00447111000001), or
            `national` (07111000001); a number that has no national form is left as it is.
    """
    digits = number.removeprefix("+")
    if number_format == "e164_plain":
        return digits
    if number_format == "international":
        return _TRUNK_ACCESS + digits
    if number_format == "national":
        return _national(number)
    return number


def request_uri(user: str, host: str, options: SipOptions) -> str:
    """Return the Request-URI of a called number.

    Args:
        user: the number as the trunk wants it, see `user_of`.
        host: host, or host and port, of the server.
        options: the trunk's; `uri_parameters` are looked at.
    """
    parameters = (options.uri_parameters or "").strip(" ;")
    return f"sip:{escaped(user)}@{host}" + (f";{parameters}" if parameters else "")


def escaped(user: str) -> str:
    """Return text as it may stand in the user part of a URI (RFC 3261, section 19.1.2)."""
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), user)


def host_of(server: str) -> str:
    """Return the host of `host` or `host:port`; IPv6 keeps its brackets."""
    if server.startswith("["):
        return server.partition("]")[0] + "]"
    return server.partition(":")[0]


def _national(number: str) -> str:
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    shown = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return re.sub(r"[^0-9]", "", shown) or number
