"""The SDK's requests on httpx, under trio: a connection pool, and the instant at which a request's first byte leaves.

Knows HTTP. Knows neither calls nor what a refusal means.

An *errand* is one request as its caller sees it: what has to be asked right before the first byte leaves, whether that
byte may have left, and what the answer's headers say that the SDK does not hand on. It travels in a context variable,
since the SDK takes no argument of ours along, and its exceptions have no headers.

The first byte. httpcore, below httpx, calls the `trace` function of a request at each step. Its event
`http11.send_request_headers.started` comes when a connection has been waited for, opened and secured, and is this
request's own; from there to the socket's `send` there is no checkpoint on a plain connection. Over TLS there is one:
trio's `SSLStream` takes a lock before it writes, and the tasks that are ready run meanwhile (measured: twice at most,
in this pass of the event loop and the next). So a pause that is set in that pass comes too late for a call whose first
byte leaves at the end of it, as if it had been set so much later. A proxy's CONNECT is a request of its own with the
same events, and is not meant.
"""

from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import contextmanager
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from functools import lru_cache
from logging import getLogger
from math import ceil, inf
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import httpx
import trio
from attrs import define, field
from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from dialerd.model.errors import DialerdError
from dialerd.model.instants import DAY, SECOND, Duration, Instant, to_instant
from dialerd_twilio.connections import Connections
from dialerd_twilio.manner import Asking, Manner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONNECTIONS: Final = 256
"""Requests that create calls, under way at once, and as many that change them: a hundred calls a second at two seconds
an answer. More wait for a connection, and `leave` is called only when they have one."""

QUESTIONS: Final = 128
"""Questions under way at once. They have places of their own: where the carrier is slow, those about two thousand calls
would otherwise keep others from being placed, and these from being ended."""

_IDLE_S: Final = 30.0  # shorter than the 60 s after which load balancers commonly close, so that few requests meet that
_MOST_BYTES: Final = 16 * 1024 * 1024  # of an answer; a page of 1,000 calls has about 1.5 MB

_FIRST_BYTE: Final = "http11.send_request_headers.started"
_CONNECTED: Final = "connection.connect_tcp.complete"
_NOT_SECURED: Final = frozenset({"connection.start_tls.failed", "proxy.start_tls.failed"})


class ProxyUnusable(DialerdError):
    """The environment names a proxy that cannot be used."""


class TooLong(DialerdError):
    """An answer that is longer than any that the API gives."""


@define(kw_only=True, slots=True, eq=False)
class Errand:
    """One request and what becomes of it.

    Args:
        leave: called right before the first byte leaves; what it raises passes out untouched, and nothing is sent.
        ready: awaited before that, when the request has its connection; what it raises passes out as well. How long it
            takes does not count as time for a connection or an answer.

    Attributes:
        sent: whether a byte may have left.
        stopped: what `leave` raised, or None.
        status: of the answer, or None where there is none.
        refusal: the answer's text, unless it is 2xx, or None.
        retry_after: value of the answer's Retry-After, or None.
        date: value of the answer's Date, or None.
    """

    leave: Callable[[], None] | None = None
    ready: Callable[[], Awaitable[None]] | None = None
    sent: bool = field(default=False, init=False)
    stopped: BaseException | None = field(default=None, init=False)
    status: int | None = field(default=None, init=False)
    refusal: str | None = field(default=None, init=False)
    retry_after: str | None = field(default=None, init=False)
    date: str | None = field(default=None, init=False)


_ERRAND: Final[ContextVar[Errand | None]] = ContextVar("errand", default=None)


@contextmanager
def on_errand(errand: Errand) -> "Iterator[Errand]":
    """Let the SDK's next request be this errand."""
    token = _ERRAND.set(errand)
    try:
        yield errand
    finally:
        _ERRAND.reset(token)


