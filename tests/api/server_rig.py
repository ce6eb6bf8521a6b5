"""A server with a small application on a real socket, and what is said to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
import trio.testing
from attrs import define, field

from dialerd.api.connection import Receive, Send
from dialerd.api.door import Door
from dialerd.api.server import Server
from dialerd.api.sockets import listen

PATIENCE = 200  # ms, of the machine's own clock


@define(eq=False)
class Rig:
    """An application that does what the path says, and remembers what it was told.

    Args:
        path: its socket.
    """

    path: Path
    scopes: list[dict[str, Any]] = field(factory=list)
    waiting: trio.Event = field(factory=trio.Event)
    release: trio.Event = field(factory=trio.Event)
    gone: trio.Event = field(factory=trio.Event)
    server: Server = field(init=False)
    door: Door = field(init=False)

    async def application(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        self.scopes.append(scope)
        deed = getattr(self, "do_" + scope["path"].strip("/"), self.do_ok)
        await deed(receive, send)

    async def do_ok(self, receive: Receive, send: Send) -> None:
        """Answer without looking at the body."""
        await answer(send, b'{"ok":true}')

    async def do_count(self, receive: Receive, send: Send) -> None:
        """Read the body and tell how long it was."""
        total, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone.set()
                return
            total += len(message["body"])
            more = message["more_body"]
        await answer(send, b"%d" % total)

    async def do_raise(self, receive: Receive, send: Send) -> None:
        """Fail before anything is said."""
        raise ValueError("a fault of the application")

    async def do_reveal(self, receive: Receive, send: Send) -> None:
        """Fail over a path with somebody's number in it."""
        self.scopes[-1].update(path="/entries/+12125550123", path_params={"number": "+12125550123"})
        raise ValueError("a fault of the application")

    async def do_exit(self, receive: Receive, send: Send) -> None:
        """Do what no application may."""
        raise SystemExit(3)

    async def do_break(self, receive: Receive, send: Send) -> None:
        """Fail in the middle of the answer."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        raise ValueError("a fault of the application")

    async def do_nothing(self, receive: Receive, send: Send) -> None:
        """Return without an answer."""

    async def do_inject(self, receive: Receive, send: Send) -> None:
        """Say something that is no header."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nb: c")]})
        await send({"type": "http.response.body", "body": b""})

    async def do_pieces(self, receive: Receive, send: Send) -> None:
        """Answer in pieces of unknown number."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"one,", b"two,", b"x" * 100_000):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"end"})

    async def do_flood(self, receive: Receive, send: Send) -> None:
        """Answer without end."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        except OSError:
            self.gone.set()
            raise

    async def do_follow(self, receive: Receive, send: Send) -> None:
        """Send something, wait until the client is gone, and end the answer."""
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        self.waiting.set()
        assert (await receive())["type"] == "http.disconnect"
        self.gone.set()
        await send({"type": "http.response.body", "body": b"last"})

    async def do_wait(self, receive: Receive, send: Send) -> None:
        """Answer when released."""
        self.waiting.set()
        await self.release.wait()
        await answer(send, b"released")

    async def do_watch(self, receive: Receive, send: Send) -> None:
        """Answer when released, looking for the client's end meanwhile."""
        await receive()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            self.waiting.set()
            await self.release.wait()
            nursery.cancel_scope.cancel()
        await answer(send, b"released")

    async def ask(self, *pieces: bytes) -> bytes:
        """Send these over a new connection, and return all that is answered until the server closes."""
        async with await self.connect() as client:
            for piece in pieces:
                await client.send_all(piece)
            return await everything(client)

    async def connect(self) -> trio.SocketStream:
        """Open a connection."""
        return await connect(self.path)


async def connect(path: Path) -> trio.SocketStream:
    """Open a connection to a socket."""
    client = trio.socket.socket(trio.socket.AF_UNIX)
    try:
        await client.connect(str(path))
    except OSError:
        client.close()
        raise
    return trio.SocketStream(client)


async def answer(send: Send, body: bytes) -> None:
    """Answer with a body, in one piece."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})


async def everything(client: trio.SocketStream) -> bytes:
    """Return all that comes until the server closes."""
    data = b""
    with trio.fail_after(60):
        try:
            while piece := await client.receive_some():
                data += piece
        except trio.BrokenResourceError:
            pass  # it closed with something of ours unread
    return data


async def until_said(client: trio.SocketStream, words: bytes) -> bytes:
    """Return what comes until these words are among it."""
    data = b""
    with trio.fail_after(60):
        while words not in data:
            piece = await client.receive_some()
            assert piece, data
            data += piece
    return data


def get(path: str, *lines: str, method: str = "GET", last: bool = True) -> bytes:
    """Return a request; the `last` one of its connection says so."""
    end = ["Connection: close"] if last else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, *end, "", ""]).encode()


def post(path: str, body: bytes, *lines: str, last: bool = True) -> bytes:
    """Return a request with a body."""
    return get(path, f"Content-Length: {len(body)}", *lines, method="POST", last=last) + body


@asynccontextmanager
async def serving(
    path: Path, *, max_connections: int = 5_000, patience: int = PATIENCE, grace: int = 100, read_only: bool = False
) -> AsyncIterator[Rig]:
    """Serve in the block, and close the door at its end."""
    rig = Rig(path)
    rig.server = Server(rig.application, max_connections=max_connections, patience=patience)
    rig.door = rig.server.door(listen(path, read_only=read_only), grace=grace)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(rig.door.run)
            yield rig
            rig.release.set()
            rig.door.close()
    assert rig.server.connections == 0
