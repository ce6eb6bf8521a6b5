"""Session descriptions: our side of the media, offers and answers (RFC 8866, RFC 3264).

We speak one codec at a time, by RTP/AVP, with keys as telephone-events (RFC 4733). What is offered beside that (video,
a second audio line, SRTP, feedback profiles) is answered in its place with port 0. Knows nothing of dialogs: the last
description that we sent is handed in, so that lines are kept and the version rises only when something changed.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final

from msgspec import Struct

from dialerd_sip.core.sdp_text import BadDescription as BadDescription  # noqa: PLC0414  # callers find it here
from dialerd_sip.core.sdp_text import Medium, read

SDP: Final = "application/sdp"
"""The media type of session descriptions (RFC 8866, section 8.1)."""


class Codec(StrEnum):
    """Codecs that are spoken."""

    PCMU = "PCMU"
    PCMA = "PCMA"

    @property
    def static_payload(self) -> int:
        """Its payload type without rtpmap (RFC 3551, table 4)."""
        return 0 if self is Codec.PCMU else 8


class LocalMedia(Struct, frozen=True, kw_only=True, gc=False):
    """Our side of the media.

    Args:
        host: address at which RTP is received, as the far end sees it.
        port: port at which RTP is received; RTCP is received at the next one.
        codecs: what may be spoken, best first.
        ptime_ms: length of a packet that is wished for.
        session_id: number of the session (o= line), fixed by the call.
        dtmf_payload: payload type of RFC 4733 events in offers.
    """

    host: str
    port: int
    codecs: tuple[Codec, ...] = (Codec.PCMU, Codec.PCMA)
    ptime_ms: int = 20
    session_id: int = 1
    dtmf_payload: int = 101


class Negotiated(Struct, frozen=True, kw_only=True, gc=False):
    """What was agreed upon.

    Args:
        host, port: where RTP goes.
        rtcp_port: where RTCP goes, or None (then port + 1).
        codec: what is spoken.
        payload: its RTP payload type when sent.
        dtmf_payload: payload type of RFC 4733 events when sent; None = the far end takes none.
        ptime_ms: length of a packet that the far end wants.
        sends: whether we may send (False while we are on hold).
        receives: whether the far end sends.
    """

    host: str
    port: int
    rtcp_port: int | None = None
    codec: Codec
    payload: int
    dtmf_payload: int | None
    ptime_ms: int = 20
    sends: bool = True
    receives: bool = True


_SENDS: Final = frozenset({"sendrecv", "recvonly"})
"""What the far end says of itself when we may send."""

_RECEIVES: Final = frozenset({"sendrecv", "sendonly"})

_MIRRORED: Final = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}
"""RFC 3264, section 6.1: what an offer's direction is answered with."""

_EVENTS: Final = "TELEPHONE-EVENT/8000"
_KEYS: Final = "0-15"
"""RFC 4733, table 7: the keys 0 to 9, *, #, A to D."""

_SHORTEST_MS, _LONGEST_MS = 10, 60
"""Lengths of packets that are sent: whole frames of 10 ms (RFC 3551, section 4.2), and at 60 ms little is saved by
more. A receiver has to take whatever is up to 200 ms, so that a longer wish may be answered with less."""


def offer(local: LocalMedia, version: int = 1, *, before: bytes | None = None) -> bytes:
    """Return the offer of our side.

    Args:
        local: our side.
        version: version of the o= line where nothing was sent before.
        before: the description that we sent last in this dialog. Its lines are kept in their places, and its version
            rises by one where anything else changes (RFC 3264, section 8).
    """
    own = _line(local, _offered(local.codecs, local.dtmf_payload), local.ptime_ms, "sendrecv")
    lines = [own]
    if before is not None:
        media = read(before).media
        if len(media) > 1:
            used = next((at for at, medium in enumerate(media) if medium.port), 0)
            lines = [own if at == used else _refused(medium) for at, medium in enumerate(media)]
    return _written(local, version, "0 0", lines, before)


def accept(local: LocalMedia, answer: bytes) -> Negotiated:
    """Return what was agreed upon, from the answer to our offer.

    Of several codecs the answer's first one counts that we know: it lists them in its order of preference (RFC 3264,
    section 6.1).

    Args:
        local: our side, as it was offered.
        answer: the answer, in a response or in an ACK.

    Raises:
        BadDescription: nothing usable was agreed upon (no common codec, port 0, no address, not SDP).
    """
    medium, codecs, events = _usable(read(answer).media, local.codecs)
    return _agreed(local, medium, *codecs[0], events)


def answer(local: LocalMedia, offered: bytes, version: int, *, before: bytes | None = None) -> tuple[bytes, Negotiated]:
    """Answer an offer of the far end.

    Of several codecs our best one is answered, alone, so that both sides speak the same; it has the number of the offer
    (RFC 3264, section 6.1). Who is put on hold answers that it listens, or is inactive.

    Args:
        local: our side.
        offered: the offer.
        version: version of the o= line where nothing was sent before.
        before: the description that we sent last in this dialog, as in `offer`.

    Returns:
        Our answer, and what is agreed upon by it.

    Raises:
        BadDescription: it must be refused with 488.
    """
    description = read(offered)
    medium, codecs, events = _usable(description.media, local.codecs)
    codec, payload = min(codecs, key=lambda pair: local.codecs.index(pair[0]))
    agreed = _agreed(local, medium, codec, payload, events)
    formats: list[_Format] = [(payload, f"{codec}/8000", None)]
    if agreed.dtmf_payload is not None:
        formats.append((agreed.dtmf_payload, "telephone-event/8000", _KEYS))
    formats.sort(key=lambda item: medium.formats.index(str(item[0])))  # in the order of the offer, section 6.1
    direction = _MIRRORED[medium.direction]
    if medium.held and direction == "sendrecv":
        direction = "recvonly"
    elif medium.held and direction == "sendonly":
        direction = "inactive"
    own = _line(local, tuple(formats), local.ptime_ms, direction)
    lines = [own if one is medium else _refused(one) for one in description.media]
    return _written(local, version, description.times, lines, before), agreed


