"""RTCP: reports about what was sent and received (RFC 3550 section 6).

Reports are always compound, with a CNAME, as section 6.1 wants it. Knows nothing of sockets and sessions.
"""

import struct
from collections.abc import Iterator
from random import Random
from typing import Final

from attrs import frozen

INTERVAL_S: Final = 5.0
"""The least interval between reports of two parties (RFC 3550 section 6.2), before it is spread."""

_SR: Final = 200
_RR: Final = 201
_SDES: Final = 202
_BYE: Final = 203
_RECEIVER: Final = struct.Struct("!BBHI")  # the head of all parts, with its words after the first, and a source
_SENDER: Final = struct.Struct("!BBHIIIIII")
_BLOCK: Final = struct.Struct("!IIIIII")
_ITEM: Final = struct.Struct("!BBHIBB")
_NTP_SHIFT: Final = 2_208_988_800  # seconds from 1900 to 1970 (RFC 5905 section 6)


@frozen(kw_only=True)
class Block:
    """What one party received of a source (section 6.4.1).

    Args:
        ssrc: the source.
        fraction_lost: in 256ths, since the report before.
        lost: packets, since the beginning.
        highest: highest sequence number, extended.
        jitter: in timestamp units.
        last_report: the middle 32 bits of the NTP time of its last sender report; 0 = none came.
        since_last_report: time since then, in 65,536ths of a second.
    """

    ssrc: int
    fraction_lost: int = 0
    lost: int = 0
    highest: int = 0
    jitter: int = 0
    last_report: int = 0
    since_last_report: int = 0


@frozen(kw_only=True)
class Sent:
    """What a sender report tells of its sender (section 6.4.1).

    Args:
        unix_s: when the report was made.
        timestamp: the same instant on the stream's clock.
        packets: packets sent.
        octets: bytes of payload sent.
    """

    unix_s: float
    timestamp: int
    packets: int
    octets: int


@frozen(kw_only=True)
class Report:
    """One part of a compound packet that matters here.

    Args:
        ssrc: who sends it.
        ntp_middle: the middle 32 bits of the NTP time of a sender report; None = it is no sender report.
        blocks: what the sender received of others.
        bye: whether the sender leaves.
    """

    ssrc: int
    ntp_middle: int | None = None
    blocks: tuple[Block, ...] = ()
    bye: bool = False


def spread(random: Random) -> float:
    """Return the seconds until the next report: spread so that reports of many do not fall together (section 6.3.1)."""
    return INTERVAL_S * random.uniform(0.5, 1.5)


def build(ssrc: int, cname: bytes, *, sent: Sent | None = None, block: Block | None = None, bye: bool = False) -> bytes:
    """Return a compound packet: a report (of a sender where `sent` is given), a CNAME, and BYE where we leave.

    Args:
        ssrc: our source.
        cname: our canonical name (section 6.5.1), of at most 255 bytes.
        sent: what we sent, or None.
        block: what we received, or None.
        bye: whether we leave.
    """
    blocks = 0 if block is None else 1
    if sent is None:
        packet = _RECEIVER.pack(0x80 | blocks, _RR, 1 + 6 * blocks, ssrc)
    else:
        whole = int(sent.unix_s)
        packet = _SENDER.pack(
            0x80 | blocks,
            _SR,
            6 + 6 * blocks,
            ssrc,
            whole + _NTP_SHIFT & 0xFFFF_FFFF,
            int((sent.unix_s - whole) * (1 << 32)),
            sent.timestamp & 0xFFFF_FFFF,
            sent.packets & 0xFFFF_FFFF,
            sent.octets & 0xFFFF_FFFF,
        )
    if block is not None:
        packet += _BLOCK.pack(
            block.ssrc,
            block.fraction_lost << 24 | min(block.lost, 0x7F_FFFF),
            block.highest,
            block.jitter & 0xFFFF_FFFF,
            block.last_report,
            block.since_last_report & 0xFFFF_FFFF,
        )
    # a CNAME is item 1; at least one zero ends the list of items, which fills words
    words = (6 + len(cname)) // 4 + 1
    packet += _ITEM.pack(0x81, _SDES, words, ssrc, 1, len(cname)) + cname + bytes(4 * words - 6 - len(cname))
    return packet + _RECEIVER.pack(0x81, _BYE, 1, ssrc) if bye else packet


def parse(data: bytes) -> tuple[Report, ...] | None:
    """Return the reports of a compound packet; None = it is none by the checks of RFC 3550 section A.2."""
    if len(data) < 8 or data[0] >> 6 != 2 or data[0] & 0x20 or data[1] not in (_SR, _RR):
        return None
    reports = []
    for kind, count, body in _parts(data):
        if kind in (_SR, _RR):
            report = _report(kind, count, body)
            if report is None:
                return None
            reports.append(report)
        elif kind == _BYE and count and len(body) >= 4:
            reports.append(Report(ssrc=int.from_bytes(body[:4], "big"), bye=True))
    return tuple(reports)


def _parts(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        flags, kind, words = struct.unpack_from("!BBH", data, at)
        end = at + 4 + 4 * words
        if flags >> 6 != 2 or end > len(data):
            return
        yield kind, flags & 0x1F, data[at + 4 : end]
        at = end


def _report(kind: int, count: int, body: bytes) -> Report | None:
    start = 24 if kind == _SR else 4
    if len(body) < start + 24 * count:
        return None
    blocks = []
    for at in range(start, start + 24 * count, 24):
        ssrc, loss, highest, jitter, last, since = _BLOCK.unpack_from(body, at)
        block = Block(
            ssrc=ssrc,
            fraction_lost=loss >> 24,
            lost=loss & 0xFF_FFFF,
            highest=highest,
            jitter=jitter,
            last_report=last,
            since_last_report=since,
        )
        blocks.append(block)
    middle = int.from_bytes(body[6:10], "big") if kind == _SR else None
    return Report(ssrc=int.from_bytes(body[:4], "big"), ntp_middle=middle, blocks=tuple(blocks))
