"""The ring: the events of the last moments as bytes, shared by all followers. Knows nothing of where they come from."""

from collections import deque
from collections.abc import Callable, Sequence

from attrs import define

from dialerd.operations.event_text import Row, event

Wanted = Callable[[str, str], bool]
"""Tells, from its kind and campaign, whether a follower wants an event."""


@define(eq=False, slots=True)
class Chunk:
    """Some events in order.

    Args:
        after: the id after which they are all that there are.
        last: id of the last of them.
        data: their text.
        items: of each its id, its kind, its campaign, and where its text ends.
    """

    after: int
    last: int
    data: bytes
    items: Sequence[tuple[int, str, str, int]]

    def part(self, after: int, wanted: Wanted | None) -> bytes:
        """Return the text of those with an id above `after` that are wanted; None = all are."""
        if after <= self.after and wanted is None:
            return self.data
        parts = []
        begin = 0
        for notice_id, kind, campaign, end in self.items:
            if notice_id > after and (wanted is None or wanted(kind, campaign)):
                parts.append(self.data[begin:end])
            begin = end
        return b"".join(parts)


def chunk(after: int, rows: Sequence[Row]) -> Chunk:
    """Return notices as text, each made into text once.

    Args:
        after: the id after which they are all that there are.
        rows: at least one.
    """
    items = []
    texts = []
    end = 0
    for row in rows:
        text = event(row)
        texts.append(text)
        end += len(text)
        items.append((row[0], row[1], row[2], end))
    return Chunk(after, rows[-1][0], b"".join(texts), items)


class Ring:
    """The newest chunks, without a gap, as far as memory goes.

    Args:
        most: bytes of text that are kept; the newest chunk always is.

    Attributes:
        last: the id up to which events are known.
    """

    def __init__(self, most: int) -> None:
        self.last = 0
        self._most = most
        self._size = 0
        self._chunks: deque[Chunk] = deque()

    def begin(self, last: int) -> None:
        """Begin anew after an id."""
        self.last = last
        self._size = 0
        self._chunks.clear()

    def add(self, chunk: Chunk) -> None:
        """Add the newest."""
        self.last = chunk.last
        self._chunks.append(chunk)
        self._size += len(chunk.data)
        while self._size > self._most and len(self._chunks) > 1:
            self._size -= len(self._chunks.popleft().data)

    def next_after(self, last: int) -> Chunk | None:
        """Return the chunk with the first event after an id below `self.last`; None = that is gone from the ring."""
        found: Chunk | None = None
        for one in reversed(self._chunks):  # nearly everybody wants the newest
            if one.last <= last:
                break
            found = one
            if one.after <= last:
                break
        return found if found is not None and found.after <= last else None
