"""SIP messages as plain text, for the scripted callee: heads are split, nothing more is understood than it needs.

Written apart from the user agent under test, so that a mistake of one is not made by both. Knows nothing of sockets.
"""

import re
from typing import Final, Self

from attrs import define, field, frozen

_LONG: Final = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
    "c": "content-type",
    "k": "supported",
    "x": "session-expires",
    "e": "content-encoding",
    "s": "subject",
}
"""Compact forms (RFC 3261 section 7.3.3, RFC 4028 section 4)."""

PHRASES: Final = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    302: "Moved Temporarily",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    422: "Session Interval Too Small",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    503: "Service Unavailable",
    600: "Busy Everywhere",
    603: "Decline",
}


@frozen
class Uri:
    """What the callee reads in a SIP URI."""

    text: str
    user: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a SIP URI, or an address with one in angle brackets; raises ValueError."""
        inner = re.search(r"<([^>]*)>", text)
        text = text.strip() if inner is None else inner[1]
        found = re.match(r"sips?:(?:([^@;?]*)@)?(\[[^]]*\]|[^:;?]+)(?::(\d+))?", text)
        if found is None:
            raise ValueError(f"no SIP URI: {text!r}")
        return cls(text, (found[1] or "").split(";")[0], found[2].strip("[]"), int(found[3] or 5060))


@define(eq=False)
class Message:
    """A request or a response.

    Args:
        start: its first line.
        headers: names in lower case and in their long form, with values, in order.
        body: what follows the head.
    """

    start: str
    headers: list[tuple[str, str]] = field(factory=list)
    body: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a message; raises ValueError where there is none."""
        head, _, body = data.partition(b"\r\n\r\n")
        start, *lines = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "replace")).split("\r\n")
        headers = []
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise ValueError(f"no header: {line!r}")
            name = name.strip().lower()
            headers.append((_LONG.get(name, name), value.strip()))
        message = cls(start, headers, body)
        if start.count(" ") < 2 or not all(message.get(name) for name in ("via", "from", "to", "call-id", "cseq")):
            raise ValueError(f"no SIP message: {start!r}")
        return message

    @property
    def status(self) -> int:
        """The status of a response; 0 where this is a request."""
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """The method, of a response that of its request."""
        return self.get("cseq").split()[1]

    @property
    def uri(self) -> str:
        """The Request-URI."""
        return self.start.split(" ")[1]

    @property
    def number(self) -> int:
        """The number in CSeq."""
        return int(self.get("cseq").split()[0])

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self.get("call-id")

    @property
    def branch(self) -> str:
        """The branch of the topmost Via."""
        return parameter(self.all("via")[0], "branch")

    @property
    def from_tag(self) -> str:
        """The tag of From."""
        return parameter(self.get("from"), "tag")

    @property
    def to_tag(self) -> str:
        """The tag of To, empty where there is none."""
        return parameter(self.get("to"), "tag")

    def get(self, name: str) -> str:
        """Return the value of the first header of a name, empty where there is none."""
        return next((value for known, value in self.headers if known == name), "")

    def all(self, name: str) -> list[str]:
        """Return all values of a header that may be a list, in order."""
        return [part for known, value in self.headers if known == name for part in split(value)]

    def tokens(self, name: str) -> set[str]:
        """Return the values of a header that lists tokens, in lower case."""
        return {value.lower() for value in self.all(name)}

    def key(self) -> tuple[str, str, str]:
        """Return what tells the server transaction (RFC 3261 section 17.2.3)."""
        sent_by = self.all("via")[0].split(";")[0].split()[-1]
        return self.branch, sent_by, "INVITE" if self.method == "ACK" else self.method


def parameter(value: str, name: str) -> str:
    """Return a parameter of a header's value that stands behind its address; empty where there is none."""
    found = re.search(rf";\s*{name}\s*=\s*\"?([^;,\s\"]+)", value.rpartition(">")[2], re.IGNORECASE)
    return found[1] if found else ""


def split(value: str) -> list[str]:
    """Split a list at the commas that stand neither in quotes nor in angle brackets."""
    return [part.strip() for part in re.findall(r'(?:"(?:\\.|[^"\\])*"|<[^>]*>|[^,"<])+', value) if part.strip()]


def write(start: str, headers: list[tuple[str, str]], body: bytes = b"") -> bytes:
    """Write a message; Content-Length, and Content-Type of a body, are put behind the headers."""
    lines = [start, *(f"{name}: {value}" for name, value in headers)]
    if body and not any(name.lower() == "content-type" for name, _ in headers):
        lines.append("Content-Type: application/sdp")
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def answered(via: str, source: tuple[str, int]) -> tuple[str, tuple[str, int]]:
    """Return the topmost Via of an answer, and where the answer goes (RFC 3261 section 18.2, RFC 3581 section 4)."""
    host, _, port = via.partition(";")[0].split()[-1].partition(":")
    if re.search(r";\s*rport\s*(;|$)", via, re.IGNORECASE):
        via = re.sub(r";\s*rport\s*(?=;|$)", f";rport={source[1]}", via, flags=re.IGNORECASE)
        return f"{via};received={source[0]}", source
    if host != source[0]:
        via = f"{via};received={source[0]}"
    return via, (source[0], int(port or 5060))
