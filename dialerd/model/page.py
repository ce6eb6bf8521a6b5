"""A page of a list, and where the next one begins."""

from collections.abc import Sequence
from typing import Generic, Self, TypeVar

from attrs import frozen

T = TypeVar("T")


@frozen(kw_only=True)
class Page(Generic[T]):
    """Some items of a list.

    Args:
        items: those of this page; with a filter there may be fewer than were asked for though more follow.
        next: what to ask with for the page after this one; None = there is none.
        total: how many there are in all, where that is counted; None = it is not.
    """

    items: Sequence[T]
    next: str | None = None
    total: int | None = None

    @classmethod
    def whole(cls, items: Sequence[T]) -> Self:
        """Return the page of a list that has one page only."""
        return cls(items=items, total=len(items))
