"""A listening TCP socket, and why there may be none. Knows nothing of HTTP."""

import errno
import socket
from typing import Final

from dialerd.api.sockets import BACKLOG, Listener
from dialerd.model.address import TcpAddress
from dialerd.model.errors import DialerdError

_WHY: Final = {
    errno.EADDRINUSE: "another process listens there; stop it (ss -ltnp tells which it is), or name another port",
    errno.EACCES: "this user may not use ports that low; name one from 1024 on",
    errno.EADDRNOTAVAIL: "this machine has no such address; name one that it has (ip address), such as 127.0.0.1",
    errno.EAFNOSUPPORT: "this machine has no IPv6; name an IPv4 address, such as 127.0.0.1",
}


def listen_tcp(address: TcpAddress, *, setting: str) -> Listener:
    """Listen on a port.

    Args:
        address: where; with port 0 the listener's `path` tells which was free.
        setting: the setting that names it, for errors.

    Raises:
        DialerdError: that cannot be; the message says what to do.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _refused(address, setting, error) from error
    try:
        # connections of a former life that linger are no reason to refuse the port; one who listens there still is
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # connections inherit it: an answer goes in one write, and nothing is to be waited for
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # what is said, and no more
        listening.bind(place)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise _refused(address, setting, error) from error
    host, port = listening.getsockname()[:2]
    return Listener(listening, str(TcpAddress(host=host, port=port)), read_only=False)


def _refused(address: TcpAddress, setting: str, error: OSError) -> DialerdError:
    why = _WHY.get(error.errno or 0, f"{error.strerror}; name another place")
    return DialerdError(f"nobody can listen on {address}: {why} in {setting}")
