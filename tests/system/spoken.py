"""Requests over a socket of a place's daemon, where the instant counts: no process between, answers left unread."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

from attrs import field, frozen
from place import PATIENCE_S, Place, until

CHANGING = "dialerd.sock"
READING = "dialerd-ro.sock"
CUT = (OSError, HTTPException)
"""What a client sees of a daemon that was killed, or is not there."""


@frozen
class Heard:
    """An answer.

    Args:
        status: HTTP status.
        headers: by name in lower case.
        body: as it came.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's plain data."""
        return json.loads(self.body)


class Local(HTTPConnection):
    """A connection to a Unix socket.

    Args:
        path: the socket.
        patience_s: how long each step may take.
    """

    def __init__(self, path: Path, patience_s: float = PATIENCE_S) -> None:
        super().__init__("localhost", timeout=patience_s)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(self.timeout)
        try:
            client.connect(str(self._path))
        except OSError:
            client.close()
            raise
        self.sock = client


@frozen(kw_only=True)
class Saying:
    """A request that may be sent more than once.

    Args:
        method: upper case.
        path: with query.
        body: as it is sent.
        kind: its media type.
        headers: further ones.
    """

    method: str
    path: str
    body: bytes = b""
    kind: str = "application/json"
    headers: dict[str, str] = field(factory=dict)

    def send(self, place: Place, at: str = CHANGING) -> Local:
        """Send it and read nothing; the connection is the caller's to close."""
        connection = Local(place.root / at)
        typed = {"Content-Type": self.kind} if self.body else {}
        try:
            connection.request(self.method, self.path, self.body or None, {**typed, **self.headers})
        except CUT:
            connection.close()
            raise
        return connection

    def say(self, place: Place, at: str = CHANGING) -> Heard:
        """Send it and return the answer."""
        connection = self.send(place, at)
        try:
            return heard(connection.getresponse())
        finally:
            connection.close()


def heard(answer: HTTPResponse) -> Heard:
    """Return an answer, read to its end."""
    return Heard(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


def say(place: Place, method: str, path: str, body: Any = None, *, at: str = CHANGING, **headers: str) -> Heard:
    """Send a request with a JSON body; `headers` have _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = b"" if body is None else json.dumps(body).encode()
    return Saying(method=method, path=path, body=data, headers=named).say(place, at)


def made(place: Place, document: dict[str, Any], **headers: str) -> str:
    """Create a campaign and return its path."""
    answer = say(place, "POST", "/v1/campaigns", document, **headers)
    assert answer.status == 201, answer
    return "/v1/campaigns/" + str(answer.json["campaign"]["id"])


def until_answered(place: Place, path: str, check: Callable[[Any], Any], patience_s: float = PATIENCE_S) -> Any:
    """Ask until what is answered passes `check`, and return it."""
    deadline = time.monotonic() + patience_s
    while not check(found := say(place, "GET", path).json):
        assert time.monotonic() < deadline, f"waited {patience_s:g} s in vain; {path} answers {found}"
        time.sleep(0.1)
    return found


@contextmanager
def following(place: Place, at: str = READING) -> Iterator[Iterator[tuple[str, str, Any]]]:
    """Follow the events: give them as (id, kind, data) until the stream ends by itself."""
    connection = Local(place.root / at)
    connection.request("GET", "/v1/events")
    answer = connection.getresponse()
    assert answer.status == 200
    try:
        yield _events(answer)
    finally:
        connection.close()


def _events(answer: HTTPResponse) -> Iterator[tuple[str, str, Any]]:
    fields: dict[str, str] = {}
    while line := answer.readline():
        name, _, value = line.decode().rstrip("\n").partition(":")
        if name:
            fields[name] = value.removeprefix(" ")
        elif not line.strip():
            if "data" in fields:
                yield fields.get("id", ""), fields["event"], json.loads(fields["data"])
            fields = {}


def until_listening(place: Place, at: str = CHANGING) -> None:
    """Wait until somebody answers at a socket."""

    def answers() -> bool:
        try:
            return say(place, "GET", "/v1/status", at=at).status == 200
        except CUT:
            return False

    until(answers, f"{at} answers")
