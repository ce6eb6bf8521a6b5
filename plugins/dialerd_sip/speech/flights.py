"""One making for all who want the same thing at once. Knows nothing of what is made."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio

from dialerd_sip.speech.unfit import UnfitAgent

T = TypeVar("T")


class Flights(Generic[T]):
    """Makings under way, by key."""

    def __init__(self) -> None:
        self._landings: dict[str, _Landing[T]] = {}

    async def share(self, key: str, make: Callable[[], Awaitable[T]]) -> T:
        """Return what `make` makes, or what somebody makes already; where they are cancelled, another goes on.

        Args:
            key: what is made.
            make: makes it.

        Raises:
            UnfitAgent: it could not be made; all who waited for it are told.
        """
        while (landing := self._landings.get(key)) is not None:
            await landing.over.wait()
            if landing.made is not None:
                return landing.made[0]
            if landing.error is not None:  # each its own: a traceback grows with each raise
                raise UnfitAgent(str(landing.error), always=landing.error.always)
        landing = self._landings[key] = _Landing()
        try:
            made = await make()
            landing.made = (made,)
        except UnfitAgent as error:
            landing.error = error
            raise
        finally:
            del self._landings[key]
            landing.over.set()
        return made


class _Landing(Generic[T]):
    """How a making ended, once it has."""

    __slots__ = ("error", "made", "over")

    def __init__(self) -> None:
        self.over = trio.Event()
        self.made: tuple[T] | None = None
        self.error: UnfitAgent | None = None
