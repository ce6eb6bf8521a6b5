"""The keys that requests of dialects must show, where the settings ask for any.

Knows nothing of how a dialect carries them. A key is never logged nor repeated.
"""

import hmac
import os
from pathlib import Path

import structlog
import trio
from attrs import frozen

from dialerd.plugin.secrets import SecretError, read_secret

_log = structlog.get_logger()


@frozen
class _Read:
    """A keys file as it was read."""

    file: Path
    seen: tuple[int, int, int] | None
    keys: tuple[bytes, ...]


class Keys:
    """The accepted keys, read anew whenever their file changes, so that one can be withdrawn at once."""

    def __init__(self) -> None:
        self._read: _Read | None = None

    async def accept(self, file: Path, token: str) -> bool:
        """Tell whether `token` is one of the keys in `file`.

        A file that cannot be used holds no key.
        """
        keys = await trio.to_thread.run_sync(self._keys, file)
        wanted = token.encode("utf-8", "surrogateescape")
        # every key is compared, so that the time taken tells nothing
        return sum(hmac.compare_digest(key, wanted) for key in keys) > 0

    def _keys(self, file: Path) -> tuple[bytes, ...]:
        seen = _seen(file)
        if self._read is None or (self._read.file, self._read.seen) != (file, seen) or seen is None:
            self._read = _Read(file, seen, _load(file))
        return self._read.keys


def _seen(file: Path) -> tuple[int, int, int] | None:
    """Return what tells a file from what it was before, or None where it cannot be seen."""
    try:
        status = os.stat(file)
    except (OSError, ValueError):
        return None
    return status.st_ino, status.st_ctime_ns, status.st_size


def _load(file: Path) -> tuple[bytes, ...]:
    try:
        text = read_secret(str(file.absolute()), "dialects.keys_file")
    except SecretError as error:
        _log.error(
            "dialects.keys_unread",
            file=str(file),
            error=str(error),
            remedy="every request of a dialect is refused meanwhile; mend the file, it is read again with the next one",
        )
        return ()
    lines = (line.strip() for line in text.splitlines())
    return tuple(line.encode() for line in lines if line and not line.startswith("#"))
