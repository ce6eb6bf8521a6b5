"""Connections that peers open: let in by address, bounded in number; TLS and plain on the same port, told apart by the
first byte (a TLS record of a handshake begins with 22: RFC 8446 section 5.1; no SIP message does).

Knows nothing of what goes over them.
"""

import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio

from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.shell.addresses import Routes
from dialerd_sip.shell.dialling import shake
from dialerd_sip.shell.errors import FlowError
from dialerd_sip.shell.streams import prepare
from dialerd_sip.shell.tls import Security, TlsLayer, server_context
from dialerd_sip.shell.waiting import close, readable

_log = structlog.get_logger()

_MOST: Final = 128  # connections at once
_TURN: Final = 16
_HANDSHAKE: Final = 22
_FIRST_BYTE_S: Final = 30.0  # a peer with nothing to say may come back when it has
_SHAKE_S: Final = 4.0
_PAUSE_S: Final = 1.0  # when the system has no descriptors left

Accepted = Callable[[Flow, socket.socket, TlsLayer | None], Awaitable[None]]


def listen_at(routes: Routes, host: str, port: int) -> socket.socket | None:
    """Return a socket that listens, or None where another process has the port."""
    sock = socket.socket(routes.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if routes.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(_MOST)
    except OSError:
        sock.close()
        return None
    return sock


class Listener:
    """Lets connections in.

    Args:
        sock: where they come in; None = nowhere.
        trusts: tells whether connections from an IP address are let in.
        accepted: awaited with each connection's flow, socket and TLS, for as long as it lasts.
        counts: `tcp_turned_away` is added to.
    """

    def __init__(
        self,
        sock: socket.socket | None,
        *,
        trusts: Callable[[str], bool],
        accepted: Accepted,
        counts: dict[str, int],
    ) -> None:
        self._sock = sock
        self._trusts = trusts
        self._accepted = accepted
        self._counts = counts
        self._security: Security | None = None
        self._context: ssl.SSLContext | None = None
        self._inside = 0

    def accept_with(self, security: Security) -> None:
        """Accept TLS too, with a certificate; its files are read now.

        Raises:
            FlowError: a file cannot be used.
        """
        if security.certificate is not None:
            self._context = server_context(security)

    def close(self) -> None:
        """Let nobody in any more."""
        if self._sock is not None:
            close(self._sock)

    async def run(self) -> None:
        """Let connections in until closed."""
        if self._sock is None:
            return
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    await readable(self._sock)
                except trio.ClosedResourceError:
                    nursery.cancel_scope.cancel()
                    return
                for _ in range(_TURN):
                    try:
                        sock, address = self._sock.accept()
                    except BlockingIOError:
                        break
                    except OSError as error:
                        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                            await trio.sleep(_PAUSE_S)
                        break
                    if self._inside >= _MOST or not self._trusts(address[0]):
                        self._counts["tcp_turned_away"] += 1
                        sock.close()
                        continue
                    self._inside += 1
                    nursery.start_soon(self._welcome, sock, address[0], address[1])

    async def _welcome(self, sock: socket.socket, host: str, port: int) -> None:
        try:
            prepare(sock)
            layer = await self._layer(sock)
            flow = Flow(Transport.TCP if layer is None else Transport.TLS, host, port)
            await self._accepted(flow, sock, layer)
        except (OSError, FlowError):
            self._counts["tcp_turned_away"] += 1
        finally:
            self._inside -= 1
            sock.close()

    async def _layer(self, sock: socket.socket) -> TlsLayer | None:
        first = b""
        with trio.move_on_after(_FIRST_BYTE_S):
            await readable(sock)
            first = sock.recv(1, socket.MSG_PEEK)
        if not first:
            raise FlowError("nothing came")
        if first[0] != _HANDSHAKE:
            return None
        if self._context is None:
            raise FlowError("no certificate for TLS is configured")
        layer = TlsLayer(self._context, None)
        with trio.move_on_after(_SHAKE_S):
            await shake(sock, layer)
            return layer
        raise FlowError("the handshake took too long")
