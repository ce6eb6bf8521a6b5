"""Digest credentials (RFC 3261 section 22, RFC 7616, RFC 8760): which challenges are answered, how often, with what.

The rule above all others: a password that was refused is not tried again. A carrier counts wrong passwords and locks
the account or the address. So each nonce is answered once per request, and after an answer a new nonce is taken only
where the carrier says that the old one was stale, or where the password is known to be right, because a request went
through with it since.

A request went through when `accepted` is told, or when credentials are asked for anew without a challenge in between.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from attrs import define, evolve, field, frozen

from dialerd_sip.core.digest_text import Challenge, read_challenges, read_params, respond

_MOST_TRIES: Final = 6
"""Answers in a row to challenges of any realm, without one request that went through. A request may pass some proxies
of different realms; a peer that thinks of a new realm each time is not followed for ever."""

_MOST_REMEMBERED: Final = 4
"""Realms whose nonces a trunk keeps."""

_MOST_STALE: Final = 3
"""Remembered nonces in a row that were stale before one was taken: nonces that serve once only are not worth it."""


@frozen(kw_only=True)
class Credentials:
    """What challenges are answered with.

    Args:
        username: user name.
        password: password; never in a repr.
        realm: the only realm that they are for; None = any.
    """

    username: str
    password: str = field(repr=False)
    realm: str | None = None


@define(kw_only=True, eq=False)
class _Live:
    """A challenge in use.

    Args:
        challenge: it.
        cnonce: our nonce for it.
        count: how often it was answered; one count for all calls that share it (RFC 7616, section 3.4: nc).
    """

    challenge: Challenge
    cnonce: str
    count: int = 0


_Key = tuple[bool, str]  # whether a proxy asks, and its realm


class NonceCache:
    """The nonces that a trunk's proxies have taken, so that a call's first INVITE carries credentials already.

    RFC 7616, section 3.4, allows it, and a proxy decides by its nonces. So it is left off where a remembered nonce was
    refused, or was stale some times in a row; calls wait for the challenge then.
    """

    def __init__(self) -> None:
        self._live: dict[_Key, _Live] = {}
        self._stale: dict[_Key, int] = {}
        self._refused: set[_Key] = set()

    def offers(self) -> Iterator[tuple[_Key, _Live]]:
        """Yield what a new call may begin with."""
        yield from self._live.items()

    def took(self, key: _Key, live: _Live, *, at_once: bool) -> None:
        """Remember what went through.

        Args:
            key: who took it.
            live: what was taken.
            at_once: whether it was remembered already, so that no challenge was needed.
        """
        if at_once:
            self._stale.pop(key, None)
        if key in self._refused or (key not in self._live and len(self._live) >= _MOST_REMEMBERED):
            return
        self._live[key] = live

    def refused(self, key: _Key, live: _Live, *, stale: bool) -> None:
        """Forget what did not go through although it was remembered."""
        if self._live.get(key) is live:
            del self._live[key]
        self._stale[key] = self._stale.get(key, 0) + 1
        if not stale or self._stale[key] >= _MOST_STALE:
            self._refused.add(key)


class Authenticator:
    """Answers the challenges of one call or registration; remembers nonces, counts them, and tries each once.

    Args:
        credentials: what with, or None: every challenge is hopeless then.
        cache: nonces that calls of the same trunk share, or None.
        random: makes our nonces.
    """

    __slots__ = ("_cache", "_challenged", "_credentials", "_early", "_hopeless", "_live", "_random", "_tries")

    def __init__(
        self,
        credentials: Credentials | None,
        cache: NonceCache | None = None,
        *,
        random: Callable[[], str] = secrets.token_hex,
    ) -> None:
        self._credentials = credentials
        self._cache = cache
        self._random = random
        self._live: dict[_Key, _Live] = {}
        self._tries: dict[_Key, int] = {}  # answers since the last request that went through
        self._early: dict[_Key, _Live] = {}  # what was sent without being asked
        self._hopeless: set[_Key] = set()
        self._challenged = True  # so that the first request is no proof of anything
        if cache is not None and credentials is not None:
            self._early = {key: live for key, live in cache.offers() if credentials.realm in (None, key[1])}
            self._live.update(self._early)

    def answer(self, status: int, challenges: Sequence[str]) -> bool:
        """Take the challenges of a 401 or 407 and say whether there is any use in sending the request again.

        Of several challenges of one realm the strongest is answered, whatever their order; each realm is answered
        (RFC 3261, section 22.3).

        Args:
            status: 401 or 407.
            challenges: values of all its WWW-Authenticate (401) or Proxy-Authenticate (407) headers.

        Returns:
            False: credentials are missing or for another realm, no algorithm is known, or the same password was
            refused already (a new nonce without `stale=true` after an answer).
        """
        self._challenged = True
        if self._credentials is None:
            return False
        best: dict[_Key, Challenge] = {}
        for challenge in (challenge for value in challenges for challenge in read_challenges(value)):
            key = (status == 407, challenge.realm)
            if self._credentials.realm not in (None, challenge.realm):
                continue
            if key not in best or challenge.strength > best[key].strength:
                best[key] = challenge
        useful = [self._take(key, challenge) for key, challenge in best.items()]
        return bool(useful) and all(useful)

    def headers(self, method: str, uri: str, body: bytes) -> tuple[tuple[str, str], ...]:
        """Return Authorization and Proxy-Authorization headers for a request, from all that is known; nc counted up."""
        if self._credentials is None or not self._live:
            return ()
        if not self._challenged:
            self._tries.clear()
        self._challenged = False
        found = []
        for (proxy, _), live in self._live.items():
            live.count += 1
            value = respond(
                live.challenge,
                username=self._credentials.username,
                password=self._credentials.password,
                method=method,
                uri=uri,
                body=body,
                cnonce=live.cnonce,
                count=live.count,
            )
            found.append(("Proxy-Authorization" if proxy else "Authorization", value))
        return tuple(found)

    def accepted(self, infos: Sequence[str] = ()) -> None:
        """Take it that the last request went through: any answer but 100, 401 and 407.

        Args:
            infos: values of its Authentication-Info headers; a `nextnonce` there is used from now on (RFC 7616,
                section 3.5).
        """
        if self._challenged:
            return
        self._tries.clear()
        following = next((nonce for value in infos if (nonce := read_params(value).get("nextnonce"))), None)
        for key, live in list(self._live.items()):
            used = live
            if following is not None and not key[0] and _is_plain(following) and following != live.challenge.nonce:
                used = _Live(challenge=evolve(live.challenge, nonce=following), cnonce=self._random())
                self._live[key] = used
            if self._cache is not None and live.count:
                self._cache.took(key, used, at_once=self._early.get(key) is live)

    def _take(self, key: _Key, challenge: Challenge) -> bool:
        if key in self._hopeless:
            return False
        early = self._early.pop(key, None)
        if early is not None and self._live.get(key) is early:
            del self._live[key]
            if self._cache is not None and early.count:
                self._cache.refused(key, early, stale=challenge.stale)
        known, tries = self._live.get(key), self._tries.get(key, 0)
        repeated = known is not None and known.challenge.nonce == challenge.nonce
        if repeated or (tries and not (challenge.stale and tries == 1)) or sum(self._tries.values()) >= _MOST_TRIES:
            self._hopeless.add(key)
            self._live.pop(key, None)
            return False
        self._tries[key] = tries + 1
        self._live[key] = _Live(challenge=challenge, cnonce=self._random())
        return True


def _is_plain(nonce: str) -> bool:
    return all(ord(letter) >= 32 for letter in nonce)
