"""The daemon as `dialerctl` sees it: requests over its Unix socket, and what it objects to as exceptions."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote

import httpx
from attrs import frozen

from dialerd.cli.exits import Exit
from dialerd.cli.faults import Fault, nowhere, told
from dialerd.cli.output import moment
from dialerd.model.errors import DialerdError

_CONNECT_S: Final = 5.0
_ANSWER_S: Final = 600.0  # a million recipients are read before the answer comes
_PIECE: Final = 1 << 18
_PAGE: Final = 100


class Refused(DialerdError):
    """The daemon did not do what it was asked for.

    Args:
        message: why, in lines for a person.
        code: what `dialerctl` exits with.
        problem: what the daemon answered, or None.
    """

    def __init__(self, message: str, code: Exit, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.problem = problem


@frozen
class Client:
    """Sends requests to a daemon.

    Args:
        socket: its Unix socket.
    """

    socket: Path

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON that a path answers; what is None in the query is left out."""
        return self._json("GET", path, query=query)

    def post(
        self,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        key: str = "",
        place: Callable[[Fault], Fault] = nowhere,
    ) -> Any:
        """Send JSON and return the JSON that is answered.

        Args:
            path: where to.
            body: plain data; None = no body.
            query: parameters.
            key: idempotency key.
            place: returns a fault of the body with the place where its author finds it.
        """
        headers = {"Idempotency-Key": key} if key else {}
        return self._json("POST", path, place, query=query, headers=headers, json=body)

    def delete(self, path: str, **query: Any) -> None:
        """Delete what stands at a path."""
        self._json("DELETE", path, query=query)

    def upload(
        self, path: str, file: IO[bytes], kind: str, *, query: Mapping[str, Any] | None = None, key: str = ""
    ) -> Any:
        """Send a file of any size as the body and return the JSON that is answered.

        Args:
            path: where to.
            file: read to its end, never held as a whole.
            kind: its media type.
            query: parameters.
            key: idempotency key.
        """
        headers = {"Content-Type": kind} | ({"Idempotency-Key": key} if key else {})
        pieces = iter(lambda: file.read(_PIECE), b"")
        return self._json("POST", path, query=query, headers=headers, content=pieces)

    def items(self, path: str, *, most: int | None = None, **query: Any) -> Iterator[Any]:
        """Yield the items of a list, page by page.

        Args:
            path: of the list.
            most: how many at most; None = all.
            query: filters.
        """
        after = None
        left = most
        while left is None or left > 0:
            limit = _PAGE if left is None else min(left, _PAGE)
            page = self.get(path, limit=limit, after=after, **query)
            yield from page["items"]
            after = page["next"]
            if left is not None:
                left -= len(page["items"])
            if after is None:
                return

    @contextmanager
    def stream(self, path: str, *, headers: Mapping[str, str] | None = None, **query: Any) -> Iterator[httpx.Response]:
        """Open an answer that is read bit by bit; it may pause as long as it likes."""
        with (
            self._open(patience_s=None) as http,
            self._told(),
            http.stream("GET", path, params=_given(query), headers=dict(headers or {})) as answer,
        ):
            if answer.is_error:
                answer.read()
                raise _refusal(answer)
            yield answer

    def campaign(self, wanted: str) -> Any:
        """Return the campaign that is named by its id, its alias or else its name.

        Raises:
            Refused: several have that name; none has any of the three.
        """
        try:
            found = self.get(path_of("campaigns", wanted))
            if wanted in (found["id"], found["alias"]):
                return found
            problem = None
        except Refused as refused:
            if refused.code is not Exit.NOT_FOUND:
                raise
            problem = refused.problem
        named = [one for one in self.items("/v1/campaigns", name=wanted) if one["spec"]["name"] == wanted]
        if not named:
            words = f"there is no campaign with the id or the name {wanted!r}"
            raise Refused(words, Exit.NOT_FOUND, {**(problem or {}), "detail": words})
        if len(named) > 1:
            ids = "\n".join(f"  {one['id']}  {one['state']}, created {moment(one['created_at'])}" for one in named)
            raise Refused(f"{len(named)} campaigns are named {wanted!r}; name one by its id:\n{ids}", Exit.CONFLICT)
        return named[0]

    def _json(
        self,
        method: str,
        path: str,
        place: Callable[[Fault], Fault] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Any:
        with self._open() as http, self._told():
            answer = http.request(method, path, params=_given(query or {}), **more)
        if answer.is_error:
            raise _refusal(answer, place)
        return answer.json() if answer.content else None

    def _open(self, patience_s: float | None = _ANSWER_S) -> httpx.Client:
        timeout = httpx.Timeout(patience_s, connect=_CONNECT_S)
        transport = httpx.HTTPTransport(uds=str(self.socket))
        return httpx.Client(transport=transport, base_url="http://dialerd", timeout=timeout)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say what a failed connection means."""
        try:
            self.socket.stat()
        except OSError as error:
            raise Refused(self._no_way(error), Exit.UNREACHABLE) from error
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Refused(self._no_way(error), Exit.UNREACHABLE) from error
        except httpx.HTTPError as error:
            message = f"{self.socket}: the daemon did not answer to the end ({error or type(error).__name__})"
            raise Refused(f"{message}; see: journalctl -u dialerd", Exit.UNREACHABLE) from error

    def _no_way(self, error: BaseException) -> str:
        innermost = error
        while innermost.__context__ is not None:  # that is the system's own
            innermost = innermost.__context__
        if isinstance(innermost, PermissionError):
            return (
                f"{self.socket}: permission denied; only members of the socket's group may connect: become one "
                "(sudo adduser YOU dialerd, then log in again), or use sudo"
            )
        if isinstance(innermost, (FileNotFoundError, NotADirectoryError)):
            return (
                f"{self.socket} is not there: start dialerd (systemctl start dialerd), or name its socket with "
                "--socket or DIALERD_SOCKET"
            )
        return f"{self.socket} does not answer ({error}): is dialerd running? see: systemctl status dialerd"


def path_of(*steps: str) -> str:
    """Return the path of a thing, of which each step may be any text.

    Raises:
        Refused: a step is one that leads to another thing.
    """
    for step in steps:
        if step in ("", ".", ".."):
            raise Refused(f"nothing is called {step!r}", Exit.NOT_FOUND)
    return "/v1/" + "/".join(quote(step, safe="") for step in steps)


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


_CODES: Final = {404: Exit.NOT_FOUND, 409: Exit.CONFLICT}


def _refusal(answer: httpx.Response, place: Callable[[Fault], Fault] | None = None) -> Refused:
    """Return what an answer with a problem means (RFC 9457)."""
    code = _CODES.get(answer.status_code, Exit.FAILED)
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        return Refused(f"the daemon answered {answer.status_code}: {answer.text[:500]}", code)
    if place is not None:
        problem["errors"] = [place(fault) for fault in problem.get("errors") or ()]
    return Refused(told(problem), code, problem)
