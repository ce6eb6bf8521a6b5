"""SIP URIs and addresses with a display name (RFC 3261 section 19.1, 20.10). Knows nothing of messages."""

import re
from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct, field

from dialerd_sip.core.bad import BadMessage
from dialerd_sip.core.grammar import KNOWN, KNOWN_LENGTH, number, parameters, quote, unquote

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[^\[\]:;?@<>\",\s]+")
# In a URI neither blanks nor what would end the URI itself (RFC 3261 section 25.1; section 3.1.2.5 of RFC 4475).
NO_URI = re.compile(r"[\x00-\x20<>\"\x7f]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
# What nearly every From and To looks like.
_PLAIN = re.compile(r'(?:"([^"\\<>]*)"|([\w .\-]*?))[ \t]*<([^<>"\s]+)>(?:;tag=([^;=",\s]+))?')
_NO_PARAMS: Mapping[str, str | None] = {}


class Uri(Struct, frozen=True, kw_only=True, gc=False):
    """A SIP, SIPS or tel URI, read tolerantly; `str()` writes it again.

    Args:
        scheme: in small letters.
        user: user part, still escaped, or None; for tel URIs the number, for unknown schemes all behind the colon.
        password: what stands behind the user part's colon, still escaped, or None.
        host: host as written, IPv6 in brackets; for other URIs than SIP ones empty.
        port: or None.
        params: parameters by name in small letters; None = without a value.
        headers: what follows the `?`, or None.
    """

    scheme: str
    user: str | None = None
    password: str | None = None
    host: str = ""
    port: int | None = None
    params: Mapping[str, str | None] = field(default_factory=dict)
    headers: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Uri":
        """Read a URI.

        Raises:
            BadMessage: it is none.
        """
        return _known_uri(text) if len(text) <= KNOWN_LENGTH else cls._read(text)

    @classmethod
    def _read(cls, text: str) -> "Uri":
        scheme, colon, rest = text.partition(":")
        if not colon or not _SCHEME.fullmatch(scheme):
            raise BadMessage("a URI without a scheme", 400)
        if not rest or NO_URI.search(rest):
            raise BadMessage("a URI with a character that none may have", 400)
        scheme = scheme.lower()
        if scheme in ("sip", "sips"):
            return cls._parse_sip(scheme, rest)
        if scheme == "tel":
            subscriber, _, params = rest.partition(";")
            return cls(scheme=scheme, user=subscriber, params=parameters(params))
        return cls(scheme=scheme, user=rest)

    @classmethod
    def _parse_sip(cls, scheme: str, rest: str) -> "Uri":
        user = password = port = headers = None
        userinfo, at, after = rest.partition("@")  # a user part may have ; and ? but no @ (RFC 3261 section 25.1)
        if at:
            user, colon, secret = userinfo.partition(":")
            if not user:
                raise BadMessage("a URI with an empty user part", 400)
            password = secret if colon else None
            rest = after
        found = _HOST.match(rest)
        if not found:
            raise BadMessage("a URI without a host", 400)
        host, rest = found[0], rest[found.end() :]
        if rest.startswith(":"):
            digits = re.match(r":(\d*)", rest)
            assert digits is not None
            port = number(digits[1], 65_535, "the port of a URI")
            rest = rest[digits.end() :]
        rest, question, behind = rest.partition("?")
        if question:
            headers = behind
        if rest and rest[0] != ";":
            raise BadMessage("a URI with something behind its host", 400)
        return cls(
            scheme=scheme,
            user=user,
            password=password,
            host=host,
            port=port,
            params=parameters(rest) if rest else {},
            headers=headers,
        )

    def __str__(self) -> str:
        """Return it as it is written in messages."""
        text = f"{self.scheme}:"
        if self.host:
            if self.user is not None:
                text += self.user + (f":{self.password}" if self.password is not None else "") + "@"
            text += self.host + (f":{self.port}" if self.port is not None else "")
        else:
            text += self.user or ""
        for name, value in self.params.items():
            text += f";{name}" if value is None else f";{name}={value}"
        return text if self.headers is None else f"{text}?{self.headers}"

    @property
    def loose(self) -> bool:
        """Whether it is of a loose router (`;lr`)."""
        return "lr" in self.params


class NameAddr(Struct, frozen=True, kw_only=True, gc=False):
    """A value of From, To, Contact, Route or Record-Route.

    Args:
        display: display name, unquoted, or None.
        uri: the URI as written, without angle brackets.
        params: parameters of the header, names in small letters.
    """

    display: str | None = None
    uri: str
    params: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "NameAddr":
        """Read one value.

        Raises:
            BadMessage: it is none.
        """
        return _known_address(text) if len(text) <= KNOWN_LENGTH else cls._read(text)

    @classmethod
    def _read(cls, text: str) -> "NameAddr":
        plain = _PLAIN.fullmatch(text)
        if plain:
            quoted, bare, uri, tag = plain.groups()
            return cls(display=quoted or bare or None, uri=uri, params={"tag": tag} if tag else _NO_PARAMS)
        return cls._parse_slowly(text.strip(" \t\r\n"))

    @classmethod
    def _parse_slowly(cls, text: str) -> "NameAddr":
        display = None
        if text.startswith('"'):
            found = _QUOTED.match(text)
            if not found:
                raise BadMessage("a display name whose quote is never closed", 400)
            display = unquote(found[0])
            text = text[found.end() :].lstrip()
            if not text.startswith("<"):
                raise BadMessage("a display name without an address", 400)
        opened = text.find("<")
        if opened < 0:
            # Without brackets what follows a semicolon is the header's; ? and , are not allowed (RFC 3261 20.10).
            uri, semicolon, rest = text.partition(";")
            uri = uri.strip()
            if "?" in uri or "," in uri:
                raise BadMessage("an address with ? or , and without brackets", 400)
            rest = semicolon + rest
        else:
            if opened:
                display = text[:opened].strip()
                if any(sign in display for sign in ',;:"'):
                    raise BadMessage("a display name that needs quotes and has none", 400)
            closed = text.find(">", opened)
            if closed < 0:
                raise BadMessage("an address whose bracket is never closed", 400)
            uri, rest = text[opened + 1 : closed].strip(), text[closed + 1 :].strip()
            if rest and rest[0] != ";":
                raise BadMessage("an address with something behind it", 400)
        if not uri or NO_URI.search(uri):
            raise BadMessage("an address without a URI", 400)
        return cls(display=display or None, uri=uri, params=parameters(rest) if rest else _NO_PARAMS)

    def __str__(self) -> str:
        """Return it as it is written in messages."""
        text = f"<{self.uri}>" if not self.display else f"{quote(self.display)} <{self.uri}>"
        for name, value in self.params.items():
            text += f";{name}" if value is None else f";{name}={value}"
        return text

    @property
    def tag(self) -> str | None:
        """Its tag."""
        return self.params.get("tag")


# The addresses of one call come with each of its messages, our own with each call.
_known_uri = lru_cache(maxsize=KNOWN)(Uri._read)
_known_address = lru_cache(maxsize=KNOWN)(NameAddr._read)
