"""The way to the journal: its native protocol, and what is done when it is full or not there.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL/. Knows nothing of what an entry holds.
"""

import errno
import fcntl
import os
import socket
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

from dialerd.daemon.entry import Entry

SOCKET: Final = Path("/run/systemd/journal/socket")
_SEND_BUFFER: Final = 8 << 20  # bytes; the protocol advises to ask for much, and the kernel gives what is allowed
_FULL: Final = (errno.EAGAIN, errno.ENOBUFS)
_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def is_journal(stream: TextIO) -> bool:
    """Say whether what is written to `stream` goes to the journal, by $JOURNAL_STREAM of systemd.exec(5)."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file behind it, or none any more
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class JournalWay:
    """The journal's socket. Where it does not answer, entries go another way, and each asks for it anew.

    Args:
        path: the socket.
        other: takes an entry that the journal cannot be given.
    """

    def __init__(self, path: Path, other: Callable[[Entry], None]) -> None:
        self._path = str(path)
        self._other = other
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        weakref.finalize(self, self._socket.close).atexit = False  # what waits is sent at the exit
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

    def send(self, item: Entry) -> None:
        """Send an entry.

        Raises:
            OSError: the journal has no room for it at present.
        """
        try:
            self._socket.send(item.payload)
        except OSError as error:
            if error.errno in _FULL:
                raise
            self._send_anew(item)

    def _send_anew(self, item: Entry) -> None:
        """Connect, as is to be done at first and when the journal has a new socket, and send the entry."""
        try:
            self._socket.connect(self._path)
            try:
                self._socket.send(item.payload)
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise
                self._send_sealed(item.payload)
        except OSError as error:
            if error.errno in _FULL:
                raise
            self._other(item)

    def _send_sealed(self, payload: bytes) -> None:
        """Send what is too long for a datagram as a file in memory that nobody can change any more."""
        fd = os.memfd_create("dialerd-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with open(fd, "wb") as file:
            file.write(payload)
            file.flush()
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
            socket.send_fds(self._socket, [b""], [fd])
