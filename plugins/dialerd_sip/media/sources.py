"""From where a session's packets may come, and to where its own go: symmetric RTP (RFC 4961), within a policy.

Far ends behind NAT signal addresses that lead nowhere; their packets tell where they are. Anybody may send packets,
though, and whoever is believed hears the call. So:

- The address that was signalled is believed at once.
- Another is believed when some packets of one source have come from it in sequence, and only as long as nothing is
  believed yet, or what was believed has been silent for a while.
- Once an address is believed, packets from others are strangers, however many come, until it falls silent, or another
  address is signalled.

Knows nothing of sockets.
"""

from functools import lru_cache
from ipaddress import ip_address
from typing import Final

Address = tuple[str, int]

PROBATION: Final = 3
"""Packets in sequence after which an address is believed. RFC 3550 section A.1 takes two; one more keeps strays out."""

RELEARN_S: Final = 2.0
"""Silence after which another address may be believed: a hundred packets of 20 ms."""

_CANDIDATES: Final = 64  # on probation at once: whoever keeps the far end out has to send 3,200 packets a second


class Sources:
    """The addresses of one session.

    Attributes:
        remote: where packets go to, or None.
        believed: where packets are taken from, or None.
        heard_at: when the last was taken, in seconds.
    """

    __slots__ = ("_candidates", "_connected", "_settles_at", "_signalled", "believed", "heard_at", "remote")

    def __init__(self) -> None:
        self.remote: Address | None = None
        self.believed: Address | None = None
        self.heard_at = 0.0
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

    def signal(self, host: str, port: int, now: float) -> None:
        """Note the address that was signalled.

        Args:
            host: an IP address; of a name, or of the address that means nobody (RFC 3264 section 8.4), nothing is
                sent until packets come.
            port: where RTP goes.
            now: the instant.
        """
        signalled = _address(host, port)
        if self._connected and signalled == self._signalled:
            return
        first, self._connected, self._signalled = not self._connected, True, signalled
        self.remote = signalled or (self.believed if first else None)
        self._candidates.clear()
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
        if address == self._signalled:
            if self.believed is None or self._settles_at is not None or now - self.heard_at > RELEARN_S:
                self._believe(address, now)
                return True
            return False
        if self.believed is not None and self._settles_at is None and now - self.heard_at <= RELEARN_S:
            return False
        if not self._passes(address, ssrc, sequence):
            return False
        self._believe(address, now)
        return True

    def _believe(self, address: Address, now: float) -> None:
        self.believed, self.heard_at, self._settles_at = address, now, None
        self._candidates.clear()
        if self._connected:
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
