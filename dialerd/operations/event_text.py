"""Events as text: the lines of an event stream (WHATWG HTML, "Server-sent events").

Knows nothing of who reads them, nor over what.
"""

from typing import Any, Final

import msgspec

ALIVE: Final = b":\n\n"
"""A comment: says that the stream is alive, and nothing else."""

_RETRY_MS: Final = 2_000  # for how long a browser waits before it comes back

Row = tuple[int, str, str, str]
"""A notice as the store gives it: id, kind, campaign, body as JSON text."""


def event(row: Row) -> bytes:
    """Return a notice as an event."""
    notice_id, kind, _, body = row
    if "\n" in body or "\r" in body:  # in JSON they stand between tokens only
        body = body.replace("\r", " ").replace("\n", " ")
    return f"id: {notice_id}\nevent: {kind}\ndata: {body}\n\n".encode()


def place(last_id: int) -> bytes:
    """Return what says how far the stream has come without an event: a client that comes back goes on from there."""
    return b":\nid: %d\n\n" % last_id


def beginning(last_id: int) -> bytes:
    """Return what a stream begins with: how soon to come back, and from where it goes on."""
    return b"retry: %d\nid: %d\n\n" % (_RETRY_MS, last_id)


def lost(asked: int, after: int) -> bytes:
    """Return the event that says that events are missing.

    Args:
        asked: the id after which the client wanted to go on.
        after: the id after which it goes on instead.
    """
    body: dict[str, Any] = {"last_event_id": asked, "from": after + 1}
    return b"id: %d\nevent: lost\ndata: %b\n\n" % (after, msgspec.json.encode(body))
