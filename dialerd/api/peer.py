"""Who is at the other end of a socket, as the kernel says it. Knows nothing of HTTP."""

import socket
import struct
from typing import Final

from attrs import frozen

_UCRED: Final = struct.Struct("iII")  # struct ucred: unix(7), SO_PEERCRED


@frozen(kw_only=True)
class Peer:
    """The process that connected to a Unix socket, as it was at that moment.

    Args:
        pid: its id; it may have ended since, and another have got the id. 0 = of another pid namespace.
        uid: its effective user; 65534 where this process's user namespace does not know it.
        gid: its effective group.
    """

    pid: int
    uid: int
    gid: int


def peer_of(connection: socket.socket) -> Peer | None:
    """Return who is at the other end of a Unix socket, which the client cannot make up; None = it came by TCP.

    Raises:
        OSError: the socket is not connected.
    """
    if connection.family != socket.AF_UNIX:
        return None
    pid, uid, gid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Peer(pid=pid, uid=uid, gid=gid)
