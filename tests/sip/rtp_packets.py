"""RTP packets as a far end writes them (RFC 3550 section 5.1), apart from `dialerd_sip`."""

import struct


def build(
    payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, *, marker: bool = False
) -> bytes:
    """Return a packet; numbers are taken modulo their fields."""
    kind = payload_type & 0x7F | (0x80 if marker else 0)
    return struct.pack("!BBHII", 0x80, kind, sequence & 0xFFFF, timestamp & 0xFFFF_FFFF, ssrc & 0xFFFF_FFFF) + payload
