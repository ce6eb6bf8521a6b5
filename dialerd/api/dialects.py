"""Dialects on the socket: their routes, their keys, their answers, and what keeps the daemon up where one fails.

A plugin's code may raise anything at any of its doors: it costs the request, and is logged. Knows nothing of any one
dialect.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from hashlib import sha256
from typing import Any, Final

import msgspec
import structlog
import trio
from attrs import evolve, frozen
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route as HttpRoute
from starlette.types import Receive, Scope, Send

from dialerd.api.keys import Keys
from dialerd.api.once import OnceOnly, once_of
from dialerd.api.own import Own
from dialerd.api.problems import RefusedRequest
from dialerd.api.routes import refuse_method, target_of
from dialerd.model.errors import DialerdError, Fault, InvalidInput, TooLarge
from dialerd.operations.campaigns import CampaignOperations
from dialerd.plugin.dialect import Answer, Dialect, NotAllowed, Request, Route
from dialerd.plugin.raised import leaves, spare_ctrl_c, words

ONLY_ANSWERS: Final = "this socket only answers; changes go to the other one, [daemon] socket in dialerd.toml"
"""Why the read-only socket refuses a change."""

MAX_BODY: Final = 16 << 20
"""Bytes of a request's body; it is held in memory as a whole."""

_PLACE: Final = re.compile(r"\{(\w+)\}")

_log = structlog.get_logger()


@frozen
class _Offer:
    """A route, and whose it is."""

    dialect: Dialect
    route: Route

    def params(self, found: Mapping[str, str]) -> dict[str, str]:
        """Return what stands for the places of the route; routes of one shape may name them differently."""
        return {name: found[f"p{at}"] for at, name in enumerate(_PLACE.findall(self.route.path))}


class _Failed(Exception):
    """A dialect did what it must not; it was logged."""


def dialect_routes(
    dialects: Sequence[Dialect], campaigns: CampaignOperations, *, once_only: OnceOnly, keys: Keys | None = None
) -> list[HttpRoute]:
    """Return a route for every path of the dialects.

    Args:
        dialects: of two with the same method and path the first is asked.
        campaigns: what they may do, each with its own.
        once_only: minds idempotency keys.
        keys: the accepted keys.
    """
    places: dict[str, dict[str, _Offer]] = {}
    for dialect in dialects:
        for route in dialect.routes:
            numbers = iter(range(route.path.count("{")))
            shape = _PLACE.sub(lambda _: f"{{p{next(numbers)}}}", route.path)  # noqa: B023  # used up at once
            places.setdefault(shape, {}).setdefault(route.method, _Offer(dialect, route))
    keys = keys or Keys()
    return [HttpRoute(shape, _Place(offers, campaigns, keys, once_only)) for shape, offers in places.items()]


class _Place:
    """Whatever dialects answer at one path; an ASGI application, so that every method comes here."""

    def __init__(
        self, offers: Mapping[str, _Offer], campaigns: CampaignOperations, keys: Keys, once_only: OnceOnly
    ) -> None:
        self._offers = offers
        self._campaigns = campaigns
        self._keys = keys
        self._once_only = once_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = HttpRequest(scope, receive)
        try:
            response = await self._answer(http)
        except _Failed as error:
            raise RefusedRequest(500, "the plugin of this request failed; the daemon's log says how") from error
        await response(scope, receive, send)

    async def _answer(self, http: HttpRequest) -> Response:
        method = "GET" if http.method == "HEAD" else http.method
        if (offer := self._offers.get(method)) is None:
            refusal = refuse_method(list(self._offers), http.method)
            return _barred(next(iter(self._offers.values())), http, refusal)
        state = http.scope["state"]
        state["changes"] = method != "GET"
        if state["changes"] and state.get("read_only"):
            return _barred(offer, http, RefusedRequest(403, ONLY_ANSWERS))
        body = await _body(http)
        asked = evolve(_request(http, body or b""), params=offer.params(http.path_params))
        if body is None:
            large = TooLarge("the body is larger than 16 MiB; send fewer recipients at once")
            return _response(offer, _failed(offer, asked, large))
        if (refused := await self._refused(offer, asked)) is not None:
            return _response(offer, refused)
        return await self._once(offer, asked, http)

    async def _refused(self, offer: _Offer, asked: Request) -> Answer | None:
        """Return what is answered to a request without an accepted key, or None where it has one or needs none."""
        if (file := self._campaigns.settings.dialects.keys_file) is None:
            return None
        token = _told(offer, "token", lambda: offer.dialect.token(asked))
        if isinstance(token, str) and await self._keys.accept(file, token):
            return None
        answer = _told(offer, "refused", lambda: offer.dialect.refused(asked, token is not None))
        return _sound(offer, "refused", answer)

    async def _once(self, offer: _Offer, asked: Request, http: HttpRequest) -> Response:
        """Carry the request out, if it was not yet."""
        once = None
        if offer.route.creates:
            try:
                once = once_of(
                    asked.headers,
                    method=asked.method,
                    target=target_of(http.scope),
                    media=asked.headers.get("content-type", ""),
                    digest=sha256(asked.body).digest(),
                )
            except RefusedRequest as error:
                return _response(offer, _failed(offer, asked, InvalidInput([Fault("", error.detail)])))

        async def make() -> Response:
            return _response(offer, await self._handled(offer, evolve(asked, once=once)))

        try:
            return await self._once_only.answered(once, make, http.scope["state"])
        except RefusedRequest:
            raise
        except DialerdError as error:  # of the key itself
            return _response(offer, _failed(offer, asked, error))

    async def _handled(self, offer: _Offer, asked: Request) -> Answer:
        try:
            answer = await offer.route.handle(asked, Own(self._campaigns, offer.dialect.name))
        except Exception as error:  # noqa: BLE001  # a third party's code may raise anything; its dialect has words for it
            return _failed(offer, asked, error)
        except BaseException as error:
            _spare(error)
            raise _failure(offer, "handle", error) from error
        return _sound(offer, "handle", answer)


