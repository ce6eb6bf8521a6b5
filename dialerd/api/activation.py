"""Sockets that systemd has opened for the daemon: sd_listen_fds(3), without its library.

Knows nothing of what is served there. Their files are systemd's, and stay.
"""

import os
import socket
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

from attrs import define

from dialerd.api.sockets import Listener
from dialerd.model.errors import DialerdError

_FIRST: Final = 3  # SD_LISTEN_FDS_START
NAME: Final = "api"
READ_NAME: Final = "api-ro"
"""What FileDescriptorName= of a socket unit may say; other sockets are known by their paths, or by their order."""

_REMEDY: Final = "see ListenStream= of its socket unit"


@define
class Activated:
    """Sockets that systemd gave.

    Args:
        api: the one for everything; None = it gave none.
        read: the one that changes nothing; None = it gave none.
    """

    api: Listener | None = None
    read: Listener | None = None


def activated(
    path: Path, read_path: Path, environment: MutableMapping[str, str] | None = None, *, first: int = _FIRST
) -> Activated:
    """Return the sockets that systemd has opened for this process, and take its variables out of the environment.

    Args:
        path: where the settings have the socket for everything.
        read_path: where they have the one that changes nothing.
        environment: None = that of this process.
        first: descriptor of the first socket.

    Raises:
        DialerdError: what it gave cannot be used.
    """
    environment = os.environ if environment is None else environment
    count = environment.pop("LISTEN_FDS", "")
    pid = environment.pop("LISTEN_PID", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdecimal():
        return Activated()
    given = [_socket(descriptor) for descriptor in range(first, first + int(count))]
    if len(given) > 2:
        raise DialerdError(f"systemd gave {len(given)} sockets, and dialerd serves two; {_REMEDY}")
    return _assigned(
        [(names[index] if index < len(names) else "", one) for index, one in enumerate(given)], path, read_path
    )


def _socket(descriptor: int) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        given = socket.socket(fileno=descriptor)
        listens = given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise DialerdError(f"descriptor {descriptor} of systemd is no socket: {error.strerror}; {_REMEDY}") from error
    if given.family != socket.AF_UNIX or given.type != socket.SOCK_STREAM or not listens:
        raise DialerdError(
            f"descriptor {descriptor} of systemd is no listening Unix stream socket; the API is on no network, "
            f"and {_REMEDY}"
        )
    return given


def _assigned(given: list[tuple[str, socket.socket]], path: Path, read_path: Path) -> Activated:
    """Tell which is which: by names, then by paths, then by order."""
    found = Activated()
    names = [name for name, _ in given]
    unknown = []
    for name, one in given:
        place = Path(os.fsdecode(one.getsockname()))
        distinct = names.count(name) == 1
        if (distinct and name == READ_NAME) or place == read_path.absolute():
            read_only = True
        elif (distinct and name == NAME) or place == path.absolute():
            read_only = False
        else:
            unknown.append(one)
            continue
        _put(found, one, read_only=read_only)
    for one in unknown:
        _put(found, one, read_only=found.api is not None)
    return found


def _put(found: Activated, one: socket.socket, *, read_only: bool) -> None:
    if (found.read if read_only else found.api) is not None:
        raise DialerdError(f"systemd gave two sockets for the same purpose; {_REMEDY}")
    listener = Listener(one, os.fsdecode(one.getsockname()), read_only=read_only)
    if read_only:
        found.read = listener
    else:
        found.api = listener
