"""What a hostile peer says that is no mutation: answers, methods, headers, bodies that mean something."""

from typing import Final

from callstage import sdp
from hostile_trace import CHALLENGE

STATUSES: Final = (
    100,
    180,
    180,
    183,
    183,
    199,
    200,
    200,
    200,
    202,
    299,
    300,
    302,
    401,
    401,
    407,
    407,
    404,
    408,
    415,
    420,
    422,
    423,
    480,
    481,
    486,
    487,
    488,
    491,
    500,
    501,
    503,
    503,
    600,
    603,
    699,
)
KIND_STATUSES: Final = (100, 180, 180, 183, 200, 200, 200)
METHODS: Final = (
    "BYE",
    "INVITE",
    "INVITE",
    "ACK",
    "UPDATE",
    "UPDATE",
    "INFO",
    "OPTIONS",
    "NOTIFY",
    "PRACK",
    "CANCEL",
    "REFER",
    "X",
)
EXTRAS: Final = (
    "Require: 100rel\r\nRSeq: {n}",
    "Record-Route: <sip:192.0.2.2;lr>",
    "Record-Route: <sip:192.0.2.9>",
    "Min-SE: {n}",
    "Session-Expires: {n}\r\nSupported: timer",
    "Session-Expires: 90;refresher=uas",
    "Session-Expires: 90;refresher=uac",
    "Allow: UPDATE, INVITE",
    "Retry-After: {n}",
    "Unsupported: timer",
    "Unsupported: 100rel",
    "Reason: Q.850;cause={n}",
    f"WWW-Authenticate: {CHALLENGE}",
    f"Proxy-Authenticate: {CHALLENGE}",
    'Proxy-Authenticate: Digest realm="{n}", nonce="{n}"',
    'Proxy-Authenticate: Digest realm="r", nonce="{n}", stale=true',
    "Contact: <sip:{n}@192.0.2.2>",
    "Min-Expires: {n}",
    "Content-Disposition: session;handling=optional",
    "Supported: timer",
)
BODIES: Final = (b"", b"", sdp(), sdp(7100), sdp(held=True), b"v=0\r\n", b"Signal=5\r\nDuration=100")


def written(
    start: str, *, via: str, from_: str, to: str, call_id: str, cseq: str, extras: list[str], body: bytes
) -> bytes:
    """Return a message as bytes."""
    kind = "application/dtmf-relay" if body.startswith(b"Signal") else "application/sdp"
    lines = [start, f"Via: {via}", f"From: {from_}", f"To: {to}", f"Call-ID: {call_id}", f"CSeq: {cseq}", *extras]
    if body:
        lines.append(f"Content-Type: {kind}")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body
