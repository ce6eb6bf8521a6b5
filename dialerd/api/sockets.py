"""The Unix sockets that the daemon listens on: where they lie, who may connect, and that no other daemon's is taken.

Knows nothing of HTTP. Sockets that systemd has made are `dialerd.api.activation`'s.
"""

import contextlib
import errno
import fcntl
import grp
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import trio

from dialerd.model.errors import DialerdError
from dialerd.model.settings import Settings

LONGEST: Final = 107
"""Bytes of a socket's path: sun_path of unix(7) less the zero at its end."""

MODE: Final = 0o660
"""Who may connect: the user and the group of the daemon."""

API: Final = "[daemon] socket or [api] read_socket"
BACKLOG: Final = 1024
"""Clients that wait to be let in; the kernel holds no more than net.core.somaxconn."""


class Listener:
    """A listening socket.

    Args:
        listening: the socket, which becomes this object's own.
        path: where clients find it: a file, or an address and a port.
        read_only: whether clients that come by it may change nothing.
        ours: device and inode of the file that was made for it; None = somebody else made it, and keeps it.

    Attributes:
        server: what ASGI calls it: the path and None, or host and port.
    """

    def __init__(
        self, listening: socket.socket, path: str, *, read_only: bool, ours: tuple[int, int] | None = None
    ) -> None:
        listening.setblocking(False)
        self.socket = listening
        self.path = path
        self.server: tuple[str, int | None] = (path, None)
        if listening.family != socket.AF_UNIX:
            self.server = listening.getsockname()[:2]
        self.read_only = read_only
        self._ours = ours

    def close(self) -> None:
        """Close it, and delete its file where that is still the one that was made for it; may be called again."""
        if self.socket.fileno() < 0:
            return
        if trio.lowlevel.in_trio_run():
            trio.lowlevel.notify_closing(self.socket)
        if self._ours is not None:
            with contextlib.suppress(OSError):
                if _identity(self.path) == self._ours:
                    os.unlink(self.path)
        self.socket.close()


def socket_paths(settings: Settings) -> tuple[Path, Path]:
    """Return where the socket for everything lies, and the one that changes nothing."""
    path = settings.daemon.socket
    return path, settings.api.read_socket or path.with_name(f"{path.name.removesuffix('.sock')}-ro.sock")


def listen(path: Path, *, read_only: bool, group: str | None = None, mode: int = MODE, setting: str = API) -> Listener:
    """Make a socket, say who may connect, and listen on it.

    A file left behind by a daemon that has ended is replaced.

    Args:
        path: where; its directory must be there.
        read_only: whether clients that come by it may change nothing.
        group: name of the group it belongs to; None = that of this process.
        mode: its file's permissions: who may write to it may connect.
        setting: what names it, for errors.

    Raises:
        DialerdError: that cannot be; the message says what to do.
    """
    name = os.fsencode(path)
    if len(name) > LONGEST:
        raise DialerdError(
            f"the path of a socket may have {LONGEST} bytes, and {path} has {len(name)}; "
            f"name a shorter one in {setting}"
        )
    gid = -1 if group is None else _gid(group)
    with _alone_in(path, setting):
        _make_way(path, setting)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Linux makes the file with these bits, so that nobody gets in before its group is set
            os.fchmod(listening.fileno(), 0o600)
            listening.bind(name)
            ours = _identity(name)
            if gid != -1:
                _give(path, gid, str(group))
            os.chmod(path, mode)
            listening.listen(BACKLOG)
        except OSError as error:
            listening.close()
            raise DialerdError(
                f"the socket {path} cannot be made: {error.strerror}; let this user write into its directory, or name "
                f"another place in {setting}"
            ) from error
        except DialerdError:
            listening.close()
            os.unlink(path)
            raise
    return Listener(listening, str(path), read_only=read_only, ours=ours)


def _gid(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise DialerdError(
            f'there is no group "{group}"; make it with groupadd, or name another in [api] group'
        ) from None


def _give(path: Path, gid: int, group: str) -> None:
    try:
        os.chown(path, -1, gid)
    except PermissionError:
        raise DialerdError(
            f'the socket {path} cannot be given to the group "{group}", as this user is no member of it; make it one '
            "(adduser, or SupplementaryGroups= of the unit), or name another in [api] group"
        ) from None


@contextlib.contextmanager
def _alone_in(path: Path, setting: str) -> Iterator[None]:
    """Keep other daemons from making a socket in the same directory at the same moment."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise DialerdError(
            f"the directory of the socket {path} cannot be used: {error.strerror}; make {path.parent.absolute()} and "
            "give it to this user (under systemd, RuntimeDirectory= and tmpfiles.d do that), or name another place in "
            f"{setting}"
        ) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise DialerdError(f"another daemon is making a socket beside {path}; start this one again") from None
    try:
        yield
    finally:
        os.close(folder)


def _make_way(path: Path, setting: str) -> None:
    """Delete the socket of a daemon that has ended.

    Raises:
        DialerdError: somebody listens there, or it is something else.
    """
    try:
        found = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise DialerdError(f"{path} cannot be looked at: {error.strerror}; name another place for it") from error
    if not stat.S_ISSOCK(found):
        raise DialerdError(
            f"{path} is there and is no socket; delete it if nobody needs it, or name another place in {setting}"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
        knocking.setblocking(False)  # one whose queue is full lives
        answer = knocking.connect_ex(os.fsencode(path))
    if answer != errno.ECONNREFUSED:
        raise DialerdError(
            f"another process listens on {path}, or may ({os.strerror(answer) if answer else 'it answers'}); stop it, "
            f"or name another place in {setting}"
        )
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise DialerdError(
            f"{path} is left from a daemon that has ended, and cannot be deleted: {error.strerror}; delete it, or let "
            "this user write into its directory"
        ) from error


def _identity(path: str | bytes) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino
