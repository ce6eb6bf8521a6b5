"""Why something failed, as headers tell it: Reason (RFC 3326) and Retry-After (RFC 3261 section 20.33).

All of it is told by others for information: what cannot be read is left out and spoils nothing. Knows nothing of what
follows from it.
"""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.fields import Fields
from dialerd_sip.core.grammar import parameters, split

LONGEST_RETRY = 2**31 - 1  # a larger number of seconds is read as this one (RFC 4475 section 3.1.2.5)
_RETRY = re.compile(r"(\d+)[ \t]*(\(.*\))?[ \t]*(;.*)?", re.DOTALL)


class Reason(Struct, frozen=True, kw_only=True, gc=False):
    """A value of Reason (RFC 3326 section 2).

    Args:
        protocol: in capitals, `SIP` or `Q.850` for example.
        cause: the protocol's number, or None.
        text: its words, unquoted, or None.
        params: all parameters, names in small letters.
    """

    protocol: str
    cause: int | None = None
    text: str | None = None
    params: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def parse_all(cls, lines: Iterable[str]) -> tuple["Reason", ...]:
        """Read values of Reason headers, several to a line; what cannot be read is left out.

        Some gateways part the parameters of one value by commas; what has no protocol is taken as a parameter then.
        """
        found: list[Reason] = []
        for value in _values(lines):
            protocol, semicolon, rest = value.partition(";")
            try:
                params = parameters(rest if semicolon else "")
                if "=" in protocol and found:
                    params = {**found[-1].params, **parameters(value)}
                    found[-1] = cls._of(found[-1].protocol, params)
                elif protocol.strip() and "=" not in protocol:
                    found.append(cls._of(protocol.strip().upper(), params))
            except BadMessage:
                continue
        return tuple(found)

    @classmethod
    def _of(cls, protocol: str, params: Mapping[str, str | None]) -> "Reason":
        cause = params.get("cause") or ""
        known = cause.isascii() and cause.isdigit() and len(cause) < 10
        return cls(protocol=protocol, cause=int(cause) if known else None, text=params.get("text"), params=params)


class RetryAfter(Struct, frozen=True, kw_only=True, gc=False):
    """A value of Retry-After (RFC 3261 section 20.33).

    Args:
        seconds: how long to wait, capped to what 31 bits hold.
        comment: what stands in parentheses, or None.
        duration: seconds that the place will be reachable then, or None.
    """

    seconds: int
    comment: str | None = None
    duration: int | None = None

    @classmethod
    def parse(cls, text: str) -> "RetryAfter | None":
        """Read it, or return None where it cannot be read."""
        found = _RETRY.fullmatch(text.strip())
        if not found:
            return None
        digits, comment, rest = found.groups()
        try:
            lasting = parameters(rest or "").get("duration")
        except BadMessage:
            lasting = None
        return cls(
            seconds=_capped(digits) or 0,
            comment=comment[1:-1] if comment else None,
            duration=_capped(lasting),
        )


def reasons(message: Fields) -> tuple[Reason, ...]:
    """Return all values of Reason that can be read."""
    return Reason.parse_all(message.all("Reason"))


def retry_after(message: Fields) -> RetryAfter | None:
    """Return Retry-After, or None where it is missing or cannot be read."""
    text = message.first("Retry-After")
    return None if text is None else RetryAfter.parse(text)


def _values(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        try:
            yield from split(line)
        except BadMessage:
            continue


def _capped(digits: str | None) -> int | None:
    if not digits or not (digits.isascii() and digits.isdigit()):
        return None
    digits = digits.lstrip("0") or "0"
    return LONGEST_RETRY if len(digits) > 10 else min(int(digits), LONGEST_RETRY)
