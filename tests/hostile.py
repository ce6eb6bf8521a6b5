"""What hostile and broken clients do to an HTTP server; used on the server and on the real daemon."""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_PATIENCE_S = 30.0
MIB = 1024 * 1024

Where = Path | tuple[str, int]
"""The path of a Unix socket, or host and port."""


class Attacker:
    """Somebody with many sockets and bad intentions; what he leaves open is closed at the end.

    Args:
        path: where the server listens.
        target: a path to which something may be sent.
    """

    def __init__(self, path: Where, target: str) -> None:
        self.path = path
        self.target = target
        self.sockets: list[socket.socket] = []

    def connect(self) -> socket.socket:
        """Open a connection."""
        over_tcp = isinstance(self.path, tuple)
        client = socket.socket(socket.AF_INET if over_tcp else socket.AF_UNIX)
        self.sockets.append(client)
        # with a timeout it would not wait for room in the queue
        client.connect(self.path if over_tcp else str(self.path))
        client.settimeout(_PATIENCE_S)
        return client

    def head(self, *lines: str, method: str = "POST") -> bytes:
        """Return the head of a request to the target."""
        return "\r\n".join([f"{method} {self.target} HTTP/1.1", "Host: x", *lines, "", ""]).encode("latin-1")

    def say(self, *pieces: bytes) -> socket.socket:
        """Send something over a new connection, as far as it is taken."""
        client = self.connect()
        with contextlib.suppress(OSError):
            for piece in pieces:
                client.sendall(piece)
        return client

    def close(self) -> None:
        """Close whatever is open."""
        while self.sockets:
            self.sockets.pop().close()


def heard(client: socket.socket) -> bytes:
    """Return all that the server says until it closes."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(65536):
            data += piece
    return data


def _truncated_bodies(attacker: Attacker) -> None:
    for _ in range(50):
        attacker.say(attacker.head("Content-Length: 1000"), b"abc").close()
        attacker.say(attacker.head("Transfer-Encoding: chunked"), b"5\r\nab").close()
    client = attacker.say(attacker.head("Content-Length: 1000"), b"abc")
    client.shutdown(socket.SHUT_WR)
    assert heard(client).startswith(b"HTTP/1.1 4")


def _half_open(attacker: Attacker) -> None:
    for _ in range(50):
        attacker.say(attacker.head(method="GET")).shutdown(socket.SHUT_WR)
        attacker.connect().shutdown(socket.SHUT_WR)


def _slow_loris(attacker: Attacker) -> None:
    clients = [attacker.say(b"GET / HTTP/1.1\r\nHost: x\r\n") for _ in range(50)]
    assert all(heard(client).startswith(b"HTTP/1.1 408 ") for client in clients)


def _slow_bodies(attacker: Attacker) -> None:
    clients = [attacker.say(attacker.head("Content-Length: 10"), b"a") for _ in range(50)]
    assert all(heard(client).startswith(b"HTTP/1.1 4") for client in clients)


def _many_connections(attacker: Attacker) -> None:
    for _ in range(2_000):
        attacker.connect()


def _monstrous_body(attacker: Attacker) -> None:
    attacker.say(attacker.head(f"Content-Length: {100 * MIB}"), *[bytes(MIB)] * 100)
    attacker.say(attacker.head("Transfer-Encoding: chunked"), *[b"%x\r\n%b\r\n" % (MIB, bytes(MIB))] * 100)


def _bad_chunks(attacker: Attacker) -> None:
    for body in (b"xyz\r\n", b"-5\r\nhello\r\n", b"5\r\nhelloworld\r\n", b"fffffffffffffffffffff\r\n", b"5" * 70_000):
        answer = heard(attacker.say(attacker.head("Transfer-Encoding: chunked", "Connection: close"), body))
        assert answer.startswith(b"HTTP/1.1 4"), body[:50]


def _bad_heads(attacker: Attacker) -> None:
    for head, status in BAD_HEADS:
        answer = heard(attacker.say(head))
        assert answer.startswith(b"HTTP/1.1 %d " % status), head[:100]
        assert problem(answer)["status"] == status


BAD_HEADS = (
    (b"\x00\x01\x02\x03\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS
    (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", 400),
    (b"GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431),
    (b"GET /" + b"a" * 20_000, 431),
    (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    (b"CONNECT example.com:80 HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),  # HTTP/2 with prior knowledge
)


def _bad_upgrades(attacker: Attacker) -> None:
    upgrades = (
        ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings, close", "HTTP2-Settings: ***"),
        ("Upgrade: websocket", "Connection: Upgrade, close", "Sec-WebSocket-Key: x"),
        ("Upgrade: nonsense", "Connection: close"),
    )
    for lines in upgrades:
        answer = heard(attacker.say(attacker.head(*lines, method="GET")))
        assert answer.startswith(b"HTTP/1.1 "), lines
        assert b" 101 " not in answer[:20]


def _resets(attacker: Attacker) -> None:
    for _ in range(100):
        attacker.say(attacker.head(method="GET")).close()
        attacker.say(attacker.head("Content-Length: 5", method="POST"), b"hello").close()


def _pipelining(attacker: Attacker) -> None:
    last = attacker.head("Connection: close", method="GET")
    answer = heard(attacker.say(attacker.head(method="GET") * 200 + last))
    assert answer.count(b"HTTP/1.1 ") == 201
    attacker.say(attacker.head(method="GET") * 200).close()


def _byte_by_byte(attacker: Attacker) -> None:
    client = attacker.connect()
    for byte in attacker.head("Connection: close", method="GET"):
        client.sendall(bytes([byte]))
    assert heard(client).startswith(b"HTTP/1.1 ")


def _deaf(attacker: Attacker) -> None:
    for _ in range(5):
        client = attacker.connect()
        client.setblocking(False)
        with contextlib.suppress(OSError):
            while True:
                client.send(attacker.head(method="GET") * 100)


def _silent(attacker: Attacker) -> None:
    for _ in range(100):
        attacker.connect()


ATTACKS: dict[str, Callable[[Attacker], None]] = {
    attack.__name__.strip("_"): attack
    for attack in (
        _truncated_bodies,
        _half_open,
        _slow_loris,
        _slow_bodies,
        _many_connections,
        _monstrous_body,
        _bad_chunks,
        _bad_heads,
        _bad_upgrades,
        _resets,
        _pipelining,
        _byte_by_byte,
        _deaf,
        _silent,
    )
}
"""What may be done, by name. A function returns when it has done it; what it must hear it has asserted."""


@contextlib.contextmanager
def attacked(path: Where, target: str, name: str) -> Iterator[None]:
    """Attack a server; what the attacker leaves open stays open in the block."""
    attacker = Attacker(path, target)
    try:
        ATTACKS[name](attacker)
        yield
    finally:
        attacker.close()


def problem(answer: bytes) -> dict[str, Any]:
    """Return the problem details of an answer, which must have some."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower(), answer[:200]
    plain: dict[str, Any] = json.loads(body)
    return plain


def normal(path: Where, target: str, patience_s: float = _PATIENCE_S) -> bytes:
    """Return the answer to a well-formed GET; one that finds no room is repeated, as a client does."""
    deadline = time.monotonic() + patience_s
    while True:
        attacker = Attacker(path, target)
        try:
            answer = heard(attacker.say(attacker.head("Connection: close", method="GET")))
        except OSError:
            answer = b""
        finally:
            attacker.close()
        if answer and not answer.startswith(b"HTTP/1.1 503 "):
            return answer
        assert time.monotonic() < deadline, f"no answer, last {answer[:200]!r}"
