"""One daemon a state directory, a spool and a database: two would dial the same people."""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dialerd.model.errors import DialerdError
from dialerd.model.settings import Settings
from dialerd.store.database import database_path, url_of

LOCK = ".dialerd.lock"
"""Name of the lock file; by it a directory is known to be a daemon's own."""


class AlreadyRunning(DialerdError):
    """Another daemon works on the same directory."""


def places(settings: Settings) -> list[Path]:
    """Return the directories that one daemon has for itself: of its state, its spool and its database."""
    database = database_path(store_url(settings))
    return [settings.daemon.state_dir, settings.daemon.spool_dir, *([database.parent] if database is not None else [])]


def store_url(settings: Settings) -> str:
    """Return the URL of the database: the configured one, or that of a file in the state directory."""
    return settings.store.url or url_of(settings.daemon.state_dir.absolute() / "dialerd.db")


def needing_restart(old: Settings, new: Settings) -> tuple[str, ...]:
    """Return the names of the changed settings that a running daemon cannot follow.

    Args:
        old: those that it was started with.
        new: those that stand in the file now.
    """
    was, now = _fixed(old), _fixed(new)
    return tuple(name for name in was if was[name] != now[name])


def _fixed(settings: Settings) -> dict[str, object]:
    return {
        "daemon.state_dir": settings.daemon.state_dir,
        "daemon.spool_dir": settings.daemon.spool_dir,
        "store.url": settings.store.url,
        "[callbacks]": settings.callbacks,
    }


@contextmanager
def sole_instance(directories: Iterable[Path]) -> Iterator[None]:
    """Hold the locks of all `directories`, which are made where they are missing; the kernel frees them at the end.

    Args:
        directories: where the state, the spool and the database lie; the same one may be named twice.

    Raises:
        AlreadyRunning: another process holds one.
        DialerdError: one of them cannot be used.
    """
    with ExitStack() as locks:
        for directory in dict.fromkeys(path.resolve() for path in directories):
            locks.enter_context(_locked(directory))
        yield


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        handle = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise DialerdError(
            f"{directory} cannot be used: {error.strerror}; make it writable for this user, or name another place "
            "in daemon.state_dir, daemon.spool_dir or store.url"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
            raise AlreadyRunning(
                f"another dialerd (pid {holder}) works on {directory}; stop it first, or give this one "
                "a state_dir, a spool_dir and a database of its own"
            ) from None
        with contextlib.suppress(OSError):  # it is for people; the lock holds on a full disk too
            os.truncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)
