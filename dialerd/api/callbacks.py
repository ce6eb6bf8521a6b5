"""Carriers' callbacks over HTTP: an ASGI application that makes records of requests and answers of records.

A request's path is `/TRUNK/...`; what follows the trunk goes to its provider as it was sent, since carriers sign it so.
Bodies and queries hold numbers and worse, and go nowhere else. Knows nothing of carriers, nor of who answers.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import trio

from dialerd.api.connection import Receive, Send
from dialerd.plugin.callback import BODY_BYTES, CallbackAnswer, CallbackRequest

Ask = Callable[[str, CallbackRequest], Awaitable[CallbackAnswer]]
"""Answers a request to a trunk; unknown ones too."""

_METHODS: Final = ("GET", "POST")
_BODY_S: Final = 20.0  # a body of so few bytes is there by then, however little comes at a time

# RFC 9110, sections 6.6.1 and 7.6.1; RFC 9112, section 6: how the answer travels is the server's business
_OURS: Final = frozenset({"connection", "content-length", "date", "transfer-encoding", "keep-alive", "upgrade"})


class _Refused(Exception):
    """The request gets no further.

    Args:
        answer: what is answered instead.
    """

    def __init__(self, answer: CallbackAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class _Gone(Exception):
    """The client has gone, or what it sends is no HTTP, which the server tells it."""


class CallbackApp:
    """An ASGI 3 application.

    Args:
        ask: answers requests.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            answer = await self._answer(scope, receive)
        except _Refused as refused:
            answer = refused.answer
        except _Gone:
            return
        headers = [(name.lower(), value) for name, value in answer.headers if name.lower() not in _OURS]
        if answer.body:
            headers.insert(0, ("content-type", answer.content_type))
        raw = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: dict[str, Any], receive: Receive) -> CallbackAnswer:
        if scope["method"] not in _METHODS:
            raise _Refused(CallbackAnswer(status=405, headers=(("allow", ", ".join(_METHODS)),)))
        trunk, path = _split(scope["raw_path"])
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in scope["headers"]}
        request = CallbackRequest(
            method=scope["method"],
            path=path,
            query=scope["query_string"].decode("ascii"),
            headers=headers,
            body=await _body(headers.get("content-length", ""), receive),
        )
        return await self._ask(trunk, request)


def _split(raw_path: bytes) -> tuple[str, str]:
    """Return the trunk's name, decoded, and what follows it, not decoded.

    Raises:
        _Refused: there is no name, or nothing behind it.
    """
    name, slash, rest = raw_path.removeprefix(b"/").partition(b"/")
    try:
        trunk = unquote_to_bytes(name).decode()
    except UnicodeDecodeError:
        trunk = ""
    if not trunk or not slash:
        raise _Refused(CallbackAnswer(status=404))
    return trunk, "/" + rest.decode("ascii")


async def _body(length: str, receive: Receive) -> bytes:
    """Return the whole body.

    Args:
        length: what the request says of it.
        receive: gives it in pieces.

    Raises:
        _Refused: it is too long, or comes too slowly.
        _Gone: it did not come.
    """
    if length and int(length) > BODY_BYTES:  # h11 lets no other than a short row of digits through
        raise _Refused(CallbackAnswer(status=413))
    body = bytearray()
    with trio.move_on_after(_BODY_S):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            body += message["body"]
            if len(body) > BODY_BYTES:
                raise _Refused(CallbackAnswer(status=413))
            if not message["more_body"]:
                return bytes(body)
    raise _Refused(CallbackAnswer(status=408))
