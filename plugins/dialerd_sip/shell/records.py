"""Records of the DNS, kept for as long as it says, and a while longer while it is silent (RFC 8767).

Knows nothing of SIP.
"""

from typing import Any, Final

import dns.asyncresolver
import dns.exception
import dns.resolver
import trio
from attrs import frozen
from dns.name import Name

_PATIENCE_S: Final = 5.0  # for an answer, over all servers that can be asked
_ONE_TRY_S: Final = 1.5
_LEAST_S: Final = 1.0  # a TTL of 0 would be a question a call
_LONGEST_S: Final = 3_600.0
_NONE_S: Final = 30.0  # how long "there is none" counts: a name that was just mended is found soon
_STALE_S: Final = 3_600.0  # how long an answer is used after its time
_SILENCE_S: Final = 5.0  # how soon a question that found silence is asked again
_STALE_PATIENCE_S: Final = 1.8  # for an answer where an old one is there (RFC 8767 section 5)
_RECHECK_S: Final = 30.0  # how soon a silent DNS is asked again where old answers are there (RFC 8767 section 5)
_MOST: Final = 4_096


class DnsSilent(Exception):
    """The DNS does not answer, or answers that it cannot; the message says which."""


@frozen
class _Kept:
    """An answer: its records, until when it counts, and until when it serves where there is nothing better."""

    records: tuple[Any, ...]
    until_s: float
    stale_s: float


_Question = tuple[Name, str]


class Records:
    """Asks and remembers.

    Args:
        nameservers: addresses to ask instead of the system's.
        port: their port.
    """

    def __init__(self, nameservers: tuple[str, ...] = (), port: int = 53) -> None:
        self._nameservers = nameservers
        self._port = port
        self._kept: dict[_Question, _Kept] = {}
        self._silent: dict[_Question, tuple[float, str]] = {}
        self._silent_until_s = 0.0
        self._asking: dict[_Question, trio.Event] = {}

    async def ask(self, name: Name, kind: str) -> tuple[Any, ...]:
        """Return the records of a name, in any order; none where there are none.

        Args:
            name: the name. A relative one is also looked for in the system's search domains.
            kind: such as `SRV`.

        Raises:
            DnsSilent: nobody answers, and nothing that was answered lately is known.
        """
        question = name, kind
        while True:
            now = trio.current_time()
            kept = self._kept.get(question)
            if kept is not None and now < kept.until_s:
                return kept.records
            stale = kept is not None and now < kept.stale_s
            if kept is not None and stale and now < self._silent_until_s:
                return kept.records
            silent = self._silent.get(question)
            if silent is not None and now < silent[0]:
                raise DnsSilent(silent[1])
            other = self._asking.get(question)
            if other is not None:
                await other.wait()
                continue
            asking = self._asking[question] = trio.Event()
            try:
                await self._ask(question, _STALE_PATIENCE_S if stale else _PATIENCE_S)
            finally:  # whoever waits looks again, and asks itself where this task was cancelled
                del self._asking[question]
                asking.set()

    async def _ask(self, question: _Question, patience_s: float) -> None:
        for known in (self._kept, self._silent):
            if len(known) >= _MOST:
                known.clear()
        why = f"nothing within {patience_s:.0f} s"
        records: tuple[Any, ...] = ()
        ttl_s = _NONE_S
        with trio.move_on_after(patience_s):
            try:
                answer = await self._resolver().resolve(
                    question[0], question[1], lifetime=patience_s, search=not question[0].is_absolute()
                )
                records = tuple(answer)
                ttl_s = min(max(answer.chaining_result.minimum_ttl, _LEAST_S), _LONGEST_S)
                why = ""
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                why = ""
            except (dns.exception.DNSException, OSError) as error:
                why = str(error) or type(error).__name__
        now = trio.current_time()
        if why:
            self._silent[question] = now + _SILENCE_S, why
            self._silent_until_s = now + _RECHECK_S
        else:
            self._silent.pop(question, None)
            self._silent_until_s = 0.0
            self._kept[question] = _Kept(records, now + ttl_s, now + ttl_s + _STALE_S)

    def _resolver(self) -> dns.asyncresolver.Resolver:
        """Return a resolver; the system's settings are read each time, for networks change."""
        resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
        if self._nameservers:
            resolver.nameservers = list(self._nameservers)
            resolver.port = self._port
        resolver.timeout = _ONE_TRY_S
        return resolver
