"""Bodies of requests: their kinds, their limits, and how they are read without holding the daemon up.

A body of any length is never in memory: what is larger than a few pages goes to a scratch file, written off the event
loop, and is gone when the request is answered. The database lies on the same disk, which no body may fill. Knows
nothing of what is done with a body.
"""

import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from errno import ENOSPC
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import trio
from attrs import frozen
from starlette.requests import ClientDisconnect, Request

from dialerd.api.problems import RefusedRequest
from dialerd.model.errors import Fault, InvalidInput, StoreError
from dialerd.operations.shapes import Format

IN_MEMORY: Final = 64 << 10
"""Bytes of a document up to which it stays in memory."""

RECORD_LIMIT: Final = 1 << 20
DOCUMENT_LIMIT: Final = 16 << 20
UPLOAD_LIMIT: Final = 4 << 30

_PIECE: Final = 1 << 20  # is written at once: 1 ms of a disk, so that its thread is worth its while

_SPARED: Final = 256 << 20  # bytes of the disk that bodies leave to the database,
_SPARED_SHARE: Final = 10  # or the tenth part of a disk, where that is less
_COPIES: Final = 2  # of a body there is to be room for: its rows go through the log of the database into it

MEDIA: Final[dict[str, Format]] = {
    "application/json": "json",
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "text/csv": "csv",
}


@frozen(kw_only=True)
class Record:
    """A small JSON object, read into a record.

    Args:
        cls: attrs class of it.
        required: False where there may be no body; then it is the record with its defaults.
        changes: it is not read here, but handed on as plain data: changes to a record of the class.
    """

    cls: type
    required: bool = True
    changes: bool = False

    media: tuple[str, ...] = ("application/json",)
    limit: int = RECORD_LIMIT


@frozen(kw_only=True)
class Document:
    """A JSON document that is handed on as it was sent: as bytes, or as a scratch file where it is large.

    Args:
        cls: attrs class that describes it.
    """

    cls: type

    media: tuple[str, ...] = ("application/json",)
    limit: int = DOCUMENT_LIMIT


@frozen(kw_only=True)
class Upload:
    """Rows of any number, handed on as a scratch file.

    Args:
        media: what it may be, the usual one first.
        cls: attrs class that describes one row, or None.
    """

    media: tuple[str, ...]
    cls: type | None = None

    limit: int = UPLOAD_LIMIT


Body = Record | Document | Upload


@frozen(kw_only=True)
class Received:
    """A body that has arrived whole.

    Args:
        content: the bytes, or the scratch file that holds them.
        media: its media type.
        digest: SHA-256 of it.
        size: bytes.
    """

    content: bytes | Path
    media: str
    digest: bytes
    size: int


def media_of(headers: Mapping[str, str], media: Sequence[str]) -> str:
    """Return the media type of a body: what the request says, or else the usual one.

    Args:
        headers: the request's.
        media: what it may be, the usual one first.

    Raises:
        RefusedRequest: it is none of these, in another character set, or compressed (415).
    """
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise RefusedRequest(415, f"a body in the content coding {coding!r} is not read; send it as it is")
    if (text := headers.get("content-type")) is None:
        return media[0]
    kind, *parameters = (part.strip() for part in text.lower().split(";"))
    accepted = " or ".join(media)
    if kind not in media:
        raise RefusedRequest(
            415, f"the body is {kind or 'of no kind'}; send it with the header Content-Type: {accepted}"
        )
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip(" \"'") not in ("utf-8", "utf8", "us-ascii"):
            raise RefusedRequest(415, f"the body is in {value}; send it in UTF-8")
    return kind


@asynccontextmanager
async def received(request: Request, body: Body, scratch: Path) -> AsyncIterator[Received]:
    """Receive a request's body; its scratch file, if it needs one, is gone afterwards.

    Args:
        request: whose.
        body: what it may be.
        scratch: directory for the file.

    Raises:
        RefusedRequest: it is too long (413), of a kind that is not read (415), or did not arrive whole (400).
        StoreError: it cannot be kept: the disk fails, or has no room to spare.
    """
    media = media_of(request.headers, body.media)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > body.limit:
        raise _too_long(body.limit)
    held = _Held(scratch, body.limit, in_memory=_in_memory(body))
    try:
        yield await _all_of(request, held, media, scratch)
    finally:
        with trio.CancelScope(shield=True):
            await held.drop()