def _usable(media: Sequence[Medium], known: Sequence[Codec]) -> tuple[Medium, list[tuple[Codec, int]], int | None]:
    """Return the first audio line that can be spoken over, its codecs that are known, and the payload type of keys."""
    why = "it has no audio line"
    for medium in media:
        if medium.kind != "audio":
            continue
        if medium.port == 0:
            why = "its audio line has port 0"
        elif medium.proto.upper() != "RTP/AVP":
            why = f"its audio line is {medium.proto[:40]}, not RTP/AVP"
        elif medium.host is None:
            why = "its audio line has no IP address to send to"
        else:
            spoken, events = _spoken(medium)
            if codecs := [pair for pair in spoken if pair[0] in known]:
                return medium, codecs, events
            why = f"its audio line has none of the codecs {', '.join(known)}"
    raise BadDescription(f"the session description cannot be used: {why}")


def _spoken(medium: Medium) -> tuple[tuple[tuple[Codec, int], ...], int | None]:
    """Return the codecs of an audio line that we know, in its order, and its payload type of telephone-events."""
    formats, rtpmaps = medium.formats, tuple(medium.rtpmaps.items())
    if len(formats) + len(rtpmaps) > _FEW or max(map(len, formats)) > 3:  # strangers must not fill the memory
        return _read_formats(formats, rtpmaps)
    return _known_formats(formats, rtpmaps)


def _read_formats(
    formats: tuple[str, ...], rtpmaps: tuple[tuple[str, str], ...]
) -> tuple[tuple[tuple[Codec, int], ...], int | None]:
    encodings = {"0": "PCMU/8000", "8": "PCMA/8000"} | dict(rtpmaps)  # RFC 3551, table 4
    codecs: list[tuple[Codec, int]] = []
    events: list[int] = []
    for name in filter(_is_payload, formats):
        encoding = encodings.get(name, "").removesuffix("/1")
        if encoding in _ENCODINGS:
            codecs.append((_ENCODINGS[encoding], int(name)))
        elif encoding == _EVENTS:
            events.append(int(name))
    return tuple(codecs), events[0] if events else None


_known_formats = lru_cache(maxsize=256)(_read_formats)  # a far end has few shapes, and one is read for every call
_FEW: Final = 64  # formats with their rtpmaps; a description has some ten

_ENCODINGS: Final = {f"{codec}/8000": codec for codec in Codec}


def _agreed(local: LocalMedia, medium: Medium, codec: Codec, payload: int, events: int | None) -> Negotiated:
    ptime = medium.ptime_ms or local.ptime_ms
    if medium.maxptime_ms is not None:
        ptime = min(ptime, medium.maxptime_ms)
    assert medium.host is not None  # _usable has seen to it
    return Negotiated(
        host=medium.host,
        port=medium.port,
        rtcp_port=medium.rtcp_port,
        codec=codec,
        payload=payload,
        dtmf_payload=events,
        ptime_ms=min(max(ptime // 10 * 10, _SHORTEST_MS), _LONGEST_MS),
        sends=medium.direction in _SENDS and not medium.held,
        receives=medium.direction in _RECEIVES,
    )


def _is_payload(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) <= 3 and int(name) <= 127 and str(int(name)) == name


_Format = tuple[int, str, str | None]  # payload type, encoding, parameters
_Formats = tuple[_Format, ...]


@lru_cache(maxsize=64)
def _offered(codecs: tuple[Codec, ...], events: int) -> _Formats:
    spoken = tuple((codec.static_payload, f"{codec}/8000", None) for codec in codecs)
    return (*spoken, (events, "telephone-event/8000", _KEYS))


def _line(local: LocalMedia, formats: _Formats, ptime_ms: int, direction: str) -> str:
    head, tail = _shape(formats, ptime_ms, direction)
    return f"m=audio {local.port} RTP/AVP {head}\r\n{tail}"


@lru_cache(maxsize=256)  # a trunk has few shapes, and one is written for every call
def _shape(formats: _Formats, ptime_ms: int, direction: str) -> tuple[str, str]:
    head = " ".join(str(payload) for payload, _, _ in formats)
    tail = ""
    for payload, encoding, parameters in formats:
        tail += f"a=rtpmap:{payload} {encoding}\r\n"
        tail += f"a=fmtp:{payload} {parameters}\r\n" if parameters else ""
    return head, f"{tail}a=ptime:{ptime_ms}\r\na={direction}\r\n"


def _refused(medium: Medium) -> str:
    return f"m={medium.kind} 0 {medium.proto} {' '.join(medium.formats)}\r\n"  # RFC 3264, section 6


def _written(local: LocalMedia, version: int, times: str, lines: Sequence[str], before: bytes | None) -> bytes:
    family = "IP6" if ":" in local.host else "IP4"
    media = "".join(lines)
    if before is not None:
        version = read(before).version
        same = _text(local, family, version, times, media)
        if same == before:
            return before
        version += 1
    return _text(local, family, version, times, media)


def _text(local: LocalMedia, family: str, version: int, times: str, media: str) -> bytes:
    return (
        f"v=0\r\no=- {local.session_id} {version} IN {family} {local.host}\r\ns=-\r\n"
        f"c=IN {family} {local.host}\r\nt={times}\r\n{media}"
    ).encode()
