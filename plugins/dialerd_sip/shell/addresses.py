"""Addresses of this machine: what a bind says, and which one a peer sees. Knows nothing of SIP messages."""

import socket
from ipaddress import ip_address
from typing import Final

import trio

from dialerd_sip.shell.errors import BindError, FlowError

SIP_PORT: Final = 5060
"""Where no port is named (RFC 3261 section 19.1.2)."""

_ROUTE_KNOWN_S: Final = 60.0  # routes change with the network, and asking costs a few microseconds
_MOST_ROUTES: Final = 4_096

Address = tuple[str, int] | tuple[str, int, int, int]


def parse_bind(bind: str) -> tuple[str, int]:
    """Return the host, without brackets, and the port of a bind address; port 0 lets the system choose one.

    Args:
        bind: `192.0.2.1:5060`, `[2001:db8::1]:5060`, or without port.

    Raises:
        BindError: it is no IP address with a port.
    """
    host, port = bind, SIP_PORT
    if bind.startswith("["):
        host, closed, rest = bind[1:].partition("]")
        if not closed:
            host = ""
        if rest:
            port = _port(bind, rest.removeprefix(":"))
    elif bind.count(":") == 1:
        host, _, text = bind.partition(":")
        port = _port(bind, text)
    try:
        ip_address(host)
    except ValueError:
        raise BindError(f"{bind!r} is no IP address of this machine with a port: correct bind") from None
    return host, port


def _port(bind: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise BindError(f"{bind!r} has no usable port: correct bind")
    return int(text)


class Routes:
    """Which address of this machine a peer sees.

    Args:
        host: address that is bound to; the unspecified one means that the machine's routes decide.
    """

    def __init__(self, host: str) -> None:
        address = ip_address(host)
        self.family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        self._fixed = None if address.is_unspecified else host
        self._known: dict[str, tuple[str, float]] = {}

    @property
    def source(self) -> str | None:
        """The address that everything leaves from, or None where the routes decide."""
        return self._fixed

    def reaches(self, host: str) -> bool:
        """Tell whether a peer's address is of the same family as the bind."""
        return (":" in host) == (self.family == socket.AF_INET6)

    def towards(self, host: str) -> str:
        """Return our address as seen from a peer, without brackets.

        Args:
            host: the peer's address.

        Raises:
            FlowError: no route leads there.
        """
        if not self.reaches(host):
            kind = "IPv6" if ":" in host else "IPv4"
            raise FlowError(f"{host} is an {kind} address, and this trunk's bind is not: give it one that is")
        if self._fixed is not None:
            return self._fixed
        now = trio.current_time()
        known = self._known.get(host)
        if known is not None and now < known[1]:
            return known[0]
        with socket.socket(self.family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((host, SIP_PORT))  # asks the routing table; nothing is sent
            except OSError as error:
                raise FlowError(f"no route leads to {host}: {error.strerror}") from error
            ours: str = probe.getsockname()[0]
        if len(self._known) >= _MOST_ROUTES:
            self._known.clear()
        self._known[host] = (ours, now + _ROUTE_KNOWN_S)
        return ours
