"""From where a session's packets may come, and to where its own go: symmetric RTP (RFC 4961), within a policy.

Far ends behind NAT signal addresses that lead nowhere; their packets tell where they are. Anybody may send packets,
though, and whoever is believed hears the call. So an address is believed by what speaks for it:

- The address that was signalled: at once, whoever was believed before.
- Another port of the signalled host, as NAT makes one: at once, unless a port of that host is believed already. A
  gateway has many calls on one host; what speaks there goes on until it has been silent for a while.
- Any other, as of a far end that signals the private address it has behind its NAT: when some packets of one source
  have come from it in sequence, and only as long as nothing is believed yet, or another such address is believed that
  has been silent for a while. Once the signalled host has been heard, nobody else is believed any more.
- One that spoke to this port in the call before, or after its end: never, unless it is the very one that was signalled.
  (It costs a far end its sound that is behind NAT, comes from the same port as the call before, and gets its port
  before that had its rest; the other way, a phone whose hang-up was lost would hear the next call.)

The far end is where nobody speaks for it: a stranger who sends first, and in sequence, is believed until the signalled
host is heard. `Symmetric.OFF` is for those who want to rule that out.

Knows nothing of sockets.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

Address = tuple[str, int]

PROBATION: Final = 3
"""Packets in sequence after which an address is believed. RFC 3550 section A.1 takes two; one more keeps strays out."""

RELEARN_S: Final = 2.0
"""Silence after which another address may be believed: a hundred packets of 20 ms."""

_CANDIDATES: Final = 64  # on probation at once: whoever keeps the far end out has to send 3,200 packets a second


class Symmetric(StrEnum):
    """What another address than the signalled one is believed for.

    Before anything is signalled, `AUTO` is the rule.
    """

    AUTO = "auto"  # packets in sequence
    ON = "on"  # the first packet of all
    OFF = "off"  # nothing: packets are taken from the signalled host, and go to the signalled address


class Sources:
    """The addresses of one session.

    Args:
        former: addresses that spoke to this port in the call before, or after it.

    Attributes:
        remote: where packets go to, or None.
        believed: where packets are taken from, or None.
        heard_at: when the last was taken, in seconds.
    """

    __slots__ = (
        "_candidates",
        "_connected",
        "_former",
        "_settles_at",
        "_signalled",
        "_symmetric",
        "believed",
        "heard_at",
        "remote",
    )

    def __init__(self, former: Sequence[Address] = ()) -> None:
        self.remote: Address | None = None
        self.believed: Address | None = None
        self.heard_at = 0.0
        self._former = former
        self._symmetric = Symmetric.AUTO
        self._connected = False
        self._signalled: Address | None = None
        # while it is set, a new address was signalled and nothing has come from there; what was believed before is
        # still heard, and may only from this instant on be taken for where the far end is
        self._settles_at: float | None = None
        self._candidates: dict[tuple[Address, int], tuple[int, int]] = {}

    @property
    def settled(self) -> bool:
        """Whether packets from `believed` need not be looked at any more."""
        return self._settles_at is None

    def signal(self, host: str, port: int, now: float, symmetric: Symmetric = Symmetric.AUTO) -> None:
        """Note the address that was signalled.

        Args:
            host: an IP address; of a name, or of the address that means nobody (RFC 3264 section 8.4), nothing is
                sent until packets come.
            port: where RTP goes.
            now: the instant.
            symmetric: what other addresses are believed for.
        """
        self._symmetric = symmetric
        signalled = _address(host, port)
        if self._connected and signalled == self._signalled:
            return
        first, self._connected, self._signalled = not self._connected, True, signalled
        self.remote = signalled or (self.believed if first else None)
        self._candidates.clear()
        if symmetric is Symmetric.OFF and not self._own(self.believed):
            self.believed = None
        if self.believed is not None and self.believed != signalled:
            self._settles_at = now if first else now + RELEARN_S
        else:
            self._settles_at = None

    def accept(self, address: Address, ssrc: int, sequence: int, now: float) -> bool:
        """Return whether a packet is the far end's.

        Args:
            address: where it comes from.
            ssrc: its source.
            sequence: its sequence number.
            now: the instant.
        """
        if address == self.believed:
            self.heard_at = now
            if self._settles_at is None:
                return True
            if now >= self._settles_at and self._passes(address, ssrc, sequence):
                self._believe(address, now)
            return True
        if address == self._signalled or self._may_take_over(address, ssrc, sequence, now):
            self._believe(address, now)
            return True
        return False

    def _may_take_over(self, address: Address, ssrc: int, sequence: int, now: float) -> bool:
        """Return whether a packet has an address believed that was not signalled."""
        if address in self._former:
            return False
        own, trusted = self._own(address), self._own(self.believed)
        if own and not trusted:
            return True
        if not own and (trusted or self._symmetric is Symmetric.OFF):
            return False
        if self.believed is None and self._symmetric is Symmetric.ON:
            return True
        if self.believed is not None and self._settles_at is None and now - self.heard_at <= RELEARN_S:
            return False
        return self._passes(address, ssrc, sequence)

    def _own(self, address: Address | None) -> bool:
        """Return whether an address is the signalled host's."""
        return address is not None and self._signalled is not None and address[0] == self._signalled[0]

    def _believe(self, address: Address, now: float) -> None:
        self.believed, self.heard_at, self._settles_at = address, now, None
        self._candidates.clear()
        if self._connected and self._symmetric is not Symmetric.OFF:
            self.remote = address

    def _passes(self, address: Address, ssrc: int, sequence: int) -> bool:
        """Count a packet of a candidate; return whether it has passed its probation."""
        key = address, ssrc
        found = self._candidates.pop(key, None)
        if found is None:
            if len(self._candidates) >= _CANDIDATES:
                del self._candidates[next(iter(self._candidates))]  # whose last packet is the oldest
            self._candidates[key] = 1, sequence
            return False
        count, last = found
        step = sequence - last & 0xFFFF
        if 0 < step < 0x8000:
            count, last = (count + 1 if step <= 2 else 1), sequence  # one may be lost in between
        self._candidates[key] = count, last
        return count >= PROBATION


def _address(host: str, port: int) -> Address | None:
    written = _written(host) if 0 < port <= 65_535 else None
    return None if written is None else (written, port)


@lru_cache(maxsize=1_024)
def _written(host: str) -> str | None:
    """Return an IP address as a socket writes it; None = it is none, or the one that means nobody."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return None if address.is_unspecified else str(address)
