"""First looks into a file in `incoming/`: what it is, whether it is whole, whether it is still the one that was read.

Everything here blocks: call it in a thread. Nothing here waits for a pipe or follows a link.
"""

import errno
import fcntl
import os
import signal
from pathlib import Path
from typing import Final

from attrs import frozen

from dialerd.intake.kinds import RECIPIENTS, Sort
from dialerd.intake.reading import needs
from dialerd.model.errors import DialerdError

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_HEAD: Final = 4_096  # bytes in which the first character of a JSON document must come
_NOTE: Final = b"# dialerd: "


class NotYet(DialerdError):
    """The file cannot be taken now; it is to be looked at again later."""


@frozen
class Identity:
    """What tells a file from another one that came to lie under its name.

    Args:
        inode: `st_ino`.
        size: in bytes.
        mtime_ns: `st_mtime_ns`.
    """

    inode: int
    size: int
    mtime_ns: int


def identity(path: Path) -> Identity | None:
    """Return the identity of what lies at `path`, links not followed, or None when nothing does."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    return Identity(status.st_ino, status.st_size, status.st_mtime_ns)


def look_into(path: Path, sort: Sort) -> tuple[Sort, str | None]:
    """Return what the spec at `path` really is, and the recipients file that it asks for, or None.

    A JSON document that begins as an array is a list of recipients. What cannot be read stays what its name says:
    reading it in earnest tells the fault.
    """
    if path.name.lower().endswith(".json") and _head(path).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        return RECIPIENTS, None
    return sort, needs(path)


def is_our_note(path: Path, beginning: str = "") -> bool:
    """Tell whether the file at `path` is a note that dialerd wrote, and begins with `beginning`."""
    return _head(path).startswith(_NOTE + beginning.encode(errors="backslashreplace"))


def note(text: str) -> bytes:
    """Return a note in dialerd's hand, as `is_our_note` knows it."""
    return _NOTE + text.encode(errors="backslashreplace") + b"\n"


def is_being_written(path: Path) -> bool:
    """Tell whether some process has the file at `path` open for writing; False also where that cannot be known.

    Linux grants a read lease only on a file that nobody has open for writing (fcntl(2), F_SETLEASE), and only to the
    file's owner or with CAP_LEASE. Everywhere else the quiet of the file has to do.
    """
    try:
        handle = os.open(path, _READ)
    except OSError:
        return False
    try:
        # who opens it for writing while the lease is held is announced by this signal, which does nothing by itself;
        # SIGIO, the ordinary one, would end the process
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(handle)
    return False


def look(paths: list[Path]) -> list[Identity | None]:
    """Return what lies at `paths`: a campaign file, and perhaps its recipients file. Blocks; call it in a thread.

    Raises:
        NotYet: the campaign file is gone, or one of them is still written to.
    """
    if (found := identity(paths[0])) is None:
        raise NotYet(f"{paths[0].name} is gone")
    for path in paths:
        if is_being_written(path):
            raise NotYet(f"{path.name} is open for writing")
    return [found, *map(identity, paths[1:])]


def compare(paths: list[Path], before: list[Identity | None]) -> None:
    """See that the same still lies at `paths` as `look` found there. Blocks; call it in a thread.

    Raises:
        NotYet: something else does.
    """
    if [identity(path) for path in paths] != before:
        raise NotYet(f"{paths[0].name} or its recipients changed while they were read")


def _head(path: Path) -> bytes:
    try:
        handle = os.open(path, _READ)
    except OSError:
        return b""
    try:
        return os.read(handle, _HEAD)
    except OSError:  # a directory, or a disk that fails
        return b""
    finally:
        os.close(handle)
