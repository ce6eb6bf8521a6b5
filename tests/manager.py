"""A service manager's end of the wire: a real datagram socket that keeps what it is told."""

import socket
from pathlib import Path


class Listener:
    """Listens where NOTIFY_SOCKET points.

    Args:
        address: a path, or @ and a name in the abstract namespace.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    @classmethod
    def below(cls, directory: Path) -> "Listener":
        """Listen on a socket in a directory."""
        return cls(str(directory / "notify"))

    def heard(self) -> list[list[str]]:
        """Return the lines of each message that came since the last look, in order."""
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(65_536).decode().split("\n"))
            except BlockingIOError:
                return messages

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()
