"""TLS without a socket: bytes in and out, so that messages are sealed where they are sent. Knows nothing of SIP.

The name in a server's certificate is checked by the rules of the standard library: DNS names and IP addresses among
its subject's alternative names. RFC 5922 section 7.1 also knows URIs there (`sip:example.com`): a certificate with
nothing else is refused; none of the public authorities issues such.
"""

import ssl
from typing import Final

from attrs import frozen

from dialerd_sip.shell.errors import FlowError

_RECORD: Final = 65_536


@frozen(kw_only=True)
class Security:
    """How TLS is checked, and what we show.

    Args:
        ca: file with the certificates that the peer's is checked by; None = the system's.
        certificate: file with ours, or None.
        key: file with its key; None = it is in `certificate`.
    """

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


def client_context(security: Security) -> ssl.SSLContext:
    """Return what connections are opened with: TLS 1.2 or later, certificate and name checked.

    Raises:
        FlowError: a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=security.ca)
    except OSError as error:  # ssl.SSLError is one
        raise FlowError(f"cannot use the certificates of tls_ca {security.ca}: {error.strerror or error}") from error
    _show(context, security)
    return context


def server_context(security: Security) -> ssl.SSLContext:
    """Return what connections are accepted with; who may come in is a matter of addresses.

    Raises:
        FlowError: a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _show(context, security)
    return context


def _show(context: ssl.SSLContext, security: Security) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996 forbids what was before
    if security.certificate is None:
        return
    try:
        # a key that asks for a password would be asked for on a terminal; the empty one is refused instead
        context.load_cert_chain(security.certificate, security.key, password="")
    except OSError as error:
        raise FlowError(
            f"cannot use tls_certificate {security.certificate} with its key: {error.strerror or error}"
        ) from error


class TlsLayer:
    """The TLS of one connection.

    Args:
        context: what it is opened or accepted with.
        name: the name that the server's certificate must bear; None = we are the server.
    """

    __slots__ = ("_in", "_object", "_out")

    def __init__(self, context: ssl.SSLContext, name: str | None) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_side=name is None, server_hostname=name)

    def shake(self) -> bool:
        """Go on with the handshake and return whether it is over; `to_send` is then to be sent in any case.

        Raises:
            ssl.SSLError: the peer cannot be trusted, or speaks no TLS.
        """
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def take(self, data: bytes) -> None:
        """Take what came in."""
        self._in.write(data)

    def to_send(self) -> bytes:
        """Return what is to go out; it is forgotten then."""
        return self._out.read()

    def seal(self, data: bytes) -> bytes:
        """Return the bytes that carry `data`.

        Raises:
            ssl.SSLError: the connection is at its end.
        """
        self._object.write(data)
        return self._out.read()

    def unseal(self, data: bytes) -> bytes:
        """Take what came in and return what it carries.

        Raises:
            ssl.SSLError: it was tampered with, or the peer has said goodbye (SSLZeroReturnError).
        """
        self._in.write(data)
        parts: list[bytes] = []
        try:
            while part := self._object.read(_RECORD):
                parts.append(part)
        except ssl.SSLWantReadError:
            return b"".join(parts)
        if not parts:
            raise ssl.SSLZeroReturnError("the peer has closed the connection")
        return b"".join(parts)
