"""Digest challenges as text, and the arithmetic of their answers (RFC 7616, RFC 8760). Knows nothing of retries."""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Final

from attrs import frozen

ALGORITHMS: Final = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
"""hashlib's names by the RFC's, weakest first (RFC 8760, section 2.2)."""

_SESSION: Final = "-SESS"
_LONGEST: Final = 8_192
"""Bytes of a challenge that is read; carriers' have 100 to 300."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(r'\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')
_GAP: Final = re.compile(r"[\s,]*")


@frozen(kw_only=True)
class Challenge:
    """A Digest challenge that can be answered.

    Args:
        realm: its realm, as it stands between the quotes.
        nonce: its nonce, likewise.
        algorithm: its algorithm as written, or None where it names none (MD5 then, RFC 7616 section 3.3).
        hash_name: hashlib's name of the algorithm.
        session: whether it is one of the `-sess` algorithms.
        qop: `auth`, `auth-int`, or None where it names none (RFC 2069's way, RFC 7616 section 3.4.1 before).
        opaque: what is to be given back, or None.
        stale: whether the last answer was right but for its nonce (RFC 7616, section 3.3).
    """

    realm: str
    nonce: str
    algorithm: str | None = None
    hash_name: str = "md5"
    session: bool = False
    qop: str | None = None
    opaque: str | None = None
    stale: bool = False

    @property
    def strength(self) -> int:
        """Rank of its algorithm, the strongest highest."""
        return list(ALGORITHMS.values()).index(self.hash_name)


def read_challenges(value: str) -> Iterator[Challenge]:
    """Yield the challenges of one header value that can be answered; others are passed over.

    That is those of the scheme Digest with realm, nonce, a known algorithm and a known qop.

    Args:
        value: value of a WWW-Authenticate or Proxy-Authenticate header. SIP puts one challenge in each (RFC 3261,
            section 20.44), HTTP allows several; both are read.
    """
    if len(value) > _LONGEST or any(ord(letter) < 32 and letter != "\t" for letter in value):
        return
    for scheme, params in _schemes(value):
        if scheme == "digest" and (challenge := _challenge(params)) is not None:
            yield challenge


def read_params(value: str) -> dict[str, str]:
    """Return the parameters of a value without scheme, such as Authentication-Info's; names in small letters."""
    if len(value) > _LONGEST:
        return {}
    return next((params for _, params in _schemes(f"x {value}")), {})


def respond(
    challenge: Challenge,
    *,
    username: str,
    password: str,
    method: str,
    uri: str,
    body: bytes,
    cnonce: str,
    count: int,
) -> str:
    """Return the value of an Authorization or Proxy-Authorization header (RFC 7616, section 3.4).

    Args:
        challenge: what is answered.
        username, password: the account's.
        method, uri, body: the request's.
        cnonce: our nonce; the same for all answers to one nonce, because of the `-sess` algorithms (section 3.4.2).
        count: how often the nonce was answered, this time included.
    """
    digest = _digest(challenge.hash_name)
    secret = digest(f"{username}:{challenge.realm}:{password}")
    if challenge.session:
        secret = digest(f"{secret}:{challenge.nonce}:{cnonce}")
    asked = f"{method}:{uri}"
    if challenge.qop == "auth-int":
        asked += f":{hashlib.new(challenge.hash_name, body, usedforsecurity=False).hexdigest()}"
    quoted = username.replace("\\", "\\\\").replace('"', '\\"')
    parts = [f'Digest username="{quoted}", realm="{challenge.realm}", nonce="{challenge.nonce}", uri="{uri}"']
    if challenge.qop is not None:
        response = digest(f"{secret}:{challenge.nonce}:{count:08x}:{cnonce}:{challenge.qop}:{digest(asked)}")
        parts.append(f'response="{response}", cnonce="{cnonce}", qop={challenge.qop}, nc={count:08x}')
    else:
        parts.append(f'response="{digest(f"{secret}:{challenge.nonce}:{digest(asked)}")}"')
        if challenge.session:  # the other side cannot compute the session's key without it
            parts.append(f'cnonce="{cnonce}"')
    if challenge.algorithm is not None:
        parts.append(f"algorithm={challenge.algorithm}")
    if challenge.opaque is not None:
        parts.append(f'opaque="{challenge.opaque}"')
    return ", ".join(parts)


def _digest(name: str) -> Callable[[str], str]:
    # a realm or nonce of bytes that are no UTF-8 is hashed as it came, and comes back so
    return lambda text: hashlib.new(name, text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def _schemes(value: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield schemes in small letters with their parameters; stops where nothing can be read any more."""
    scheme, params = None, dict[str, str]()
    at = 0
    while True:
        at = _GAP.match(value, at).end()  # type: ignore[union-attr]  # it matches the empty text too
        token = _TOKEN.match(value, at)
        if token is None:
            break
        at = token.end()
        found = _VALUE.match(value, at)
        if found is not None:
            at = found.end()
            params.setdefault(token[0].lower(), found[2] if found[1] is None else found[1])
            continue
        if scheme is not None:
            yield scheme, params
        scheme, params = token[0].lower(), {}
    if scheme is not None:
        yield scheme, params


def _challenge(params: dict[str, str]) -> Challenge | None:
    realm, nonce = params.get("realm"), params.get("nonce")
    algorithm = params.get("algorithm")
    name = (algorithm or "MD5").upper()
    known = ALGORITHMS.get(name.removesuffix(_SESSION))
    if realm is None or not nonce or known is None:
        return None
    offered = [word.strip().lower() for word in params.get("qop", "").split(",") if word.strip()]
    qop = next((word for word in ("auth", "auth-int") if word in offered), None)
    if offered and qop is None:
        return None
    return Challenge(
        realm=realm,
        nonce=nonce,
        algorithm=algorithm or None,
        hash_name=known,
        session=name.endswith(_SESSION),
        qop=qop,
        opaque=params.get("opaque"),
        stale=params.get("stale", "").lower() == "true",
    )
