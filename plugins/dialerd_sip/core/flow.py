"""Flows: the ways by which messages come and go."""

from enum import StrEnum

from msgspec import Struct


class Transport(StrEnum):
    """Transport of SIP messages."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"

    @property
    def reliable(self) -> bool:
        """Whether the transport itself sees to it that messages arrive (RFC 3261 section 17.1.1.2)."""
        return self is not Transport.UDP


class Flow(Struct, frozen=True, gc=False):
    """Where a message goes to or comes from; hashable, one per peer and transport.

    Args:
        transport: how.
        host: the peer's IP address, without brackets.
        port: the peer's port. Of a connection that the peer opened it is the peer's own, whatever that is.
        name: the name that the peer's certificate must bear; of TLS alone.
    """

    transport: Transport
    host: str
    port: int
    name: str | None = None
