"""Digest authentication from the far end's side (RFC 7616, RFC 8760): challenges, and whether credentials fit."""

import hashlib
import re
from collections.abc import Callable
from typing import Final

from attrs import define, field
from callee_behaviour import Auth

_HASHES: Final[dict[str, Callable[[bytes], str]]] = {
    "MD5": lambda data: hashlib.md5(data).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data).hexdigest(),
}


@define(eq=False)
class Guard:
    """Challenges callers and judges what they show.

    Attributes:
        challenged: how many challenges went out.
        refused: how many credentials did not fit.
        used: with which algorithms those that fitted were made.
    """

    challenged: int = 0
    refused: int = 0
    used: list[str] = field(factory=list)
    _counts: dict[str, int] = field(factory=dict)
    _stale: int = 0

    def challenges(self, auth: Auth, *, stale: bool) -> list[tuple[str, str]]:
        """Return the headers of a challenge."""
        self.challenged += 1
        name = "Proxy-Authenticate" if auth.status == 407 else "WWW-Authenticate"
        headers = []
        for algorithm in auth.algorithms:
            nonce = f"nonce{self.challenged}{algorithm}"
            self._counts[nonce] = 0
            value = f'Digest realm="{auth.realm}", nonce="{nonce}", algorithm={algorithm}'
            value += f', qop="{auth.qop}"' if auth.qop else ""
            headers.append((name, value + (", stale=true" if stale else "")))
        return headers

    def judge(self, auth: Auth, shown: str, method: str, uri: str) -> tuple[bool, bool]:
        """Return whether credentials fit, and whether they do but for a nonce that is too old.

        Args:
            auth: what is asked for.
            shown: value of Authorization or Proxy-Authorization, empty where there is none.
            method, uri: of the request.
        """
        if not shown:
            return False, False
        given = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETERS.findall(shown)}
        if given.get("uri") != uri or not self._fits(auth, given, method):
            self.refused += 1
            return False, False
        count = int(given.get("nc") or "0", 16)
        if self._stale < auth.stale or (auth.qop and count <= self._counts[given["nonce"]]):
            self._stale += 1
            return False, True
        self._counts[given["nonce"]] = count
        self.used.append(given.get("algorithm", "MD5"))
        return True, False

    def _fits(self, auth: Auth, given: dict[str, str], method: str) -> bool:
        algorithm = given.get("algorithm", "MD5")
        nonce = given.get("nonce", "")
        if algorithm not in auth.algorithms or nonce not in self._counts or given.get("realm") != auth.realm:
            return False
        hashed = _HASHES[algorithm.removesuffix("-sess")]
        secret = hashed(f"{auth.username}:{auth.realm}:{auth.password}".encode())
        if algorithm.endswith("-sess"):
            secret = hashed(f"{secret}:{nonce}:{given.get('cnonce', '')}".encode())
        request = hashed(f"{method}:{given['uri']}".encode())
        middle = nonce
        if auth.qop:
            if given.get("qop") != auth.qop or not given.get("cnonce") or len(given.get("nc", "")) != 8:
                return False
            middle = f"{nonce}:{given['nc']}:{given['cnonce']}:{auth.qop}"
        expected = hashed(f"{secret}:{middle}:{request}".encode())
        return given.get("username") == auth.username and given.get("response") == expected


_PARAMETERS: Final = re.compile(r'([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')