class Transport(AsyncHttpClient):  # type: ignore[misc]  # requests, which it imports, has no types
    """HTTP client of the SDK.

    HTTP/1.1, since the instant of a request's first byte can be told on a connection that it has to itself. Redirects
    are not followed: a POST that goes elsewhere is not what was asked for. The environment's HTTPS_PROXY, NO_PROXY and
    SSL_CERT_FILE are heeded, because a daemon in a closed network has no other way out.

    Args:
        timeout: how long a connection may take, and from the first byte on how long an answer may.
        manner: what the carrier has otherwise than Twilio, or None.

    Raises:
        ProxyUnusable: the environment names a proxy that cannot be used.
    """

    def __init__(self, timeout: Duration, manner: Manner | None = None) -> None:
        super().__init__(getLogger("twilio.http_client"), True, timeout / SECOND)
        self._manner = manner
        self._creations = trio.CapacityLimiter(CONNECTIONS)
        self._changes = trio.CapacityLimiter(CONNECTIONS)
        self._questions = trio.CapacityLimiter(QUESTIONS)
        try:
            self._connections = Connections(_IDLE_S)
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            raise ProxyUnusable(
                "the environment names a proxy that cannot be used; set HTTPS_PROXY to an http:// URL, or take "
                f"HTTPS_PROXY and ALL_PROXY out ({type(error).__name__})"
            ) from None

    async def aclose(self) -> None:
        """Close every connection."""
        await self._connections.aclose()

    async def request(  # noqa: PLR0917  # the SDK's signature
        self,
        method: str,
        uri: str,
        params: "Mapping[str, Any] | None" = None,
        data: "Mapping[str, Any] | None" = None,
        headers: "Mapping[str, str] | None" = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # the SDK's signature
        allow_redirects: bool = False,
    ) -> Response:
        """Send one request of the SDK's and return the answer, whatever its status.

        Raises:
            httpx.HTTPError: it was lost, or its answer was.
            trio.TooSlowError: the answer took too long.
            TooLong: the answer has no end.
        """
        errand = _ERRAND.get() or Errand()
        seconds = self.timeout or timeout or 0.0
        asking = Asking(method=method, uri=uri, data=data or {}, headers=headers or {}, auth=auth)
        request = _request(asking if self._manner is None else self._manner.ask(asking), params)
        with trio.CancelScope(deadline=trio.current_time() + seconds) as patience:
            async with self._places(method, errand):
                request.extensions["trace"] = _follow(errand, request.method.encode(), patience, seconds)
                client = self._connections.take()
                try:
                    answer = await client.send(request, stream=True)
                    try:
                        text = await _whole(answer)
                    finally:
                        with trio.CancelScope(shield=True):
                            await answer.aclose()
                except BaseException:
                    await self._connections.drop(client)
                    raise
                await self._connections.give(client)
            errand.status = answer.status_code
            errand.date = answer.headers.get("Date")
            if answer.status_code >= 300:
                errand.refusal = text
                errand.retry_after = answer.headers.get("Retry-After")
            elif self._manner is not None:
                text = self._manner.hear(text)
            return Response(answer.status_code, text, answer.headers)
        raise trio.TooSlowError(f"no answer within {seconds:g} s" if errand.sent else f"no connection in {seconds:g} s")

    def _places(self, method: str, errand: Errand) -> trio.CapacityLimiter:
        """Return the places for requests of a kind: only those that create a call have to be let go."""
        if errand.leave is not None:
            return self._creations
        return self._questions if method == "GET" else self._changes


def _request(asking: Asking, params: "Mapping[str, Any] | None") -> httpx.Request:
    url = _url(f"{asking.uri}?{urlencode(params, doseq=True)}" if params else asking.uri)
    sent = {"Host": url.netloc.decode("ascii"), "Accept-Encoding": "gzip", **asking.headers}
    if asking.auth is not None:
        sent["Authorization"] = _authorization(*asking.auth)
    content = asking.data if isinstance(asking.data, bytes) else urlencode(asking.data, doseq=True).encode()
    if content or asking.method != "GET":
        sent["Content-Length"] = str(len(content))
    return httpx.Request(asking.method, url, headers=sent, stream=_Body(content))


def _follow(
    errand: Errand, method: bytes, patience: trio.CancelScope, seconds: float
) -> Callable[[str, dict[str, Any]], Any]:
    """Return the trace function of a request."""

    opened: Any = None

    async def trace(event: str, info: dict[str, Any]) -> None:
        nonlocal opened
        if event == _FIRST_BYTE:
            if info["request"].method != method:  # a proxy's CONNECT
                return
            if errand.leave is not None:
                try:
                    if errand.ready is not None:
                        patience.deadline = inf
                        await errand.ready()
                    errand.leave()
                except BaseException as stopped:
                    errand.stopped = stopped
                    raise
            errand.sent = True
            patience.deadline = trio.current_time() + seconds
        elif event == _CONNECTED:
            opened = info["return_value"]
        elif event in _NOT_SECURED and opened is not None:
            with trio.CancelScope(shield=True):  # httpcore leaves it open where a cancellation was the reason
                await opened.aclose()

    return trace


async def _whole(answer: httpx.Response) -> str:
    """Read an answer to its end.

    Raises:
        TooLong: it goes on beyond any length.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async for part in answer.aiter_bytes():
            size += len(part)
            if size <= _MOST_BYTES:
                parts.append(part)
            elif not answer.is_closed:
                await answer.aclose()  # reading goes on until that is noticed: a generator left alone complains of it
    except httpx.HTTPError:
        if size <= _MOST_BYTES:
            raise
    if size > _MOST_BYTES:
        raise TooLong(f"the answer is longer than {_MOST_BYTES} bytes")
    return b"".join(parts).decode("utf-8", "replace")


class _Body(httpx.AsyncByteStream):
    """The body of a request. httpx's own is a generator, and trio warns of one that a cancellation leaves half way."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Parts(self._content)


class _Parts:
    """Gives the content once."""

    def __init__(self, content: bytes) -> None:
        self._content: bytes | None = content

    def __aiter__(self) -> "_Parts":
        return self

    async def __anext__(self) -> bytes:
        content, self._content = self._content, None
        if not content:
            raise StopAsyncIteration
        return content


@lru_cache(maxsize=64)
def _url(uri: str) -> httpx.URL:
    return httpx.URL(uri)


@lru_cache(maxsize=4)
def _authorization(username: str, password: str) -> str:
    """Return the header of HTTP Basic authentication, RFC 7617."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


def retry_after(value: str | None, now: Instant) -> Duration | None:
    """Return how long an answer asks to be left alone; None where it says nothing that can be read.

    Args:
        value: of Retry-After, seconds or a date (RFC 9110, section 10.2.3); a day at most is believed.
        now: the present instant.
    """
    if value is None:
        return None
    try:
        asked = ceil(float(value) * SECOND)
    except (ValueError, OverflowError):
        try:
            asked = to_instant(parsedate_to_datetime(value)) - now
        except (ValueError, OverflowError):
            return None
    return min(max(asked, 0), DAY)
