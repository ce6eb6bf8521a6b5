"""A carrier's REST API that does what a test says, request by request, on a real socket. Knows no rules of Twilio's."""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import parse_qs, urlsplit

import trio
from attrs import define, field, frozen

ACCOUNT = "AC" + "5" * 32
CALLED, SHOWN = "+447111000001", "+12125550100"


@frozen(kw_only=True)
class Asked:
    """One request that came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    form: dict[str, list[str]]
    headers: dict[str, str]
    connection: int


Answer = bytes | None | Callable[[trio.abc.Stream], Awaitable[None]]
"""Bytes to send, None = the connection is closed without an answer, or what is done with the connection instead."""


def reply(status: int, body: object = "", **headers: str) -> bytes:
    """Return an answer with a body: text as it is, anything else as JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(text.encode())}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + text).encode()


def call(**fields: object) -> dict[str, object]:
    """Return a call as Twilio's Call resource is documented."""
    return {
        "sid": "CA" + "7" * 32,
        "account_sid": ACCOUNT,
        "status": "queued",
        "to": CALLED,
        "from": SHOWN,
        "direction": "outbound-api",
        "date_created": "Sat, 21 Nov 2026 10:00:00 +0000",
        "start_time": None,
        "end_time": None,
        "duration": None,
        "price": None,
        "price_unit": "USD",
        "answered_by": None,
        **fields,
    }


@define(kw_only=True, eq=False)
class ScriptedRest:
    """Answers each request with the next of `answers`, the last one for good."""

    answers: list[Answer]
    asked: list[Asked] = field(factory=list)
    connections: int = 0
    open: int = 0
    most_open: int = 0
    bytes_in: int = 0
    tls: ssl.SSLContext | None = None

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Listen on a loopback port; yield the base URL."""
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(partial(trio.serve_tcp, self._take, 0, host="127.0.0.1"))
            port = listeners[0].socket.getsockname()[1]
            yield f"http{'s' if self.tls else ''}://{'localhost' if self.tls else '127.0.0.1'}:{port}"
            nursery.cancel_scope.cancel()

    async def _take(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        number = self.connections
        try:
            if self.tls is not None:
                stream = trio.SSLStream(stream, self.tls, server_side=True)
            await self._talk(stream, number)
        except trio.BrokenResourceError:
            pass
        finally:
            self.open -= 1
            with trio.CancelScope(shield=True), trio.move_on_after(1):
                await trio.aclose_forcefully(stream)

    async def _talk(self, stream: trio.abc.Stream, number: int) -> None:
        seen = b""
        while True:
            while b"\r\n\r\n" not in seen:
                more = await stream.receive_some()
                if not more:
                    return
                self.bytes_in += len(more)
                seen += more
            head, _, seen = seen.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = int(headers.get("content-length", 0))
            while len(seen) < length:
                more = await stream.receive_some()
                if not more:
                    return
                self.bytes_in += len(more)
                seen += more
            body, seen = seen[:length], seen[length:]
            method, target, _ = first.split(" ")
            url = urlsplit(target)
            self.asked.append(
                Asked(
                    method=method,
                    path=target if method == "CONNECT" else url.path,
                    query=parse_qs(url.query),
                    form=parse_qs(body.decode(), strict_parsing=bool(body)),
                    headers=headers,
                    connection=number,
                )
            )
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if answer is None:
                return
            if callable(answer):
                await answer(stream)
                return
            await stream.send_all(answer)
