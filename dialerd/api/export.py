"""Lists as CSV, written page by page, so that a list of any length takes the memory of a page.

Knows nothing of addresses.
"""

import csv
import io
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final, TypeVar

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dialerd.api.rendering import plain
from dialerd.model.call_view import CallView, RecipientView
from dialerd.model.page import Page
from dialerd.model.suppression import Suppression
from dialerd.operations.operations import Operations

T = TypeVar("T")
Row = Sequence[Any]

_PAGE: Final = 100  # longer ones are no faster, and hold the event loop for longer

_RECIPIENT: Final = ("number", "position", "state", "final", "attempts", "next_at", "prompt", "variables", "metadata")
_CALL: Final = (
    "id",
    "state",
    "caller_id",
    "trunk",
    "claimed_at",
    "ringing_at",
    "answered_at",
    "ended_at",
    "outcome",
    "counted",
    "answered_by",
    "talk_s",
    "digits",
    "result",
)
_ENTRY: Final = ("number", "scope", "reason", "source", "expires_at")


class CsvAnswer(Response):
    """An answer with the rows of all pages, the first row of which is the header.

    Nothing is answered before the first page is there, so that what is wrong with the request can still be told.
    What goes wrong later breaks the answer off; a client sees that it is not whole.

    Args:
        pages: the rows.
    """

    media_type = "text/csv"

    def __init__(self, pages: AsyncGenerator[list[Row], None]) -> None:
        self._pages = pages
        super().__init__()
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream."""
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        async with aclosing(self._pages) as pages:
            first = await anext(pages)
            await send(start)
            if scope["method"] != "HEAD":
                await send({"type": "http.response.body", "body": _lines(first), "more_body": True})
                async for rows in pages:
                    await send({"type": "http.response.body", "body": _lines(rows), "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def recipient_rows(operations: Operations, campaign: str) -> AsyncGenerator[list[Row], None]:
    """Yield a line for every call of every recipient, and one for a recipient without calls."""

    async def page(after: str | None) -> Page[RecipientView]:
        return await operations.recipients.list(campaign, limit=_PAGE, after=after, calls=True)

    header: list[Row] = [[*_RECIPIENT, *("call_id" if name == "id" else f"call_{name}" for name in _CALL)]]
    async with aclosing(_pages(page)) as pages:
        async for items in pages:
            yield header + [row for recipient in items for row in _recipient(recipient)]
            header = []


def _recipient(recipient: RecipientView) -> list[Row]:
    own = _cells(plain(recipient, RecipientView), _RECIPIENT)
    calls = [_cells(plain(call, CallView), _CALL) for call in recipient.calls or ()]
    return [[*own, *call] for call in calls or [["" for _ in _CALL]]]


async def suppression_rows(operations: Operations, scope: str | None) -> AsyncGenerator[list[Row], None]:
    """Yield a line for every do-not-call entry; an import reads them back."""

    async def page(after: str | None) -> Page[Suppression]:
        return await operations.suppressions.list(scope=scope, limit=_PAGE, after=after)

    header: list[Row] = [_ENTRY]
    async with aclosing(_pages(page)) as pages:
        async for items in pages:
            yield header + [_cells(plain(entry, Suppression), _ENTRY) for entry in items]
            header = []


async def _pages(page: Callable[[str | None], Awaitable[Page[T]]]) -> AsyncGenerator[Sequence[T], None]:
    after = None
    while True:
        found = await page(after)
        yield found.items
        if (after := found.next) is None:
            return


def _cells(record: dict[str, Any], names: Sequence[str]) -> list[str]:
    return [_cell(record[name]) for name in names]


def _cell(value: Any) -> str:
    """Return a value as a cell: nothing where there is none, tables as JSON."""
    if value is None or value == {}:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _lines(rows: list[Row]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)  # RFC 4180, section 2
    return buffer.getvalue().encode()
