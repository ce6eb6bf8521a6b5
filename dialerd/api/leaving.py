"""Work that ends when the client that asked for it has left. Knows nothing of what is worked on."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio
from starlette.requests import Request

from dialerd.api.problems import RefusedRequest

T = TypeVar("T")


async def unless_gone(request: Request, work: Callable[[], Awaitable[T]]) -> T:
    """Return what `work` returns; cancel it when the client leaves.

    Args:
        request: whose body has been read.
        work: changes nothing, so that it may end anywhere.

    Raises:
        RefusedRequest: the client has left; nobody reads it.
        Exception: whatever `work` raises.
    """
    failure: Exception | None = None
    results: list[T] = []
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        try:
            results.append(await work())
        except Exception as error:  # noqa: BLE001  # raised again, outside of the nursery, which would wrap it
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not results:
        raise RefusedRequest(400, "the client has left")
    return results[0]
