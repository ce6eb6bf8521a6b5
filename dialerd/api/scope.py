"""What an application is told of a request: the ASGI 3 scope, made of a head that h11 has read.

What must not get to an application is refused here. Knows nothing of connections.
"""

from typing import Any, Final
from urllib.parse import unquote

import h11

from dialerd.api.limits import HEAD_BYTES
from dialerd.api.peer import Peer
from dialerd.api.refusal import request_id

_ASGI: Final = {"version": "3.0", "spec_version": "2.4"}
_VERSIONS: Final = {b"1.1": "1.1", b"1.0": "1.0"}


class BadRequest(Exception):
    """A request that cannot be given to the application.

    Args:
        status: of the answer.
        detail: what is wrong with it.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def scope_of(
    request: h11.Request,
    *,
    server: tuple[str, int | None],
    client: tuple[str, int] | None,
    peer: Peer | None,
    read_only: bool,
) -> dict[str, Any]:
    """Return what the application is told of a request.

    Args:
        request: its head.
        server: the socket it came over, as ASGI has it.
        client: the address it came from; None = it came over a Unix socket.
        peer: the process that asks; None = it came over TCP.
        read_only: whether it may change nothing.

    Raises:
        BadRequest: it must not get there.
    """
    version = _VERSIONS.get(request.http_version)
    if version is None:
        raise BadRequest(505, "write HTTP/1.1; newer and older versions are not spoken here")
    if request.method == b"CONNECT":
        raise BadRequest(501, "CONNECT is not done here: ask for a path")
    headers = [(name, bytes(value)) for name, value in request.headers]
    given, framed, length = None, 0, len(request.target)
    for name, value in headers:
        length += len(name) + len(value)
        if name == b"x-request-id":
            given = value
        elif name == b"content-length":
            framed += 1
        elif name == b"transfer-encoding":
            framed += 1 if version == "1.1" else 2
    if length > HEAD_BYTES:  # h11 looks at those only that came in pieces
        raise BadRequest(431, f"the request's head may have {HEAD_BYTES} bytes; send less in its headers")
    if framed > 1:  # RFC 9112, section 6.3: somebody before us may have seen another end of the request
        raise BadRequest(400, "send Content-Length or, in HTTP/1.1, Transfer-Encoding, and one of them only")
    path, query = _target(request.target)
    return {
        "type": "http",
        "asgi": _ASGI,
        "http_version": version,
        "method": request.method.decode("ascii").upper(),
        "scheme": "http",
        "path": unquote(path.decode("ascii")) if b"%" in path else path.decode("ascii"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": client,
        "server": server,
        "state": {"peer": peer, "read_only": read_only, "request_id": request_id(given)},
        "extensions": {},
    }


def _target(target: bytes) -> tuple[bytes, bytes]:
    """Return path and query of a request's target: RFC 9112, section 3.2."""
    path, _, query = target.partition(b"?")
    if not path.startswith(b"/") and path != b"*":
        scheme, found, rest = path.partition(b"://")
        if not found or scheme.lower() not in (b"http", b"https"):
            raise BadRequest(400, "ask for a path that begins with /")
        path = b"/" + rest.partition(b"/")[2]
    return path, query
