"""The Twilio double's HTTP server: as little of HTTP/1.1 as clients of a REST API need, and a way not to answer.

A server of the usual kind answers 500 where an application says nothing; here the connection is closed, since that is
one of the faults that a client has to live with.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import trio
from attrs import field, frozen

_MOST: Final = 1 << 20


@frozen(kw_only=True)
class Asked:
    """A request: its target is not decoded, and names of headers are in small letters."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@frozen(kw_only=True)
class Answer:
    """What it is answered with."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(factory=dict)


Answering = Callable[[Asked], Awaitable[Answer | None]]


@asynccontextmanager
async def background() -> AsyncIterator[trio.Nursery]:
    """Open a nursery that ends with the block; what the block raises comes out as it is, not in a group."""
    raised: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            yield nursery
        except Exception as error:  # noqa: BLE001  # it is raised below
            raised = error
        nursery.cancel_scope.cancel()
    if raised is not None:
        raise raised


@asynccontextmanager
async def serve_http(answering: Answering, port: int = 0, nursery: trio.Nursery | None = None) -> AsyncIterator[str]:
    """Serve on loopback, and yield the base URL.

    Args:
        answering: who answers; returns None where the connection is to be closed.
        port: 0 = any.
        nursery: what serves, until its own end; None = one that ends with the block.
    """

    async def client(stream: trio.SocketStream) -> None:
        try:
            await _serve_client(stream, answering)
        except trio.BrokenResourceError:
            return  # it has gone

    async with background() as own:
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        await (nursery or own).start(trio.serve_listeners, client, listeners)  # whole, for tests that count tasks
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"


async def _serve_client(stream: trio.SocketStream, answering: Answering) -> None:
    """Answer one request after the other."""
    buffer = b""
    while True:
        while (end := buffer.find(b"\r\n\r\n")) < 0:
            more = await stream.receive_some(65_536)
            if not more or len(buffer) > _MOST:
                return
            buffer += more
        lines = buffer[:end].decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        buffer = buffer[end + 4 :]
        while len(buffer) < length:
            more = await stream.receive_some(65_536)
            if not more or len(buffer) > _MOST:
                return
            buffer += more
        answer = await answering(Asked(method=method, target=target, headers=headers, body=buffer[:length]))
        buffer = buffer[length:]
        if answer is None:
            return
        await stream.send_all(_written(answer))
        if headers.get("connection", "").lower() == "close":
            return


def _written(answer: Answer) -> bytes:
    head = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    head += [f"{name}: {value}" for name, value in answer.headers.items()]
    head += [f"Content-Type: {answer.content_type}", f"Content-Length: {len(answer.body)}", "", ""]
    return "\r\n".join(head).encode("latin-1") + answer.body
