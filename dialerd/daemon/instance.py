"""One daemon a state directory: two would dial the same people."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dialerd.model.errors import DialerdError

_LOCK = "dialerd.lock"


class AlreadyRunning(DialerdError):
    """Another daemon works on the same state directory."""


@contextmanager
def sole_instance(state_dir: Path) -> Iterator[None]:
    """Hold the lock of `state_dir`, which is made where it is missing; the kernel frees it when the process dies.

    Args:
        state_dir: where the database lies.

    Raises:
        AlreadyRunning: another process holds it.
        DialerdError: the directory cannot be used.
    """
    try:
        state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        handle = os.open(state_dir / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise DialerdError(
            f"state directory {state_dir} cannot be used: {error.strerror}; "
            "make it writable for this user or set daemon.state_dir"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
            raise AlreadyRunning(
                f"another dialerd (pid {holder}) works on {state_dir}; "
                "stop it first, or give this one a state_dir of its own"
            ) from None
        os.truncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)
