"""A plugin's work in a task of its own, so that whoever waits for it can stop waiting, whatever the plugin does."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio

from dialerd.engine.breach import meant

T = TypeVar("T")


class Apart(Generic[T]):
    """Work that goes on in a task of its own.

    Args:
        nursery: whose task it is.
        work: what is awaited there.
        arguments: of `work`.

    Attributes:
        done: set when it has come to an end.
    """

    def __init__(self, nursery: trio.Nursery, work: Callable[..., Awaitable[T]], *arguments: object) -> None:
        self.done = trio.Event()
        self._work = work
        self._arguments = arguments
        self._scope = trio.CancelScope()
        self._results: list[T] = []
        self._error: BaseException | None = None
        nursery.start_soon(self._run)

    async def _run(self) -> None:
        try:
            with self._scope:
                self._results.append(await self._work(*self._arguments))
        except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
            self._error = meant(error)
        finally:
            self.done.set()

    async def result(self) -> T:
        """Wait until it has come to an end; return what it returned, or raise what it raised."""
        await self.done.wait()
        if self._error is not None:
            raise self._error
        if not self._results:
            raise TimeoutError("it was left")
        return self._results[0]

    def leave(self) -> None:
        """Wait for it no more; it is cancelled, and if it does not let itself be, its end means nothing."""
        self._scope.cancel()
