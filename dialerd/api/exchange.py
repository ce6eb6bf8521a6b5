"""One request and its answer, as an ASGI application sees them: `receive` and `send`.

Knows nothing of what the application does, nor of what comes before and after on the connection.
"""

from __future__ import annotations

import math
import time
from collections.abc import MutableMapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

import h11
import trio

from dialerd.api.limits import PIPELINED_BYTES, TURNS
from dialerd.api.wire import Gone, Late, Poked, Wire

Message = MutableMapping[str, Any]

_GLANCE_S: Final = 1.0  # how often a client is looked after that cannot be waited for
_BODILESS: Final = (204, 304)  # RFC 9110, sections 15.3.5 and 15.4.5
_PHRASES: Final = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}

_date: tuple[int, bytes] = (0, b"")


class Exchange:
    """A request that has come, and the answer to it.

    Args:
        http: the connection's state, with the request's head read.
        wire: the connection's socket.
        method: the request's method.
        identity: the request's id.
        patience_s: how long the client may take for each piece of the body.

    Attributes:
        fault: status and words of what is wrong with the request's body; the server answers itself then.
        read: the whole request has come.
        begun: some of the answer has gone.
        finished: all of it has gone.
        left: the application has been told that nobody waits for its answer.
    """

    __slots__ = (
        "_bodiless", "_closes", "_head", "_http", "_identity", "_patience_s", "_piece", "_turns", "_wire",
        "begun", "fault", "finished", "left", "read",
    )  # fmt: skip

    def __init__(self, http: h11.Connection, wire: Wire, method: str, identity: str, patience_s: float) -> None:
        self._http = http
        self._wire = wire
        self._identity = identity
        self._patience_s = patience_s
        self._head: Message | None = None
        self._piece: bytes | None = None
        self._bodiless = method == "HEAD"
        self._closes = False
        self._turns = 0
        self.fault: tuple[int, str] | None = None
        self.read = self.begun = self.finished = self.left = False
        self._take()
        if self.read:
            self._piece = b""

    async def receive(self) -> Message:
        """Return the next piece of the body; after the last, wait until the client is gone and say so."""
        await self._take_turns()
        if self._piece is None and not self.read and not self.finished:
            await self._await_piece()
        if self._piece is not None:
            piece, self._piece = self._piece, None
            if not self.read and self.fault is None:
                self._take()  # the end often comes with the last piece
            return {"type": "http.request", "body": piece, "more_body": not self.read or self._piece is not None}
        if self.fault is None and not self.finished:
            await self._watch()
        self.left = True
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send a piece of the answer; its head goes with the first piece of the body.

        Raises:
            Gone: the client is not there any more (an OSError, as ASGI 2.4 wants it).
            RuntimeError: the application says something out of turn.
            h11.LocalProtocolError: what it says is no answer in HTTP.
        """
        if self.fault is not None and not self.begun:
            return  # what is wrong with the request is said by the server
        kind = message["type"]
        if kind == "http.response.start":
            if self._head is not None or self.begun:
                raise RuntimeError("the answer has begun already")
            self._head = message
            return
        if kind != "http.response.body":
            raise RuntimeError(f"{kind} is not known here")
        if self.finished or (self._head is None and not self.begun):
            raise RuntimeError("a body without a head, or after its end")
        await self._wire.write(self._pieces(message.get("body", b""), more=message.get("more_body", False)))

    def leave(self) -> None:
        """Let this be the connection's last exchange; tell an application that waits for the client to go."""
        self._closes = True
        self._wire.poke()

    async def drain(self, most: int) -> None:
        """Read the rest of a body that nobody wanted, as far as it is short."""
        due = trio.current_time() + self._patience_s
        while not self.read and self.fault is None and most > 0:
            await self._take_turns()
            if self._piece is None:
                await self._await_piece(due)
            if self._piece is not None:
                most -= len(self._piece)
                self._piece = None
                if not self.read:
                    self._take()

    # the request

    async def _take_turns(self) -> None:
        """Let others run now and then: what is read at once may hold thousands of pieces."""
        self._turns += 1
        if self._turns > TURNS:
            self._turns = 0
            await trio.lowlevel.checkpoint()

    def _take(self) -> bool:
        """Take a piece of the body, or its end, from what has been read; tell whether more must be read."""
        try:
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            self.fault = (error.error_status_hint, f"the body cannot be read: {error}")
            return False
        if event is h11.NEED_DATA:
            return True
        if isinstance(event, h11.Data):
            self._piece = bytes(event.data)
        else:
            self.read = True
        return False

    async def _await_piece(self, due: float | None = None) -> None:
        """Read until there is a piece of the body, its end or a fault."""
        try:
            if self._http.they_are_waiting_for_100_continue and not self.begun:
                await self._wire.write((self._http.send(h11.InformationalResponse(status_code=100, headers=[])),))
            until = trio.current_time() + self._patience_s if due is None else due
            while self.fault is None and self._take():
                try:
                    self._http.receive_data(await self._wire.read(until))
                except Poked:
                    continue
        except Late:
            self.fault = (408, f"the body did not go on for {self._patience_s:g} s; send the request again")
        except Gone:
            self.fault = (400, "the connection broke")
        if self.read and self._piece is None:
            self._piece = b""

    async def _watch(self) -> None:
        """Wait until the client is gone, keeping what it asks next."""
        kept = 0
        while not self._closes:
            if self._wire.silent or kept >= PIPELINED_BYTES:
                # it has said its all and may still read, or speaks without end: then the system cannot wait for it
                if self._wire.hung_up():
                    return
                await trio.sleep(_GLANCE_S)
                continue
            try:
                data = await self._wire.read(math.inf)
            except Poked:
                continue
            except Gone:
                return
            self._http.receive_data(data)
            kept += len(data)

    # the answer

    def _pieces(self, body: bytes, *, more: bool) -> list[bytes]:
        """Return what goes over the wire for a piece of the body."""
        pieces: list[bytes] = []
        whole = False
        if self._head is not None:
            head, self._head = self._head, None
            status = head["status"]
            whole = not more
            pieces += self._send(self._response(head, len(body) if whole and status not in _BODILESS else None))
            self.begun = True
            self._bodiless = self._bodiless or status in _BODILESS
        if body and not self._bodiless:
            pieces += self._send(h11.Data(data=body))
        if not more:
            pieces += self._send(h11.EndOfMessage())
            self.finished = True
        return pieces

    def _send(self, event: h11.Event) -> list[bytes]:
        return self._http.send_with_data_passthrough(event) or []

    def _response(self, head: Message, length: int | None) -> h11.Response:
        """Return the head of the answer: the application's, and what every answer has.

        Args:
            head: the application's message.
            length: of the body, where that is known; None = it is not.
        """
        headers = list(head.get("headers", ()))
        names = {name.lower() for name, _ in headers}
        if b"date" not in names:
            headers.append((b"date", _now()))
        if b"x-request-id" not in names:
            headers.append((b"x-request-id", self._identity.encode("ascii")))
        if length is not None and b"content-length" not in names and b"transfer-encoding" not in names:
            headers.append((b"content-length", b"%d" % length))
        if self._closes or (self._http.they_are_waiting_for_100_continue and not self.read):
            headers.append((b"connection", b"close"))
        return h11.Response(status_code=head["status"], headers=headers, reason=_PHRASES.get(head["status"], b""))


def _now() -> bytes:
    """Return the value of Date, made once a second."""
    global _date  # noqa: PLW0603  # one value for all connections
    second = int(time.time())
    if _date[0] != second:
        _date = (second, formatdate(second, usegmt=True).encode("ascii"))
    return _date[1]
