"""Where something listens, as the settings write it: an address and a port, or the path of a Unix socket.

Knows nothing of sockets.
"""

from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from pathlib import Path

from attrs import frozen

_FORM = '"127.0.0.1:8095", "[::1]:8095", or the path of a Unix socket such as "/run/dialerd/callbacks.sock"'
_HIGHEST = 65_535


@frozen(kw_only=True)
class TcpAddress:
    """A port of an address of this machine.

    Args:
        host: IPv4 or IPv6 address, without brackets.
        port: 0 = any that is free.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)


def read_address(text: str) -> TcpAddress | Path:
    """Return where `text` says to listen; what has a slash in it is a path.

    Args:
        text: an address with its port, or a path.

    Raises:
        ValueError: it is neither; the message says what to write.
    """
    if "/" in text:
        return Path(text)
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise ValueError(f"must be {_FORM}")
    bracketed = host.startswith("[") and host.endswith("]")
    if not bracketed and ":" in host:
        raise ValueError("must have an IPv6 address in brackets, and a port behind it: [::1]:8095")
    try:
        ip = IPv6Address(host[1:-1]) if bracketed else IPv4Address(host)
    except AddressValueError:
        raise ValueError(f"must have an IP address of this machine, no name: {_FORM}") from None
    # int() takes signs, spaces and underscores, and digits of other scripts
    if not (port.isascii() and port.isdecimal() and len(port) <= len(str(_HIGHEST)) and int(port) <= _HIGHEST):
        raise ValueError(f"must have a port from 1 to {_HIGHEST} behind its last colon: {_FORM}")
    return TcpAddress(host=str(ip), port=int(port))


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine itself, RFC 6761, section 6.3, for the name.

    Args:
        host: a name, or an IP address without brackets.
    """
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
