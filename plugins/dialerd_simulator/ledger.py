"""The ledger: the calls that the pretended network took, one JSON line each, as a carrier's records would show them.

A line is written with one `write` on an append-only descriptor at the instant the call leaves, and is made durable
before anything is told about the call. Many calls share one fsync. What a crash leaves behind is at worst one torn
line at the end: its call was never reported, and it is read as not placed.
"""

import json
import os
from pathlib import Path
from typing import Self

import trio

from dialerd.model.errors import DialerdError
from dialerd.model.instants import Instant, to_iso
from dialerd_simulator.ledger_index import Entry, LedgerIndex


class LedgerError(DialerdError):
    """The ledger cannot be written or made durable."""


class Ledger:
    """An open ledger. Make it with `Ledger.open`.

    Args:
        path: the file.
        fd: open for appending.
        scripted: numbers whose calls are counted.
        torn: whether the file ends in the middle of a line.
    """

    def __init__(self, path: Path, fd: int, scripted: frozenset[str], *, torn: bool) -> None:
        self._fd = fd
        self._index = LedgerIndex(path, scripted)
        self._index_lock = trio.Lock()
        self._written = 0
        self._durable = 0
        self._flush: trio.Event | None = None
        self._torn = torn

    @classmethod
    async def open(cls, path: Path, scripted: frozenset[str]) -> Self:
        """Open the ledger at `path`, made if there is none.

        Raises:
            LedgerError: it cannot be opened.
        """
        try:
            fd, torn = await trio.to_thread.run_sync(_open, path)
        except OSError as error:
            raise LedgerError(f"ledger {path} cannot be opened for appending: {error.strerror}") from error
        return cls(path, fd, scripted, torn=torn)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def write(self, attempt_id: str, number: str, caller_id: str, at: Instant) -> None:
        """Write down that the network takes a call. Synchronous; durable once `settle` returned.

        Raises:
            LedgerError: it could not be written whole; the call was not taken.
        """
        entry = {"attempt": attempt_id, "number": number, "caller_id": caller_id, "at": to_iso(at)}
        line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
        if self._torn:
            line = b"\n" + line
        try:
            written = os.write(self._fd, line)
        except OSError as error:
            raise LedgerError(f"ledger cannot be written: {error.strerror}") from error
        if written < len(line):
            self._torn = True
            raise LedgerError(f"ledger took only {written} of {len(line)} bytes; is the disk full?")
        self._torn = False
        self._written += 1

    async def settle(self) -> None:
        """Return when everything written so far is durable. Callers who come while the disk works share the next turn.

        Raises:
            LedgerError: the disk failed; nobody knows what of it is durable.
        """
        mine = self._written
        while self._durable < mine:
            if self._flush is not None:
                await self._flush.wait()
                continue
            flush = self._flush = trio.Event()
            upto = self._written
            try:
                await trio.to_thread.run_sync(os.fsync, self._fd)
                self._durable = upto
            except OSError as error:
                raise LedgerError(f"ledger cannot be made durable: {error.strerror}") from error
            finally:
                self._flush = None
                flush.set()

    async def find(self, attempt_id: str) -> Entry | None:
        """Return the entry of an attempt, or None when the network never took it.

        Raises:
            LedgerError: the file cannot be read now.
        """
        await self._read_on()
        return self._index.find(attempt_id)

    async def count(self) -> dict[str, int]:
        """Return how many calls each scripted number has had.

        Raises:
            LedgerError: the file cannot be read now.
        """
        await self._read_on()
        return self._index.count()

    async def _read_on(self) -> None:
        async with self._index_lock:
            try:
                await trio.to_thread.run_sync(self._index.read_on)
            except OSError as error:
                raise LedgerError(f"ledger cannot be read: {error.strerror}") from error


def _open(path: Path) -> tuple[int, bool]:
    """Return an append-only descriptor, and whether the file ends in a torn line."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)  # a new file's name is as durable as its lines
        finally:
            os.close(folder)
        size = os.fstat(fd).st_size
        torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
    except BaseException:
        os.close(fd)
        raise
    return fd, torn
