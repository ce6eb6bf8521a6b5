"""Pages that are asked for: how long they may be, and where they go on."""

from collections.abc import Iterator
from contextlib import contextmanager

from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.wording import shown
from dialerd.store.scanning import BadCursor


def limit_faults(limit: int, most: int) -> list[Fault]:
    """Return what is wrong with the length of a page.

    Args:
        limit: how many are asked for.
        most: how many it may hold.
    """
    return [] if 1 <= limit <= most else [Fault("limit", f"{limit} is not between 1 and {most}")]


def check_limit(limit: int, most: int) -> None:
    """Look that a page may be so long.

    Raises:
        InvalidInput: it may not.
    """
    if faults := limit_faults(limit, most):
        raise InvalidInput(faults)


def place_fault(after: str) -> Fault:
    """Return the fault of a place that no page has given."""
    return Fault("after", f"{shown(after)} is not what the page before gave as next")


@contextmanager
def going_on(after: str | None) -> Iterator[None]:
    """Read a page that begins behind another one.

    Raises:
        InvalidInput: `after` is not what a page has given.
    """
    try:
        yield
    except BadCursor as error:
        raise InvalidInput([place_fault(after or "")]) from error
