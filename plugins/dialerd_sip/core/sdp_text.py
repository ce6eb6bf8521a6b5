"""Session descriptions as text: lines into records, read tolerantly (RFC 8866). Knows nothing of offers and answers.

Lines may end in CRLF, LF or CR; unknown lines and attributes, and those that make no sense, are passed over. What is
said for the whole session counts for each medium that does not say it itself (RFC 8866, section 5).
"""

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from msgspec import Struct, field

_DIRECTIONS: Final = frozenset({"sendrecv", "sendonly", "recvonly", "inactive"})

_MOST_LINES: Final = 64
"""Media lines that are read: an answer repeats each, so that a description of thousands is not answered in kind."""

_LONGEST_ADDRESS: Final = 128
"""Characters of a c= line's value: an IPv6 address with all that may stand around it has some sixty."""

_LONGEST_RTPMAP: Final = 64
"""Characters of a payload type with its encoding: longer ones are none of ours."""

_MOST_BYTES: Final = 65_536
"""Bytes that a description may have: what a datagram can hold."""

_TIMES: Final = re.compile(r"[0-9]{1,20} [0-9]{1,20}")


class BadDescription(Exception):
    """A session description cannot be used; the message says why."""


class Medium(Struct, kw_only=True, gc=False):
    """One m= line with what stands below it (RFC 8866, section 5.14).

    Args:
        kind: `audio`, `video` and so on, in small letters.
        port: its port; 0 = refused (RFC 3264, section 6).
        proto: its protocol, as written.
        formats: its formats, as written, in order.
        host: address of its c= line, or the session's; None where there is none.
        direction: `sendrecv`, `sendonly`, `recvonly` or `inactive`.
        rtpmaps: encoding by payload type, in capitals, such as `PCMU/8000`.
        ptime_ms, maxptime_ms: lengths of packets that are wished for, and allowed at most; None = not said.
        rtcp_port: port of RTCP (RFC 3605), or None.
    """

    kind: str
    port: int
    proto: str
    formats: tuple[str, ...]
    host: str | None = None
    direction: str = "sendrecv"
    rtpmaps: dict[str, str] = field(default_factory=dict)
    ptime_ms: int | None = None
    maxptime_ms: int | None = None
    rtcp_port: int | None = None

    @property
    def held(self) -> bool:
        """Whether nothing is to be sent there: the address is none (RFC 3264, section 8.4; for IPv6 RFC 6157, 5)."""
        return self.host in ("0.0.0.0", "::")


class Description(Struct, kw_only=True, gc=False):
    """A session description.

    Args:
        media: its m= lines, in order.
        version: version of its o= line; 0 where it cannot be read.
        times: value of its t= line.
    """

    media: tuple[Medium, ...]
    version: int = 0
    times: str = "0 0"


def read(body: bytes) -> Description:
    """Read a session description.

    Raises:
        BadDescription: it has no m= line, or more than can be meant.
    """
    if len(body) > _MOST_BYTES:
        raise BadDescription(f"the session description is longer than {_MOST_BYTES} bytes")
    session = Medium(kind="session", port=0, proto="", formats=())  # what is said before the first m= line
    media: list[Medium] = []
    description = Description(media=())
    text = body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    for line in text.split("\n"):
        if line[1:2] != "=":
            continue
        letter, value = line[0], line[2:].strip()
        if letter == "m":
            media.append(_medium(value, session))
            if len(media) > _MOST_LINES:
                raise BadDescription(f"the session description has more than {_MOST_LINES} m= lines")
        elif letter == "a":
            _attribute(media[-1] if media else session, value)
        elif letter == "c":
            (media[-1] if media else session).host = _address(value) if len(value) <= _LONGEST_ADDRESS else None
        elif letter == "o":
            words = value.split()
            description.version = int(words[2]) if len(words) > 2 and _is_number(words[2]) else 0
        elif letter == "t" and _TIMES.fullmatch(value):
            description.times = value
    if not media:
        raise BadDescription("there is no session description, or none with an m= line")
    description.media = tuple(media)
    return description


def _medium(value: str, session: Medium) -> Medium:
    words = value.split()
    port = words[1].partition("/")[0] if len(words) > 2 else ""
    if not _is_number(port) or int(port) > 65_535:
        raise BadDescription("the session description has an m= line that cannot be read")
    return Medium(
        kind=words[0].lower(),
        port=int(port),
        proto=words[2],
        formats=tuple(words[3:]) or ("0",),
        host=session.host,
        direction=session.direction,
        ptime_ms=session.ptime_ms,
        maxptime_ms=session.maxptime_ms,
    )


def _attribute(medium: Medium, value: str) -> None:
    name, _, rest = value.partition(":")
    name = name.lower()
    if name == "rtpmap":
        payload, _, encoding = rest.strip().partition(" ")
        if len(rest) <= _LONGEST_RTPMAP:
            medium.rtpmaps[payload] = encoding.strip().upper()
    elif name in _DIRECTIONS:
        medium.direction = name
    elif name == "ptime":
        medium.ptime_ms = _milliseconds(rest)
    elif name == "maxptime":
        medium.maxptime_ms = _milliseconds(rest)
    elif name == "rtcp":
        port = rest.strip().partition(" ")[0]
        if _is_number(port) and 0 < int(port) < 65_536:
            medium.rtcp_port = int(port)


@lru_cache(maxsize=1_024)  # a trunk has few media addresses, and each is read for every call
def _address(value: str) -> str | None:
    """Return the address of a c= line that can be sent to, or None: a name, multicast, or nothing at all."""
    words = value.split()
    if len(words) != 3 or words[0].upper() != "IN":
        return None
    try:
        address = ip_address(words[2].partition("/")[0])
    except ValueError:
        return None
    return None if address.is_multicast else str(address)


def _milliseconds(text: str) -> int | None:
    """Return a whole number of milliseconds; some write `20.0`, and RFC 8866, section 6.4, allows it."""
    whole = text.strip().partition(".")[0]
    return int(whole) if _is_number(whole) and int(whole) > 0 else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20
