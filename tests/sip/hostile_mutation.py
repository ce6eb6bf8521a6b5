"""What a hostile peer does to a message before it sends it: at its bytes, its lines, its headers and its numbers.

All chance comes from one `Random`, so that a seed tells the whole story.
"""

import re
from collections.abc import Callable
from random import Random
from typing import Final

NUMBERS: Final = (
    b"0", b"-1", b"1", b"255", b"256", b"65535", b"65536", b"2147483647", b"2147483648", b"4294967295", b"4294967296",
    b"9" * 20, b"9" * 5_000, b"00000000000000000001", b"1e9", b"0x10", b"", "١٢".encode(), "²".encode(), b"3.5", b"nan",
)  # fmt: skip
"""Numbers at which parsers break: ends of ranges, too many digits, digits that are none."""

PIECES: Final = (
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n ",
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b'"',
    b'\\"',
    b"<",
    b">",
    b"<<",
    b",",
    b";",
    b";;",
    b"=",
    b"%00",
    b"%zz",
    b"@",
    b":",
    b"[",
    b"]",
    b"[::1]",
    b"sip:",
    b";lr",
    b";tag=",
    b";tag=a;tag=b",
    b";branch=",
    b";rport",
    b"*",
    b" ",
    b"\t",
    b"\xe2\x80\xa8",
    b"\xc2\x85",
    b"'",
    b"(",
    b")",
    b"z9hG4bK",
    b"SIP/2.0",
    b"Digest",
    b"realm=",
    b"m=audio 0",
    b"a=rtpmap:0 ",
    b"c=IN IP6 ::",
    b"--",
    b"0" * 300,
    b"a," * 200,
    b"(" * 400,
    b";a" * 300,
    b"\r\n\r\n",
)
"""What means something to a parser, where it is not expected."""

HEADERS: Final = (
    b"Via: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKother",
    b"Via: ,",
    b"From: <",
    b"To: <sip:a@b>;tag=",
    b"CSeq: 1",
    b"CSeq: x INVITE",
    b"Call-ID:",
    b"Contact: *",
    b'Contact: "<',
    b"Contact: <sip:[::]:0>",
    b"Contact: <sip:far@192.0.2.2:65535;transport=tcp>",
    b"Contact: <sip:" + b"a" * 20_000 + b"@192.0.2.2>",
    b"Record-Route: <",
    b'Record-Route: "',
    b"Record-Route: <sip:x>,<sip:y;lr>",
    b"Record-Route: <tel:1>",
    b"Record-Route: <sip:192.0.2.88;lr>",
    b"Route: <sip:x;lr>",
    b'Reason: Q.850;text="',
    b'Reason: "',
    b'Reason: SIP;text="a,b',
    b'Record-Route: "a, <sip:x',
    b'Contact: "a, <sip:x@y>',
    b'Require: "a,b',
    b'Allow: "a,b',
    b'Supported: "a,b',
    b'Unsupported: "a,b',
    b'Proxy-Authenticate: "a,b',
    b"Reason: SIP;cause=200",
    b"Reason: <",
    b"Session-Expires: 0",
    b"Session-Expires: 1;refresher=uas",
    b"Session-Expires: x",
    b"Session-Expires: 99999999999",
    b"Session-Expires: 90;refresher=uac",
    b"Min-SE: 4294967295",
    b"Min-SE: -1",
    b"Min-SE: 91",
    b"Require: 100rel",
    b"Require: x",
    b'Require: "',
    b"RSeq: 1",
    b"RSeq: 4294967295",
    b"RSeq: -1",
    b"RAck: 1",
    b"Retry-After: 9999999999",
    b"Retry-After: (x",
    b"Supported: timer, 100rel",
    b'Allow: "',
    b"Allow: UPDATE",
    b"Allow: INVITE, ACK, BYE",
    b"Warning: x",
    b"WWW-Authenticate: Digest",
    b'WWW-Authenticate: Digest realm="a", nonce="b", qop="auth-int,,auth", algorithm=SHA-256',
    b'Proxy-Authenticate: Digest realm="a", nonce="\xff", stale=true',
    b'Proxy-Authenticate: Digest realm="',
    b"Proxy-Authenticate: x",
    b'Proxy-Authenticate: Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth"',
    b'Authentication-Info: nextnonce="',
    b"Content-Type: multipart/mixed;boundary=",
    b"Content-Type: multipart/mixed;boundary=x",
    b"Content-Type: /",
    b"Content-Type: application/sdp",
    b"Content-Length: 0",
    b"Content-Length: 99999",
    b"Content-Length: -1",
    b"Content-Encoding: gzip",
    b"Max-Forwards: 0",
    b"Max-Forwards: x",
    b"Unsupported: timer, 100rel",
    b"Unsupported: ,",
    b"Min-Expires: 99999999999",
    b"Min-Expires: 3600",
    b"Expires: 0",
    b"Expires: 1",
    b"Expires: 99999999999",
    b"X: y",
    b" folded",
    b":",
    b"no header",
    b"P-Early-Media: x",
    b"Event: x",
    b"Info-Package: x",
    b"Content-Type: application/dtmf-relay",
    b"Timestamp: x",
)
"""Headers that are put in."""

_NUMBER: Final = re.compile(rb"\d+")


def _byte(data: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    kind = chance.randrange(4)
    if kind == 0:
        return data[:at] + bytes((chance.randrange(256),)) + data[at + 1 :]
    if kind == 1:
        return data[:at] + data[at + chance.choice((1, 1, 2, 7, 40)) :]
    if kind == 2:
        return data[:at] + chance.choice(PIECES) + data[at:]
    end = at + chance.randrange(1, 30)
    return data[:end] + data[at:]


def _line(data: bytes, chance: Random) -> bytes:
    lines = data.split(b"\r\n")
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    kind = chance.randrange(6)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(other, lines[at])
    elif kind == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 3:
        lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
    elif kind == 4:
        lines[at] = lines[at].swapcase()
    else:
        lines[at : at + 1] = [lines[at]] * chance.choice((2, 3, 50, 300))
    return chance.choice((b"\r\n",) * 8 + (b"\n", b"\r")).join(lines)


def _header(data: bytes, chance: Random) -> bytes:
    head, gap, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    new = chance.choice(HEADERS)
    if chance.random() < 0.5:
        name = new.partition(b":")[0].lower()
        lines = [line for line in lines if line.partition(b":")[0].lower() != name]
    lines.insert(chance.randint(min(1, len(lines)), len(lines)), new)
    return b"\r\n".join(lines) + gap + body


def _number(data: bytes, chance: Random) -> bytes:
    found = list(_NUMBER.finditer(data))
    if not found:
        return data
    one = chance.choice(found)
    return data[: one.start()] + chance.choice(NUMBERS) + data[one.end() :]


def _cut(data: bytes, chance: Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


_WAYS: Final[tuple[Callable[[bytes, Random], bytes], ...]] = (
    _byte, _byte, _line, _header, _header, _header, _number, _number, _cut
)  # fmt: skip


def mutated(data: bytes, chance: Random) -> bytes:
    """Return a message changed in one to a few ways; a datagram's size at the most."""
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        data = chance.choice(_WAYS)(data, chance) or b"\r\n"
    return data[:65_507]


def seasoned(data: bytes, chance: Random) -> bytes:
    """Return a message with a header more or another number: one that is mostly still what it was."""
    return chance.choice((_header, _header, _number))(data, chance)[:65_507]
