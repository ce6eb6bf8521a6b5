"""Opening a connection: TCP, and TLS over it, within a bounded time. Knows nothing of what goes over it."""

import errno
import os
import socket
import ssl
from typing import Final

import trio

from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.shell.addresses import Routes
from dialerd_sip.shell.errors import FlowError
from dialerd_sip.shell.streams import prepare
from dialerd_sip.shell.tls import Security, TlsLayer, client_context
from dialerd_sip.shell.waiting import readable, writable

_PATIENCE_S: Final = 4.0  # a call waits for this, and for its next target after it
_CONTEXT_S: Final = 600.0  # a certificate that was renewed is read again after that
_RECORD: Final = 65_536


async def shake(sock: socket.socket, layer: TlsLayer) -> None:
    """Take a TLS handshake to its end.

    Raises:
        ssl.SSLError: the peer cannot be trusted, or speaks no TLS.
        OSError: the connection was lost.
    """
    while True:
        try:
            over = layer.shake()
        finally:  # what went wrong is told to the peer, too
            out = layer.to_send()
            while out:
                try:
                    out = out[sock.send(out) :]
                except BlockingIOError:
                    await writable(sock)
        if over:
            return
        await readable(sock)
        try:
            data = sock.recv(_RECORD)
        except BlockingIOError:
            continue
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        layer.take(data)


class Dialler:
    """Opens connections.

    Args:
        routes: which address of ours they leave from.
    """

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._contexts: dict[Security, tuple[ssl.SSLContext, float]] = {}

    async def dial(self, flow: Flow, security: Security) -> tuple[socket.socket, TlsLayer | None]:
        """Open a connection and return its socket and its TLS, if it has any.

        Args:
            flow: where to.
            security: how TLS is checked.

        Raises:
            FlowError: it cannot be opened.
        """
        where = f"{flow.transport.value.upper()} to {flow.host} port {flow.port}"
        context = await self._context(security) if flow.transport is Transport.TLS else None
        with trio.move_on_after(_PATIENCE_S):
            sock = socket.socket(self._routes.family, socket.SOCK_STREAM)
            try:
                prepare(sock)
                if self._routes.source is not None:  # trunks that know us by our address
                    sock.bind((self._routes.source, 0))
                await _connect(sock, flow)
                if context is None:
                    return sock, None
                layer = TlsLayer(context, flow.name or flow.host)
                await shake(sock, layer)
            except BaseException as error:
                sock.close()
                if isinstance(error, ssl.SSLCertVerificationError):
                    raise FlowError(
                        f"{where}: the certificate is not to be trusted: {error.verify_message}; correct server, or "
                        "name its authority in tls_ca"
                    ) from error
                if isinstance(error, ssl.SSLError):
                    raise FlowError(f"{where}: no TLS comes about: {error.reason or error}") from error
                if isinstance(error, OSError):
                    raise FlowError(f"{where} fails: {error.strerror or error}") from error
                raise
            return sock, layer
        raise FlowError(f"{where} fails: no answer within {_PATIENCE_S:.0f} s")

    async def _context(self, security: Security) -> ssl.SSLContext:
        known = self._contexts.get(security)
        if known is not None and trio.current_time() < known[1]:
            return known[0]
        # some hundred certificates are read: tens of milliseconds
        context = await trio.to_thread.run_sync(client_context, security)
        self._contexts[security] = context, trio.current_time() + _CONTEXT_S
        return context


async def _connect(sock: socket.socket, flow: Flow) -> None:
    number = sock.connect_ex((flow.host, flow.port))
    if number == errno.EINPROGRESS:
        await writable(sock)
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        raise OSError(number, os.strerror(number))
