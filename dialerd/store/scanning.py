"""Pages that look at a bounded number of rows, and the cursors that lead from one to the next.

Knows nothing of what the rows are.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

Row = Sequence[Any]


class BadCursor(ValueError):
    """A cursor that no page has given."""


def scan(rows: Iterable[Row], wanted: Callable[[Row], bool], *, limit: int, most: int) -> tuple[list[Row], Row | None]:
    """Take rows until there are enough, or enough were looked at.

    Args:
        rows: in the order of the page; no more are asked for than are needed.
        wanted: tells whether a row is.
        limit: how many are taken.
        most: how many are looked at.

    Returns:
        Those that are wanted, and the last one that was looked at; None = there are no more.
    """
    found: list[Row] = []
    last: Row | None = None
    for seen, row in enumerate(rows):
        if last is not None and (len(found) == limit or seen >= most):
            return found, last
        last = row
        if wanted(row):
            found.append(row)
    return found, None


def cursor_of(*place: int) -> str:
    """Return the cursor of a place, which is of numbers."""
    return ".".join(map(str, place))


def place_of(cursor: str | None, parts: int) -> tuple[int, ...] | None:
    """Return the place that a cursor stands for; None = the first page.

    Args:
        cursor: what `cursor_of` has given; None = the first page.
        parts: how many numbers a place has.

    Raises:
        BadCursor: it is no such cursor.
    """
    if cursor is None:
        return None
    words = cursor.split(".")
    if len(words) != parts or not all(word.isascii() and word.isdigit() and len(word) <= 18 for word in words):
        raise BadCursor(cursor)
    return tuple(map(int, words))
