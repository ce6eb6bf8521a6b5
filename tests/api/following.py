"""A client of the event stream over the ASGI application itself, which can be cut at any point."""

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import msgspec
import trio
from attrs import define, field, frozen
from starlette.types import ASGIApp, Message


@frozen
class Event:
    """An event as a browser would give it."""

    id: str
    kind: str
    data: Any


@define
class Reader:
    """Reads an event stream as the standard says (WHATWG HTML, 9.2.6), from pieces cut anywhere.

    Attributes:
        last_id: what a browser would send as Last-Event-ID when it comes back.
        comments: how many lines were comments.
        retry: the last `retry:`.
    """

    last_id: str = ""
    comments: int = 0
    retry: int | None = None
    _rest: bytes = b""
    _fields: dict[str, str] = field(factory=dict)

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that end within `data`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        events = []
        for line in lines:
            name, _, value = line.decode().partition(":")
            value = value.removeprefix(" ")
            if not line:
                self.last_id = self._fields.get("id", self.last_id)
                if "data" in self._fields:
                    kind = self._fields.get("event", "message")
                    events.append(Event(self.last_id, kind, msgspec.json.decode(self._fields["data"])))
                self._fields = {}
            elif not name:
                self.comments += 1
            elif name == "retry":
                self.retry = int(value)
            else:
                assert name in ("id", "event", "data"), line
                assert name not in self._fields, "two lines of a kind in one event"
                self._fields[name] = value
        return events


@define(eq=False)
class Stream:
    """An answer under way.

    Attributes:
        status: of the answer.
        headers: of it.
        reader: reads it.
        asked_to_leave: set when the application is to be told that the client is gone.
    """

    pieces: trio.MemoryReceiveChannel[bytes]
    started: trio.Event = field(factory=trio.Event)
    status: int = 0
    headers: dict[str, str] = field(factory=dict)
    reader: Reader = field(factory=Reader)
    received: int = 0
    left: trio.Event = field(factory=trio.Event)
    asked_to_leave: trio.Event = field(factory=trio.Event)
    over: trio.Event = field(factory=trio.Event)

    async def piece(self) -> bytes:
        """Return the next piece of the body."""
        data = await self.pieces.receive()
        self.received += len(data)
        return data

    async def events(self, count: int, within_s: float = 20.0) -> list[Event]:
        """Return events until there are so many, and what came along with the last."""
        found: list[Event] = []
        with trio.fail_after(within_s):
            while len(found) < count:
                found += self.reader.feed(await self.piece())
        return found

    async def rest(self, within_s: float = 20.0) -> list[Event]:
        """Return the events until the stream ends by itself."""
        found: list[Event] = []
        with trio.fail_after(within_s):
            async for data in self.pieces:
                found += self.reader.feed(data)
        return found


@asynccontextmanager
async def stream(
    app: ASGIApp,
    path: str = "/v1/events",
    *,
    headers: Mapping[str, str] | None = None,
    buffer: float = math.inf,
    method: str = "GET",
    **query: str | list[str],
) -> AsyncIterator[Stream]:
    """Ask for `path` and give the answer as it comes; the client leaves when the block ends.

    Args:
        buffer: pieces that the connection takes before `send` waits.
        query: parameters.
    """
    into, pieces = trio.open_memory_channel[bytes](buffer)
    answer = Stream(pieces)
    asked = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if asked:
            return asked.pop()
        await answer.asked_to_leave.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        answer.started.set()
        if answer.left.is_set():
            raise OSError("the client is gone")
        if message["body"]:
            try:
                await into.send(message["body"])
            except trio.BrokenResourceError as error:
                raise OSError("the client is gone") from error

    async def run() -> None:
        try:
            await app(scope, receive, send)
        except OSError:
            assert answer.left.is_set()
        finally:
            answer.started.set()
            answer.over.set()
            into.close()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": urlencode(query, doseq=True).encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "state": {"read_only": True, "request_id": "r"},
    }
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await answer.started.wait()
        yield answer
        answer.left.set()
        answer.asked_to_leave.set()
        pieces.close()
        with trio.fail_after(60):
            await answer.over.wait()