def _in_memory(body: Body) -> int:
    """Return the bytes up to which a body stays in memory; -1 = it never does."""
    match body:
        case Record():
            return body.limit
        case Document():
            return IN_MEMORY
        case Upload():
            return -1


async def _all_of(request: Request, held: "_Held", media: str, scratch: Path) -> Received:
    try:
        async with aclosing(request.stream()) as pieces:
            async for piece in pieces:
                await held.take(piece)
        return await held.whole(media)
    except OSError as error:
        raise StoreError(f"the body cannot be kept in {scratch}: {error.strerror}", "make room on that disk") from error
    except ClientDisconnect as error:
        raise RefusedRequest(400, "the body did not arrive whole; nothing was done") from error


def decoded(content: bytes) -> Any:
    """Return the plain data of a small JSON body.

    Raises:
        RefusedRequest: it is not JSON (400).
    """
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedRequest(400, f"the body is not JSON: {error}", faults=[Fault("", str(error))]) from error


def an_object(data: Any) -> dict[str, Any]:
    """Return a body's plain data, which is to be an object.

    Raises:
        InvalidInput: it is none.
    """
    if not isinstance(data, dict):
        raise InvalidInput([Fault("", "must be an object")])
    return data


class _Held:
    """The part of a body that has arrived."""

    def __init__(self, scratch: Path, limit: int, *, in_memory: int) -> None:
        self._scratch = scratch
        self._limit = limit
        self._in_memory = in_memory
        self._waiting = bytearray()  # not a list: of a million pieces each would have a head of its own
        self._size = 0
        self._hash = hashlib.sha256()
        self._file: IO[bytes] | None = None
        self._path: Path | None = None

    async def take(self, piece: bytes) -> None:
        """Take what arrived next."""
        self._size += len(piece)
        if self._size > self._limit:
            raise _too_long(self._limit)
        self._waiting += piece
        if self._size > self._in_memory and len(self._waiting) >= _PIECE:
            await trio.to_thread.run_sync(self._write)

    async def whole(self, media: str) -> Received:
        """Return the body; nothing more arrives."""
        if self._size <= self._in_memory:
            content = bytes(self._waiting)
            self._hash.update(content)
            return Received(content=content, media=media, digest=self._hash.digest(), size=self._size)
        await trio.to_thread.run_sync(self._close)
        assert self._path is not None
        return Received(content=self._path, media=media, digest=self._hash.digest(), size=self._size)

    async def drop(self) -> None:
        """Let go of everything."""
        if self._path is not None:
            await trio.to_thread.run_sync(self._remove)

    def _write(self) -> None:
        if self._size > IN_MEMORY and not _has_room(self._scratch, _COPIES * self._size):
            raise OSError(ENOSPC, "too little room would be left there")
        data, self._waiting = self._waiting, bytearray()
        self._hash.update(data)
        if self._file is None:
            handle, name = tempfile.mkstemp(prefix="body-", dir=self._scratch)
            self._path, self._file = Path(name), os.fdopen(handle, "wb", buffering=0)
        rest = memoryview(data)
        while rest:  # a disk that is nearly full takes a part of what it is given, without a word
            rest = rest[self._file.write(rest) :]

    def _close(self) -> None:
        self._write()
        if self._file is not None:
            self._file.close()

    def _remove(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _has_room(scratch: Path, size: int) -> bool:
    """Tell whether a disk keeps enough to spare when so many bytes more are written; blocks."""
    disk = os.statvfs(scratch)
    spared = min(_SPARED, disk.f_blocks * disk.f_frsize // _SPARED_SHARE)
    return disk.f_bavail * disk.f_frsize - size >= spared


def _too_long(limit: int) -> RefusedRequest:
    # what was not read of the body would be taken for the next request
    return RefusedRequest(413, f"the body is longer than {limit >> 20} MiB, the most for this request")
