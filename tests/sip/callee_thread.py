"""A scripted callee in a thread of its own, on the real clock: for tests that start the real daemon."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import trio
from attrs import define, field
from callee import Callee


@define
class _Running:
    place: str = ""
    token: trio.lowlevel.TrioToken | None = None
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    up: threading.Event = field(factory=threading.Event)
    error: BaseException | None = None


@contextmanager
def serving(callee: Callee, port: int = 0) -> Iterator[str]:
    """Let a callee be there, and yield host:port; what it counts may be read from any thread.

    Raises:
        BaseException: what ended the callee before its time.
    """
    running = _Running()

    async def main() -> None:
        running.token = trio.lowlevel.current_trio_token()
        with running.scope:
            async with callee.serve(port) as running.place:
                running.up.set()
                await trio.sleep_forever()

    def run() -> None:
        try:
            trio.run(main)
        except BaseException as error:  # noqa: BLE001  # raised again in the thread of the test
            running.error = error
        finally:
            running.up.set()

    thread = threading.Thread(target=run, name="callee")
    thread.start()
    running.up.wait()
    try:
        if running.error is None:
            yield running.place
    finally:
        if running.token is not None and thread.is_alive():
            running.token.run_sync_soon(running.scope.cancel)
        thread.join()
        if running.error is not None:
            raise running.error
