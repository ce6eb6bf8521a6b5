"""`GET /v1/events`: what happens, as server-sent events (WHATWG HTML, "Server-sent events")."""

from collections.abc import Callable
from typing import Final

import structlog
import trio
from attrs import frozen
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dialerd.api.endpoint import Asked, Endpoint
from dialerd.api.problems import RefusedRequest
from dialerd.model.errors import Fault, StoreError
from dialerd.operations.event_text import ALIVE, place
from dialerd.operations.events import Events
from dialerd.operations.follower import Follower

MEDIA: Final = "text/event-stream"

HEARTBEAT_S: Final = 15.0
"""Seconds of silence after which a comment is sent (what the standard's authoring notes advise)."""

_log = structlog.get_logger()


@frozen(kw_only=True)
class Following:
    """The query of a request for events.

    Args:
        campaign: id or alias of a campaign whose events are wanted; may be given several times.
        kind: how the kinds begin that are wanted, as `call.`; may be given several times.
        last_event_id: for clients that cannot send the header of that name.
    """

    campaign: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    last_event_id: int | None = None


class EventStream(Response):
    """An answer that goes on until the client leaves or the daemon ends.

    Args:
        events: what happens.
        query: what of it is wanted.
        after: id of the last event that the client has; None = it has none.
    """

    media_type = MEDIA

    def __init__(self, events: Events, query: Following, after: int | None) -> None:
        self._events = events
        self._query = query
        self._after = after
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream."""
        query = self._query
        async with self._events.follow(self._after, campaigns=query.campaign, kinds=query.kind) as follower:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            gone: OSError | None = None
            if scope["method"] != "HEAD":
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._until_gone, receive, nursery.cancel_scope.cancel)
                    gone = await self._stream(follower, send)
                    nursery.cancel_scope.cancel()
                if gone is not None:
                    raise gone  # bare, as the server knows it
        await send({"type": "http.response.body", "body": b""})

    async def _stream(self, follower: Follower, send: Send) -> OSError | None:
        """Send events until there will be none any more; return why no more can be sent, where that is so."""
        said = follower.last
        try:
            while True:
                data = b""
                with trio.move_on_after(HEARTBEAT_S):
                    data = await anext(follower)
                if not data:
                    data = ALIVE if follower.last == said else place(follower.last)
                said = follower.last
                await send({"type": "http.response.body", "body": data, "more_body": True})
        except StopAsyncIteration:
            return None
        except OSError as error:
            return error
        except StoreError as error:
            _log.debug("events.follower_let_go", error=error.what)  # it comes back, and goes on where it was
            return None

    async def _until_gone(self, receive: Receive, cancel: Callable[[], None]) -> None:
        """Cancel the stream when the client has left, or the server wants it to; not while it takes the last events."""
        while (await receive())["type"] != "http.disconnect":
            await trio.lowlevel.checkpoint()
        if not self._events.over:
            cancel()


def _last_event_id(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        message = "is none of this daemon's ids; leave it out to follow from now on"
        raise RefusedRequest(400, f"Last-Event-ID {message}", faults=[Fault("Last-Event-ID", message)])
    return int(text)


async def _follow(asked: Asked) -> Response:
    query: Following = asked.query
    told = _last_event_id(asked.request.headers.get("last-event-id", ""))
    after = query.last_event_id if told is None else told  # the header's is of the stream that broke off
    return EventStream(asked.operations.events, query, after)


EVENTS = Endpoint(
    method="GET",
    path="/v1/events",
    name="follow_events",
    summary="What happens, as server-sent events; Last-Event-ID goes on where a former stream ended",
    handle=_follow,
    query=Following,
    media=MEDIA,
)
