"""A dropped file, opened with distrust: no links, pipes and devices, and nothing that changes meanwhile.

Bytes in memory, as a small document over the socket, are read the same way.
"""

import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from dialerd.model.errors import Fault, InvalidInput

_PIECE: Final = 1 << 20  # bytes a read; larger pieces are no faster
_BUFFER: Final = 1 << 18


class Source:
    """An opened regular file; a context manager.

    Args:
        path: where it lies; its name stands in every fault.

    Raises:
        InvalidInput: it cannot be opened or is no regular file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.file: BinaryIO = _open(path)
        self._before: tuple[int, int, int, int] | None = _identity(os.fstat(self.file.fileno()))
        self.size = os.fstat(self.file.fileno()).st_size

    @classmethod
    def of(cls, data: bytes, name: str) -> Self:
        """Return a source of bytes in memory.

        Args:
            data: the bytes.
            name: stands for a file's name; its suffix tells the format.
        """
        source = cls.__new__(cls)
        source.path = Path(name)
        source.name = name
        source.file = io.BytesIO(data)
        source.size = len(data)
        source._before = None
        return source

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def pieces(self) -> Iterator[bytes]:
        """Yield the whole file from its beginning, at most 1 MiB at a time, and go back to its beginning."""
        self.file.seek(0)
        while piece := self.file.read(_PIECE):
            yield piece
        self.file.seek(0)

    def fault(self, message: str, *, line: int | None = None, column: int | None = None, path: str = "") -> Fault:
        """Return a fault of this file."""
        return Fault(path, message, file=self.name, line=line, column=column)

    def changed(self) -> Fault | None:
        """Return a fault if the file was written to or replaced since it was opened, otherwise None."""
        if self._before is None:
            return None
        try:
            now = {_identity(os.fstat(self.file.fileno())), _identity(os.lstat(self.path))}
        except OSError:
            return self.fault("was taken away while it was read; drop it again")
        if now == {self._before}:
            return None
        return self.fault("was changed while it was read; drop it again, under a name ending in .tmp until it is whole")


def _open(path: Path) -> BinaryIO:
    # O_NONBLOCK: opening a pipe must not wait for its other end
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags)
    except OSError as error:
        raise InvalidInput([Fault("", _why(path, error), file=path.name)]) from error
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        what = "a directory" if stat.S_ISDIR(mode) else "no regular file"
        raise InvalidInput([Fault("", f"is {what}; only plain files are read", file=path.name)])
    return os.fdopen(handle, "rb", buffering=_BUFFER)


def _why(path: Path, error: OSError) -> str:
    if path.is_symlink():
        return "is a symbolic link; drop the file itself, links are not followed"
    if isinstance(error, FileNotFoundError):
        return "is not there; it belongs beside the campaign file"
    if isinstance(error, PermissionError):
        return "may not be read by dialerd; give its user the right to"
    return f"cannot be read: {(error.strerror or str(error)).lower()}"


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
