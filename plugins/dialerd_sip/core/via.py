"""Via and CSeq: what answers and requests are matched by (RFC 3261 sections 20.42, 20.16). Knows no message."""

import re
from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.grammar import KNOWN, KNOWN_LENGTH, TOKEN, number, parameters

_VIA = re.compile(
    r"SIP[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*([A-Za-z0-9\-.!%*_+`'~]+)[ \t]+"
    r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.\-]+)(?:[ \t]*:[ \t]*(\d+))?[ \t]*(;.*)?",
    re.IGNORECASE | re.DOTALL,
)
# What nearly every Via looks like; the others are read part by part.
_PLAIN = re.compile(
    r"SIP/2\.0/([A-Z]+) ([A-Za-z0-9_.\-]+)(?::([0-9]{1,5}))?"
    r";branch=([^;=\",\s]+)(?:;(?!branch)([a-z]+)(?:=([^;=\",\s]+))?)?"
)
COOKIE = "z9hG4bK"  # RFC 3261 section 8.1.1.7
LARGEST_CSEQ = 2**31 - 1  # RFC 3261 section 8.1.1.5: less than 2**31


class Via(Struct, frozen=True, gc=False):
    """A Via value: transport in capitals, sent-by host and port, parameters (`branch`, `received`, `rport`)."""

    transport: str
    host: str
    port: int | None
    params: Mapping[str, str | None]

    @classmethod
    def parse(cls, text: str) -> "Via":
        """Read one value.

        Raises:
            BadMessage: it is none.
        """
        return _known_via(text) if len(text) <= KNOWN_LENGTH else _read_via(text)

    def __str__(self) -> str:
        """Return it as it is written in messages."""
        text = f"SIP/2.0/{self.transport} {self.host}" + (f":{self.port}" if self.port is not None else "")
        for name, value in self.params.items():
            text += f";{name}" if value is None else f";{name}={value}"
        return text

    @property
    def branch(self) -> str | None:
        """Its branch."""
        return self.params.get("branch")

    @property
    def unique(self) -> bool:
        """Whether its branch alone identifies a transaction (RFC 3261 section 8.1.1.7; RFC 4475 section 3.2.1)."""
        branch = self.params.get("branch") or ""
        return len(branch) > len(COOKIE) and branch[: len(COOKIE)].lower() == COOKIE.lower()


def _read_via(text: str) -> Via:
    plain = _PLAIN.fullmatch(text)
    if plain:
        transport, host, port, branch, name, value = plain.groups()
        params = {"branch": branch} if name is None else {"branch": branch, name: value}
        return Via(transport, host, None if port is None else number(port, 65_535, "the port of a Via"), params)
    found = _VIA.fullmatch(text)
    if not found:
        raise BadMessage("a Via that cannot be read", 400)
    transport, host, port, rest = found.groups()
    return Via(
        transport.upper(),
        host,
        None if port is None else number(port, 65_535, "the port of a Via"),
        parameters(rest) if rest else {},
    )


_known_via = lru_cache(maxsize=KNOWN)(_read_via)  # all answers to a request have the same


class CSeq(Struct, frozen=True, gc=False):
    """A CSeq value."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> "CSeq":
        """Read it.

        Raises:
            BadMessage: it is none, or its number is too large.
        """
        return _cseq(text)

    def __str__(self) -> str:
        """Return it as it is written in messages."""
        return f"{self.number} {self.method}"


@lru_cache(maxsize=512)  # the same few are read again and again
def _cseq(text: str) -> CSeq:
    parts = text.split()
    if len(parts) != 2 or not TOKEN.fullmatch(parts[1]):
        raise BadMessage("a CSeq that cannot be read", 400)
    return CSeq(number(parts[0], LARGEST_CSEQ, "the number of CSeq"), parts[1])
