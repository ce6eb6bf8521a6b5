"""How RFC 4475's messages are written down as data (its section 2), and how that is made into bytes.

`<hex>..</hex>` are octets, `<repeat count=n>..</repeat>` is n times what stands in it; lines end in CRLF.
"""

import re


def wire(text: str) -> bytes:
    """Return the bytes of a message; what follows the first line break of the text is the message."""
    data = text.removeprefix("\n").encode()
    data = re.sub(rb"<repeat count=(\d+)>(.*?)</repeat>", lambda found: found[2] * int(found[1]), data)
    data = data.replace(b"\n", b"\r\n")
    return re.sub(rb"<hex>([0-9A-Fa-f]*)</hex>", lambda found: bytes.fromhex(found[1].decode()), data)


def sdp(host: str, start: str = "0", connection: str | None = None) -> str:
    """Return the body that most of the messages have, with the host of its o= and c= lines."""
    return (
        f"v=0\no=mhandley 29739 7272939 IN IP4 {host}\ns=-\nc=IN IP4 {connection or host}\nt={start} 0\n"
        "m=audio 49217 RTP/AVP 0 12\nm=video 3227 RTP/AVP 31\na=rtpmap:31 LPC\n"
    )
