"""Finds attempts in a ledger of any size: 16 bytes of memory a line, and one pass over the file.

It reads on from where it stopped whenever it is asked, and only then; a run in which nothing is uncertain never reads
its ledger. Synchronous: for a worker thread.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from dialerd.model.instants import Instant, to_instant

_BUCKETS: Final = 4096  # 1,000,000 lines make buckets of 4 KB, in which bytearray.find takes under a microsecond
_KEY: Final = 8  # bytes of an attempt's hash; equal hashes are told apart by the line itself
_SLOT: Final = _KEY + 8

_HEAD: Final = b'{"attempt": "'
_TAIL: Final = b'"}\n'
_REQUIRED: Final = ("attempt", "number", "at")


@frozen
class Entry:
    """A call that the network took.

    Args:
        attempt_id: of the attempt.
        at: when it was taken.
        nth: how many calls to the same number it took before; 0 where the number is not scripted.
    """

    attempt_id: str
    at: Instant
    nth: int


class LedgerIndex:
    """Where the attempts stand in a ledger.

    Args:
        path: the ledger.
        scripted: numbers whose calls are counted.
    """

    def __init__(self, path: Path, scripted: frozenset[str]) -> None:
        self._path = path
        self._read = 0
        self._buckets = [bytearray() for _ in range(_BUCKETS)]
        self._scripted: dict[str, dict[str, int]] = {number: {} for number in scripted}

    def count(self) -> dict[str, int]:
        """Return how many calls each scripted number has had, as far as read."""
        return {number: len(calls) for number, calls in self._scripted.items()}

    def read_on(self) -> None:
        """Read the lines that were added since the last time; what does not end in a newline is not a line yet."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._add(line, self._read)
                self._read += len(line)

    def find(self, attempt_id: str) -> Entry | None:
        """Return the entry of an attempt among the lines read, or None."""
        key = _key(attempt_id.encode())
        offsets = list(self._offsets(key))
        if not offsets:
            return None
        with self._path.open("rb") as file:
            for offset in offsets:
                file.seek(offset)
                plain = _parse(file.readline())
                if plain is not None and plain["attempt"] == attempt_id:
                    nth = self._scripted.get(plain["number"], {}).get(attempt_id, 0)
                    return Entry(attempt_id, to_instant(datetime.fromisoformat(plain["at"])), nth)
        return None

    def _add(self, line: bytes, offset: int) -> None:
        if (attempt := _quick_look(line)) is None or self._scripted:
            if (plain := _parse(line)) is None:
                return
            attempt = plain["attempt"].encode()
            if (calls := self._scripted.get(plain["number"])) is not None:
                calls.setdefault(plain["attempt"], len(calls))
        key = _key(attempt)
        self._bucket(key).extend(key + offset.to_bytes(8, "big"))

    def _offsets(self, key: bytes) -> Iterator[int]:
        bucket = self._bucket(key)
        found = bucket.find(key)
        while found >= 0:
            if found % _SLOT == 0:  # elsewhere the same bytes are part of another slot
                yield int.from_bytes(bucket[found + _KEY : found + _SLOT], "big")
            found = bucket.find(key, found + 1)

    def _bucket(self, key: bytes) -> bytearray:
        return self._buckets[int.from_bytes(key[:2], "big") % _BUCKETS]


def _key(attempt_id: bytes) -> bytes:
    return blake2b(attempt_id, digest_size=_KEY).digest()


def _quick_look(line: bytes) -> bytes | None:
    """Return the attempt of a whole line as the ledger writes them; None = it has to be parsed.

    This is four times faster than parsing, and 1,000,000 lines are read while calls wait to be reconciled.
    """
    if not line.startswith(_HEAD) or not line.endswith(_TAIL):
        return None
    attempt = line[len(_HEAD) : line.find(b'"', len(_HEAD))]
    return None if b"\\" in attempt else attempt


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return the entry in `line`, or None where a crash or a full disk tore it."""
    try:
        plain = json.loads(line)
    except ValueError:
        return None
    if not isinstance(plain, dict) or not all(isinstance(plain.get(key), str) for key in _REQUIRED):
        return None
    return plain