async def _body(http: HttpRequest) -> bytes | None:
    """Return a request's body, or None where it is larger than it may be.

    Raises:
        RefusedRequest: it did not arrive whole.
    """
    pieces: list[bytes] = []
    size = 0
    try:
        async with aclosing(http.stream()) as arriving:
            async for piece in arriving:
                size += len(piece)
                if size > MAX_BODY:
                    return None
                pieces.append(piece)
    except ClientDisconnect as error:
        raise RefusedRequest(400, "the body did not arrive whole; nothing was done") from error
    return b"".join(pieces)


def _request(http: HttpRequest, body: bytes) -> Request:
    headers = {name.lower(): value for name, value in http.headers.items()}
    scheme = headers.get("x-forwarded-proto", "http")
    return Request(
        method="GET" if http.method == "HEAD" else http.method,
        path=http.url.path,
        query=dict(http.query_params),
        headers=headers,
        body=body,
        base_url=f"{scheme if scheme in ('http', 'https') else 'http'}://{headers.get('host') or 'localhost'}",
        request_id=http.scope["state"].get("request_id", ""),
    )


def _barred(offer: _Offer, http: HttpRequest, refused: RefusedRequest) -> Response:
    """Return how the dialect words a refusal whose status and headers are not its own to choose."""
    answer = _failed(offer, _request(http, b""), NotAllowed(refused.status, refused.detail))
    return _response(offer, evolve(answer, status=refused.status, headers={**answer.headers, **refused.headers}))


def _failed(offer: _Offer, asked: Request, error: Exception) -> Answer:
    """Return how the dialect answers an error; what only a fault in a program can raise is logged."""
    if not isinstance(error, DialerdError):
        _log_failure(offer, "handle", error)
    return _sound(offer, "failed", _told(offer, "failed", lambda: offer.dialect.failed(asked, error)))


def _told(offer: _Offer, door: str, ask: Callable[[], Any]) -> Any:
    """Return what a dialect says.

    Raises:
        _Failed: it raised.
    """
    try:
        return ask()
    except BaseException as error:
        _spare(error)
        raise _failure(offer, door, error) from error


def _sound(offer: _Offer, door: str, answer: Any) -> Answer:
    """Return what a dialect gave, if it is an answer.

    Raises:
        _Failed: it is none.
    """
    if isinstance(answer, Answer) and isinstance(answer.status, int) and 200 <= answer.status <= 599:
        return answer
    raise _failure(offer, door, TypeError(f"it returned {words(answer)}, which is no answer"))


def _response(offer: _Offer, answer: Answer) -> Response:
    try:
        content = b"" if answer.body is None else msgspec.json.encode(answer.body)
        media = None if answer.body is None else "application/json"
        return Response(content, answer.status, dict(answer.headers), media)
    except Exception as error:  # a third party's values may be anything
        raise _failure(offer, "answer", error) from error


def _failure(offer: _Offer, door: str, error: BaseException) -> _Failed:
    _log_failure(offer, door, error)
    return _Failed(offer.dialect.name)


def _log_failure(offer: _Offer, door: str, error: BaseException) -> None:
    _log.error(
        "dialect.failed",
        dialect=offer.dialect.name,
        door=door,
        path=offer.route.path,
        error=words(error),
        remedy="report it to the author of the plugin with this line; other requests are answered",
        exc_info=error if isinstance(error, Exception) else None,
    )


def _spare(error: BaseException) -> None:
    """Raise again what is not a plugin's: the user's Ctrl-C, and a cancellation."""
    spare_ctrl_c(error)
    if any(isinstance(leaf, trio.Cancelled) for leaf in leaves(error)):
        raise error
