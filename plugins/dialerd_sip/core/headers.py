"""Readers of the headers that not every message needs: session timers, reliable provisionals, lists, challenges.

Each is a function of a message, beside the readers that messages have themselves. They raise BadMessage where a header
is there and cannot be read, unless they say otherwise. Knows nothing of what follows from a header.
"""

import re
from collections.abc import Mapping

from msgspec import Struct, field

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.fields import Fields
from dialerd_sip.core.grammar import number, parameters, split
from dialerd_sip.core.message import Response
from dialerd_sip.core.reasons import Reason, RetryAfter, reasons, retry_after
from dialerd_sip.core.uri import NameAddr

__all__ = [
    "ContentType",
    "Reason",
    "RetryAfter",
    "SessionExpires",
    "addresses",
    "allowed",
    "challenges",
    "challenges_of",
    "content_type",
    "max_forwards",
    "min_se",
    "option_tags",
    "reason_values",
    "reasons",
    "retry_after",
    "rseq",
    "seconds",
    "session_expires",
]

_LARGEST = 2**32 - 1  # RFC 3261 section 20.19: an Expires of up to 2**32 - 1
_MEDIA = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+/[A-Za-z0-9\-.!%*_+`'~]+")
# A challenge begins with a scheme and a blank, its parameters have an equals sign behind the name (RFC 7235, 2.1).
_SCHEME = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+[ \t]+[^=\s,]")


class SessionExpires(Struct, frozen=True, kw_only=True, gc=False):
    """Session-Expires (RFC 4028 section 4): seconds, and `uac` or `uas` where it says who refreshes."""

    seconds: int
    refresher: str | None = None


class ContentType(Struct, frozen=True, kw_only=True, gc=False):
    """Content-Type: the type in small letters, such as `application/sdp`, and its parameters."""

    media: str
    params: Mapping[str, str | None] = field(default_factory=dict)


def session_expires(message: Fields) -> SessionExpires | None:
    """Return Session-Expires, or None."""
    text = message.first("Session-Expires")
    if text is None:
        return None
    delta, _, rest = text.partition(";")
    refresher = (parameters(rest).get("refresher") or "").lower()
    return SessionExpires(
        seconds=number(delta, _LARGEST, "Session-Expires"),
        refresher=refresher if refresher in ("uac", "uas") else None,
    )


def min_se(message: Fields) -> int | None:
    """Return the seconds of Min-SE (RFC 4028 section 5), or None; its parameters mean nothing yet."""
    return seconds(message, "Min-SE")


def seconds(message: Fields, name: str) -> int | None:
    """Return the seconds of Expires, Min-Expires or Min-SE, parameters left out, or None."""
    text = message.first(name)
    return None if text is None else number(text.partition(";")[0], _LARGEST, name)


def max_forwards(message: Fields) -> int | None:
    """Return Max-Forwards (0 to 255, RFC 3261 section 20.22), or None."""
    text = message.first("Max-Forwards")
    return None if text is None else number(text, 255, "Max-Forwards")


def rseq(message: Fields) -> int | None:
    """Return RSeq (RFC 3262 section 7.1), or None."""
    text = message.first("RSeq")
    return None if text is None else number(text, _LARGEST, "RSeq")


def reason_values(message: Fields) -> tuple[str, ...]:
    """Return the values of Reason (RFC 3326); none where they cannot be read: what they explain happens anyway."""
    try:
        return tuple(message.values("Reason"))
    except BadMessage:
        return ()


def option_tags(message: Fields, name: str) -> tuple[str, ...]:
    """Return the option tags of Require, Supported, Unsupported or Proxy-Require, in small letters and in order."""
    return tuple(value.lower() for value in message.values(name))


def allowed(message: Fields) -> frozenset[str]:
    """Return the methods of Allow; none where it is missing, which says nothing (RFC 3261 section 20.5)."""
    return frozenset(message.values("Allow"))


def addresses(message: Fields, name: str) -> tuple[NameAddr, ...]:
    """Return all values of Contact, Route, Record-Route, P-Asserted-Identity and the like, in order."""
    return tuple(NameAddr.parse(value) for value in message.values(name))


def content_type(message: Fields) -> ContentType | None:
    """Return Content-Type, or None."""
    text = message.first("Content-Type")
    if text is None:
        return None
    return ContentType(media="application/sdp") if text == "application/sdp" else _content_type(text)


def _content_type(text: str) -> ContentType:
    media, semicolon, rest = text.partition(";")
    media = re.sub(r"[ \t]*/[ \t]*", "/", media.strip()).lower()
    if not _MEDIA.fullmatch(media):
        raise BadMessage("a Content-Type that cannot be read", 400)
    return ContentType(media=media, params=parameters(rest) if semicolon else {})


def challenges(message: Fields, name: str) -> tuple[str, ...]:
    """Return the challenges of WWW-Authenticate or Proxy-Authenticate, each whole, in order.

    A server may send several (RFC 8760 section 2.3), in lines of their own, as RFC 3261 section 7.3.1 wants it, or in
    one line. A line whose quotes are not closed is returned as it is.
    """
    found: list[str] = []
    for line in message.all(name):
        try:
            parts = split(line)
        except BadMessage:
            found.append(line)
            continue
        at_start = True
        for part in parts:
            if at_start or _SCHEME.match(part):
                found.append(part)
            elif part:
                found[-1] += f", {part}"
            at_start = False
    return tuple(value for value in found if value)


def challenges_of(response: Response) -> tuple[str, ...]:
    """Return the challenges of a 401 or 407; none of another answer."""
    name = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}.get(response.status)
    return () if name is None else challenges(response, name)
