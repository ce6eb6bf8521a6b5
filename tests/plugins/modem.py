"""The far side of the lab modem of `plugins/README.md`: a TCP server on the loopback interface."""

from functools import partial

import trio
from attrs import define, field

ANSWERS, TALKS_ON, RINGS_ON, BUSY, LOST = (f"+1212555010{digit}" for digit in range(1, 6))


@define
class ModemServer:
    """A modem that does with a number what its last digit says, and keeps how every call ended."""

    log: dict[str, str] = field(factory=dict)
    port: int = 0

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen on a free port until cancelled."""
        async with trio.open_nursery() as nursery:
            serve = partial(trio.serve_tcp, self._answer, 0, host="127.0.0.1", handler_nursery=nursery)
            listeners = await nursery.start(serve)
            self.port = listeners[0].socket.getsockname()[1]
            task_status.started()

    async def _answer(self, stream: trio.SocketStream) -> None:
        async with stream:
            words = (await stream.receive_some()).decode().split()
            if not words:
                return
            if words[0] == "ASK":
                await stream.send_all(self.log.get(words[1], "NEVER").encode() + b"\n")
                return
            await self._dial(stream, attempt=words[1], number=words[2])

    async def _dial(self, stream: trio.SocketStream, *, attempt: str, number: str) -> None:
        self.log[attempt] = "no_answer"
        if number == LOST:
            return
        if number == BUSY:
            self.log[attempt] = "busy"
            await stream.send_all(b"OK\nBUSY\n")
            return
        await stream.send_all(b"OK\nRING\n")
        if await _gone(stream, 1 if number != RINGS_ON else 1e6):
            self.log[attempt] = "cancelled"
            return
        self.log[attempt] = "answered"
        await stream.send_all(b"CONNECT\n")
        if not await _gone(stream, 10 if number != TALKS_ON else 1e6):
            await stream.send_all(b"NO CARRIER\n")


async def _gone(stream: trio.SocketStream, seconds: float) -> bool:
    """Wait; tell whether the caller closed the connection meanwhile."""
    with trio.move_on_after(seconds):
        try:
            return not await stream.receive_some()
        except trio.BrokenResourceError:
            return True
    return False
