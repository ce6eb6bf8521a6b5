"""Far ends for the tests of sockets: plain sockets that are read and written by the test itself."""

import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from dialerd_sip.core.flow import Flow, Transport
from dialerd_sip.core.message import Request

_opened: list[trio.socket.SocketType] = []


@pytest.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    """Close the far ends' sockets after each test that imports this."""
    yield
    while _opened:
        _opened.pop().close()


def message(call_id: str = "one", *, method: str = "OPTIONS", body: str = "", branch: str = "z9hG4bKone") -> bytes:
    """Return a request as a far end sends it."""
    return (
        f"{method} sip:dialerd@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:5999;rport;branch={branch}\r\n"
        "From: <sip:far@example.com>;tag=far\r\n"
        "To: <sip:dialerd@127.0.0.1>\r\n"
        f"Call-ID: {call_id}\r\n"
        f"CSeq: 1 {method}\r\n"
        "Max-Forwards: 70\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def question(flow: Flow, branch: str = "z9hG4bKours") -> Request:
    """Return a request of ours, for a transaction."""
    via = f"SIP/2.0/{flow.transport.value.upper()} 127.0.0.1:5060;branch={branch}"
    return Request(
        "OPTIONS",
        f"sip:{flow.host}:{flow.port}",
        [
            ("Via", via),
            ("From", "<sip:dialerd@example.com>;tag=ours"),
            ("To", "<sip:far@example.com>"),
            ("Call-ID", branch),
            ("CSeq", "1 OPTIONS"),
            ("Max-Forwards", "70"),
        ],
    )


class Asker:
    """Asks something, and notes what becomes of it."""

    def __init__(self) -> None:
        self.over = trio.Event()
        self.status: int | None = None
        self.why: str | None = None

    def answered(self, transaction, response, now) -> None:
        """Note an answer."""
        self.status = response.status
        self.over.set()

    def unanswered(self, transaction, why, now) -> None:
        """Note that there is none."""
        self.why = why
        self.over.set()


def ask(endpoint, flow: Flow, branch: str = "z9hG4bKours") -> Asker:
    """Send a request over an endpoint and return who waits for the answer."""
    asker = Asker()
    endpoint.ua.transactions.request(question(flow, branch), flow, asker, endpoint.now)
    endpoint.pump()
    return asker


async def udp_peer(host: str = "127.0.0.1", port: int = 0) -> tuple[trio.socket.SocketType, Flow]:
    """Return a UDP socket of a far end, and the flow to it."""
    sock = trio.socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    _opened.append(sock)
    await sock.bind((host, port))
    return sock, Flow(Transport.UDP, host, sock.getsockname()[1])


async def tcp_peer(
    transport: Transport = Transport.TCP, name: str | None = None, port: int = 0
) -> tuple[trio.SocketListener, Flow]:
    """Return a listening socket of a far end, and the flow to it."""
    (listener,) = await trio.open_tcp_listeners(port, host="127.0.0.1")
    _opened.append(listener.socket)
    return listener, Flow(transport, "127.0.0.1", listener.socket.getsockname()[1], name)


async def accept(listener: trio.SocketListener) -> trio.SocketStream:
    """Return the far end's side of a connection that we open."""
    with trio.fail_after(60):
        stream = await listener.accept()
    _opened.append(stream.socket)
    return stream


async def dial(port: int) -> trio.SocketStream:
    """Return a connection that a far end opens to a port of ours."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    _opened.append(stream.socket)
    return stream


def certificate(folder: Path, name: str) -> tuple[str, str]:
    """Return files with a certificate for a name, which vouches for itself, and with its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(  # OpenSSL is there where Python's ssl is; the command comes with Debian's
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout {key} -out {cert} "
        f"-subj /CN={name} -addext subjectAltName=DNS:{name}".split(),
        check=True,
        capture_output=True,
    )
    return str(cert), str(key)
