"""Things with tasks of their own that several share: the first to come opens, the last to leave closes.

Those who share come and go in any order, each in a task of its own: so the tasks belong to the event loop, not to who
came first. Knows nothing of what is shared.
"""

from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

import structlog
import trio

from dialerd.plugin.complaints import Complaints

_log = structlog.get_logger()

_PAUSE_S: Final = 1.0  # before what failed is set going again


class Runs(Protocol):
    """What can be shared."""

    async def run(self, started: Callable[[], None]) -> None:
        """Live until cancelled; `started` is called when it can be used."""

    def close(self) -> None:
        """Free at once what others may want to have; a second time does nothing."""


R = TypeVar("R", bound=Runs)

_shares: trio.lowlevel.RunVar[dict[Hashable, "_Share"]] = trio.lowlevel.RunVar("sip_shares")


class _Share:
    """What is shared, and by how many."""

    def __init__(self, thing: Runs) -> None:
        self.thing: Any = thing
        self.users = 0
        self.started = trio.Event()
        self.ended = trio.Event()
        self.scope = trio.CancelScope()

    async def run(self) -> None:
        complaints = Complaints()
        try:
            with self.scope:
                while True:
                    try:
                        await self.thing.run(self.started.set)
                    except Exception as error:  # noqa: BLE001  # in a task of the event loop it would end the daemon
                        complaints.tell(
                            _log.error,
                            "sip.endpoint_failed",
                            "run",
                            error=error,
                            trace=True,
                            over="run",
                            remedy="an error within dialerd's SIP plugin; the endpoint is started again: report it, "
                            "with this line",
                        )
                    await trio.sleep(_PAUSE_S)
        finally:
            self.thing.close()
            self.started.set()
            self.ended.set()


@asynccontextmanager
async def shared(key: Hashable, make: Callable[[], R]) -> AsyncIterator[R]:
    """Make a thing, or share the one that was made for the same key; the last to leave closes it, and waits until all
    its tasks have ended.

    Args:
        key: what tells it from others.
        make: makes it; what it raises is raised to the caller.
    """
    try:
        shares = _shares.get()
    except LookupError:
        shares = {}
        _shares.set(shares)
    share = shares.get(key)
    if share is None:
        share = shares[key] = _Share(make())
        trio.lowlevel.spawn_system_task(share.run, name=f"sip {key}")
    share.users += 1
    try:
        await share.started.wait()
        yield share.thing
    finally:
        share.users -= 1
        if share.users == 0:
            del shares[key]
            share.thing.close()  # the next to come may use the same port at once
            share.scope.cancel()
            with trio.CancelScope(shield=True):  # all its tasks are cancelled: this takes one turn of the loop
                await share.ended.wait()
