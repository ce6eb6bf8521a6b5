"""Files written and moved so that a crash or a full disk leaves either the old state or the new one, never half.

Everything here blocks: call it in a thread. Knows nothing of what the files hold.
"""

import errno
import itertools
import os
import secrets
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final

SCRATCH: Final = ".dialerd-"
"""Beginning of the names of unfinished files; what a former life left behind under it may be deleted."""

_OURS: Final = f"{SCRATCH}{secrets.token_hex(4)}-"  # a process id would be the former life's again in a container

NAME_MAX: Final = 255  # bytes of a file name: limits.h, and every Linux file system in use

FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""Errors that say that there is no room."""

_FILE_MODE: Final = 0o640  # they hold phone numbers
_numbers = itertools.count()


def scratch(folder: Path) -> Path:
    """Return a path in `folder` for an unfinished file, unused by this process and hidden from listings."""
    return folder / f"{_OURS}{next(_numbers)}"


def sweep(folder: Path) -> None:
    """Delete the unfinished files and folders that a former life left in `folder`."""
    with os.scandir(folder) as entries:
        stale = [entry for entry in entries if entry.name.startswith(SCRATCH) and not entry.name.startswith(_OURS)]
    for entry in stale:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def remedy(error: BaseException, folder: Path) -> str | None:
    """Return what to do about an error of writing below `folder`, or None where the error says it or nobody knows."""
    if not isinstance(error, OSError):
        return None
    if error.errno in FULL:
        return f"free space, inodes or quota on the disk of {folder}; dialerd goes on by itself"
    if error.errno == errno.EROFS:
        return f"mount the disk of {folder} writable again, and look at the kernel log for why it is not"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"make {folder} writable for user id {os.geteuid()}"
    if error.errno == errno.EIO:
        return f"look at the kernel log for the disk of {folder}: it may fail"
    return None


def create(path: Path) -> IO[bytes]:
    """Open a new file for writing; it must not exist."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE), "wb")


def sync(file: IO[bytes]) -> None:
    """Return once what was written to `file` is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Return once the names in `folder` are on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file whole or not at all; readers see the former one until then.

    The name itself is durable after `sync_folder`.

    Raises:
        OSError: it could not be written; nothing is left behind.
    """
    unfinished = scratch(path.parent)
    try:
        with create(unfinished) as file:
            file.writelines(chunks)
            sync(file)
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def numbered(name: str, number: int, *, room: int = 0) -> str:
    """Return the `number`th variant of a file name: `a.csv`, `a.2.csv`, `a.3.csv`.

    Args:
        name: a file name.
        number: 1 is the name itself.
        room: bytes that must remain free for something appended to it; an overlong stem is cut for them.
    """
    stem, ending = os.path.splitext(name)
    tail = ending if number == 1 else f".{number}{ending}"
    spare = max(NAME_MAX - room - len(os.fsencode(tail)), 1)
    if len(raw := os.fsencode(stem)) > spare:
        stem = raw[:spare].decode(errors="ignore")
    return stem + tail


def free_name(folder: Path, name: str, companions: Iterable[str] = ()) -> str:
    """Return the first variant of `name` found that is not in `folder`, nor any of its companions.

    Looks at a number of names that grows with the logarithm of those taken, so that a name dropped every day for
    years, or ten thousand times at once, stays cheap.

    Args:
        folder: only this process puts files there.
        name: a file name.
        companions: what may be appended to the name for files that belong to it.
    """
    endings = ("", *companions)
    room = max(len(ending.encode()) for ending in endings)

    def taken(number: int) -> bool:
        variant = numbered(name, number, room=room)
        return any(os.path.lexists(folder / (variant + ending)) for ending in endings)

    low, high = 0, 1
    while taken(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if taken(middle) else (low, middle)
    return numbered(name, high, room=room)


def move(source: Path, target: Path) -> None:
    """Move anything a directory can hold; a link is moved, not followed.

    The names are durable after `sync_folder` of both folders. Across file systems a regular file is copied first.

    Args:
        source: what to move.
        target: its new path, which nothing has yet.

    Raises:
        OSError: it could not be moved, and is where it was.
    """
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV or not stat.S_ISREG(os.lstat(source).st_mode):
            raise
        _move_across(source, target)


def _move_across(source: Path, target: Path) -> None:
    copy = scratch(target.parent)
    try:
        # not to be fooled by a swap for a link or a pipe since the look at it
        handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file, create(copy) as twin:
            shutil.copyfileobj(file, twin, 1 << 20)
            status = os.fstat(handle)
            os.utime(twin.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
            sync(twin)
        os.rename(copy, target)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)
    os.unlink(source)
