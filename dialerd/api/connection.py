"""One client: requests read from its socket one after another, each given to the application, each answered.

Everything happens in one task. Whatever the client sends, and whatever the application does, ends this connection at
worst. Knows nothing of routes and of other clients.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final

import h11
import structlog
import trio

from dialerd.api.audit import masked
from dialerd.api.exchange import Exchange, Message
from dialerd.api.limits import DRAINED_BYTES, HEAD_BYTES, LINGER_S
from dialerd.api.peer import Peer, peer_of
from dialerd.api.refusal import refusal, request_id
from dialerd.api.scope import BadRequest, scope_of
from dialerd.api.wire import Gone, Late, Poked, Wire
from dialerd.plugin.raised import leaves, spare_ctrl_c, words

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]
"""An ASGI 3 application."""

_log = structlog.get_logger()

_REMEDY: Final = "this is a fault of dialerd's or of a dialect's; report it with this line"


class Connection:
    """One client's connection.

    Args:
        application: who answers.
        wire: the client's socket.
        peer: the process that the client is; None = it came over TCP.
        address: where it came from over TCP.
        server: the socket that it connected to, as ASGI has it.
        read_only: whether that may change nothing.
        patience_s: how long the client may take for a request's head, and for each piece of a body.
    """

    def __init__(
        self,
        application: Application,
        wire: Wire,
        *,
        peer: Peer | None,
        address: tuple[str, int] | None,
        server: tuple[str, int | None],
        read_only: bool,
        patience_s: float,
    ) -> None:
        self.wire = wire
        self._application = application
        self._peer = peer
        self._address = address
        self._server = server
        self._read_only = read_only
        self._patience_s = patience_s
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self._exchange: Exchange | None = None
        self._lingers = False
        self._leaving = False

    async def run(self) -> None:
        """Serve the client until it, or this side, has had enough. Raises nothing but what cancels it."""
        try:
            while await self._serve_one():
                pass
            if self._lingers and not self._leaving:
                await self.wire.linger(min(LINGER_S, self._patience_s))
        except Gone:
            return
        finally:
            self.wire.close()

    def leave(self) -> None:
        """Serve what has been asked, and nothing after it; whoever asks nothing is left at once."""
        self._leaving = True
        if self._exchange is None:
            self.wire.poke()
        else:
            self._exchange.leave()

    async def _serve_one(self) -> bool:
        """Serve one request; tell whether there may be another."""
        try:
            request = await self._read_head()
            if request is None:
                return False
            scope = scope_of(
                request, server=self._server, client=self._address, peer=self._peer, read_only=self._read_only
            )
        except h11.RemoteProtocolError as error:
            await self._refuse(error.error_status_hint, f"this is no request in HTTP/1.1: {error}", request_id())
            return False
        except BadRequest as error:
            await self._refuse(error.status, error.detail, request_id())
            return False
        identity: str = scope["state"]["request_id"]
        exchange = self._exchange = Exchange(self._http, self.wire, scope["method"], identity, self._patience_s)
        try:
            if self._leaving:
                exchange.leave()
            await self._ask(scope, exchange)
            return await self._conclude(exchange, scope["method"], identity)
        finally:
            self._exchange = None

    async def _read_head(self) -> h11.Request | None:
        """Return the next request, or None when there is none."""
        due = trio.current_time() + self._patience_s
        begun = self._http.trailing_data[0] != b""
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                return event
            if event is not h11.NEED_DATA or (self._leaving and not begun):
                return None
            try:
                data = await self.wire.read(due)
            except Late:
                if begun:
                    raise BadRequest(408, f"the request's head was not there after {self._patience_s:g} s") from None
                return None
            except Poked:
                continue
            if not begun:
                begun = True
                due = trio.current_time() + self._patience_s
            self._http.receive_data(data)

    async def _ask(self, scope: dict[str, Any], exchange: Exchange) -> None:
        """Have the application answer; what it raises costs this connection at most."""
        try:
            await self._application(scope, exchange.receive, exchange.send)
        except trio.Cancelled:
            self._excuse(exchange, scope)
            raise
        except BaseException as error:  # dialects are plugins, and no plugin ends the process
            spare_ctrl_c(error)
            if any(isinstance(leaf, trio.Cancelled) for leaf in leaves(error)):
                self._excuse(exchange, scope)
                raise
            if exchange.fault is None and not exchange.left and not _all_gone(error):
                self._tell(scope, error=words(error), exc_info=error)
        else:
            if exchange.fault is None and not exchange.left and not exchange.finished:
                self._tell(scope, error="the application returned before its answer was whole")

    def _tell(self, scope: dict[str, Any], **fields: object) -> None:
        identity = scope["state"]["request_id"]
        _log.error(
            "api.request_failed",
            method=scope["method"],
            path=masked(scope),
            request_id=identity,
            remedy=_REMEDY,
            **fields,
        )

    def _excuse(self, exchange: Exchange, scope: dict[str, Any]) -> None:
        """Tell a client whose request is cut off why, as far as that can be told without waiting."""
        if not exchange.begun:
            detail = "dialerd stops, and has not finished this request; ask again when it is back"
            answer = refusal(503, detail, identity=scope["state"]["request_id"], body=scope["method"] != "HEAD")
            self.wire.write_now(answer)

    async def _conclude(self, exchange: Exchange, method: str, identity: str) -> bool:
        """Finish what the application has left; tell whether the connection can go on."""
        if self.wire.broken:
            return False  # whatever else was asked, nobody waits for it
        if not exchange.begun:
            detail = "something is wrong inside the daemon; its log says what, under this request_id"
            status, detail = exchange.fault or (500, detail)
            await self._refuse(status, detail, identity, body=method != "HEAD")
            return False
        if not exchange.finished:
            return False  # cut, so that the client notices that it has not got all
        if self._http.our_state is h11.DONE and not exchange.read:
            await exchange.drain(DRAINED_BYTES)
        if not exchange.read:
            self._lingers = True
            return False
        if self._leaving or self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def _refuse(self, status: int, detail: str, identity: str, *, body: bool = True) -> None:
        """Answer in the application's stead, for the last time on this connection."""
        self._lingers = True
        await self.wire.write((refusal(status, detail, identity=identity, body=body),))


def _all_gone(error: BaseException) -> bool:
    """Tell whether an error says no more than that the client has left."""
    return all(isinstance(leaf, Gone) for leaf in leaves(error))


def connect(
    application: Application,
    client: socket.socket,
    address: Any,
    *,
    server: tuple[str, int | None],
    read_only: bool,
    patience_s: float,
) -> Connection:
    """Return the connection of a client that was accepted.

    Args:
        application: who answers it.
        client: its socket.
        address: what accept(2) said of it.
        server: the socket that it connected to, as ASGI has it.
        read_only: whether that may change nothing.
        patience_s: how long it may take.

    Raises:
        OSError: nobody can say who it is.
    """
    peer = peer_of(client)
    return Connection(
        application,
        Wire(client, patience_s),
        peer=peer,
        address=tuple(address[:2]) if peer is None else None,
        server=server,
        read_only=read_only,
        patience_s=patience_s,
    )
