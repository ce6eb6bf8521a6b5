"""One listening socket and its clients: lets them in, tells those that are late, and sees them off.

Knows nothing of what they ask.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Final

import structlog
import trio

from dialerd.api.connection import Connection, connect
from dialerd.api.refusal import refusal, request_id
from dialerd.api.sockets import Listener
from dialerd.api.wire import Wire
from dialerd.plugin.complaints import Complaints

if TYPE_CHECKING:
    from dialerd.api.server import Server

_log = structlog.get_logger()

_AT_ONCE: Final = 64  # clients let in before those that are in have their turn
_REST_S: Final = 0.1  # after the system could give no descriptor; closing connections give some back
_SHORT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PASSING: Final = frozenset(
    {errno.ENETDOWN, errno.EPROTO, errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.ENONET, errno.EHOSTUNREACH}
    | {errno.EOPNOTSUPP, errno.ENETUNREACH, errno.EPERM}
)
"""What accept(2) says of a client that has gone already, or that a firewall keeps out: the next may be let in."""

_REFUSED: Final = 64  # clients that are listened to at once while they read that there is no room
_LOOKS: Final = 8  # within one patience, so that nobody gets an eighth more of it than is settled
_LOOK_S: Final = (0.01, 1.0)  # the least and the longest time between two looks


class Door:
    """One listening socket.

    Args:
        server: whom its clients are served by.
        listener: the socket; closed at the end of `run`.
        grace_s: how long requests in progress may go on after `close`.
    """

    def __init__(self, server: Server, listener: Listener, grace_s: float) -> None:
        self._server = server
        self._listener = listener
        self._grace_s = grace_s
        self._connections: set[Connection] = set()
        self._refused = 0
        self._accepting = trio.CancelScope()
        self._closing = trio.Event()
        self._complaints = Complaints()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve clients until `close`, and then until the last of them has gone or the grace is over."""
        try:
            async with trio.open_nursery() as helpers:
                helpers.start_soon(self._see_to_the_late)
                async with trio.open_nursery() as clients:
                    helpers.start_soon(self._close_in_time, clients.cancel_scope)
                    task_status.started()
                    with self._accepting:
                        await self._let_in(clients)
                helpers.cancel_scope.cancel()
        finally:
            self._listener.close()

    def close(self) -> None:
        """Let nobody in any more, from this instant on; leave those who ask nothing; the rest has its grace."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._accepting.cancel()
        self._listener.close()
        for connection in tuple(self._connections):
            connection.leave()

    async def _close_in_time(self, scope: trio.CancelScope) -> None:
        await self._closing.wait()
        await trio.sleep(self._grace_s)
        scope.cancel()

    async def _see_to_the_late(self) -> None:
        """Wake connections whose clients take too long, for ever."""
        shortest, longest = _LOOK_S
        every_s = min(max(self._server.patience_s / _LOOKS, shortest), longest)
        while True:
            await trio.sleep(every_s)
            now = trio.current_time()
            for connection in self._connections:
                if connection.wire.overdue(now):
                    connection.wire.poke()

    async def _let_in(self, clients: trio.Nursery) -> None:
        """Accept clients for ever."""
        listening = self._listener.socket
        while True:
            try:
                await trio.lowlevel.wait_readable(listening)
                for _ in range(_AT_ONCE):
                    self._take(*listening.accept(), clients)
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                continue
            except OSError as error:
                if listening.fileno() < 0:
                    return  # closed, here or by whoever made it
                if error.errno in _PASSING:
                    continue
                self._complain(error)
                await trio.sleep(_REST_S)
            else:
                await trio.lowlevel.checkpoint()

    def _complain(self, error: OSError) -> None:
        remedy = "look at what holds so many connections open (ss -xtp), or raise LimitNOFILE= of the unit"
        if error.errno not in _SHORT:
            remedy = "restart dialerd; if it comes again, report it with this line"
        self._complaints.tell(_log.warning, "api.accept_failed", self._listener.path, error=error, remedy=remedy)

    def _take(self, client: socket.socket, address: object, clients: trio.Nursery) -> None:
        """Serve a client, or refuse it where there is no room."""
        if not self._server.has_room():
            self._turn_away(client, clients)
            return
        try:
            connection = connect(
                self._server.application,
                client,
                address,
                server=self._listener.server,
                read_only=self._listener.read_only,
                patience_s=self._server.patience_s,
            )
        except OSError:
            client.close()  # it has gone already
            return
        self._connections.add(connection)
        self._server.entered()
        clients.start_soon(self._serve, connection)

    async def _serve(self, connection: Connection) -> None:
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self._server.left()

    def _turn_away(self, client: socket.socket, clients: trio.Nursery) -> None:
        detail = f"too many connections are open; close some, or raise [{self._server.table}] max_connections"
        wire = Wire(client, self._server.patience_s)
        wire.write_now(refusal(503, detail, identity=request_id()))
        if self._refused >= _REFUSED:
            wire.close()
            return
        self._refused += 1
        clients.start_soon(self._see_off, wire)

    async def _see_off(self, wire: Wire) -> None:
        try:
            with trio.move_on_after(self._server.patience_s):
                await wire.linger(_LOOK_S[1])
        finally:
            self._refused -= 1
            wire.close()
