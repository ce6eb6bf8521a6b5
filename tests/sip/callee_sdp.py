"""Session descriptions of the scripted callee, as plain text (RFC 4566, RFC 3264)."""

import re
from typing import Literal

from attrs import frozen

_CODECS = {"0": "PCMU", "8": "PCMA"}


@frozen
class Offered:
    """What the caller's description says of its audio.

    Args:
        host, port: where RTP goes.
        payloads: payload types, as text, in order.
        events: payload type of telephone-event, empty where there is none.
        direction: sendrecv, sendonly, recvonly or inactive.
    """

    host: str
    port: int
    payloads: tuple[str, ...]
    events: str
    direction: str


def read(body: bytes) -> Offered | None:
    """Read a description; None where it has no audio."""
    text = body.decode(errors="replace")
    media = re.search(r"^m=audio (\d+)\S* RTP/S?AVPF? ([\d ]+)", text, re.MULTILINE)
    hosts = re.findall(r"^c=IN IP[46] (\S+)", text, re.MULTILINE)
    if media is None or not hosts:
        return None
    events = re.search(r"^a=rtpmap:(\d+) telephone-event/8000", text, re.MULTILINE | re.IGNORECASE)
    way = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)\s*$", text, re.MULTILINE)
    payloads = tuple(media[2].split())
    return Offered(hosts[-1], int(media[1]), payloads, events[1] if events else "", way[1] if way else "sendrecv")


def describe(
    host: str,
    port: int,
    *,
    session: int = 1,
    version: int = 1,
    answering: Offered | None = None,
    codec: str | None = None,
    direction: str = "sendrecv",
    takes_events: bool = True,
) -> bytes:
    """Write a description.

    Args:
        host, port: where we want RTP.
        session, version: of the o= line.
        answering: the offer that is answered; None = this is an offer.
        codec: what is spoken; None = what was offered first, both where this is an offer.
        direction: which way sound goes; on an offer that holds, the matching one is answered.
        takes_events: whether telephone events are taken.
    """
    payloads, events = ["0", "8"], "101"
    if answering is not None:
        payloads = [payload for payload in answering.payloads if payload in _CODECS]
        events = answering.events
        direction = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}.get(
            answering.direction, direction
        )
    if not takes_events:
        events = ""
    if codec is not None:
        payloads = [payload for payload in payloads if _CODECS[payload] == codec]
    elif answering is not None:
        payloads = payloads[:1]
    lines = ["v=0", f"o=callee {session} {version} IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"]
    lines.append(f"m=audio {port} RTP/AVP {' '.join([*payloads, events]).strip()}")
    lines += [f"a=rtpmap:{payload} {_CODECS[payload]}/8000" for payload in payloads]
    lines += [f"a=rtpmap:{events} telephone-event/8000", f"a=fmtp:{events} 0-15"] if events else []
    return "\r\n".join([*lines, "a=ptime:20", f"a={direction}", ""]).encode()


def other(codec: str) -> Literal["PCMU", "PCMA"]:
    """Return the codec that is not this one."""
    return "PCMA" if codec == "PCMU" else "PCMU"
