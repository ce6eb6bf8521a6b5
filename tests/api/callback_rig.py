"""The callbacks' application on a real TCP port, and what its carrier is answered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import trio
from attrs import define, field
from server_rig import everything

from dialerd.api.callbacks import CallbackApp
from dialerd.api.server import Server
from dialerd.api.tcp import listen_tcp
from dialerd.model.address import TcpAddress
from dialerd.plugin.callback import CallbackAnswer, CallbackRequest

LOOPBACK = TcpAddress(host="127.0.0.1", port=0)


@define(eq=False)
class Line:
    """Answers every request alike, and remembers what was asked.

    Args:
        answer: what is answered.
    """

    answer: CallbackAnswer = field(factory=lambda: CallbackAnswer(status=204))
    asked: list[tuple[str, CallbackRequest]] = field(factory=list)
    client: httpx.AsyncClient = field(init=False)
    server: Server = field(init=False)
    at: tuple[str, int] = field(init=False)

    async def ask(self, trunk: str, request: CallbackRequest) -> CallbackAnswer:
        """Stand for those who know the trunks."""
        await trio.lowlevel.checkpoint()
        self.asked.append((trunk, request))
        return self.answer

    async def say(self, *pieces: bytes) -> bytes:
        """Send these over a connection, and return all that is answered until the server closes."""
        client = await trio.open_tcp_stream(*self.at)
        async with client:
            for piece in pieces:
                await client.send_all(piece)
            return await everything(client)


@asynccontextmanager
async def line(*, patience: int = 10_000, max_connections: int = 300) -> AsyncIterator[Line]:
    """Answer in the block."""
    found = Line()
    listener = listen_tcp(LOOPBACK, setting="the test")
    found.at = ("127.0.0.1", int(listener.path.rpartition(":")[2]))
    found.server = Server(CallbackApp(found.ask), max_connections=max_connections, patience=patience, table="callbacks")
    door = found.server.door(listener, grace=100)
    async with (
        httpx.AsyncClient(base_url=f"http://{listener.path}", timeout=60) as found.client,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(door.run)
        yield found
        door.close()
