"""The watchdog: signs of life come while the dispatcher moves, and only then."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio
from manager import Listener
from trio.testing import wait_all_tasks_blocked

from dialerd.daemon.systemd import Manager
from dialerd.daemon.watchdog import watch


class Beating:
    """Something that looks round when it is asked to, unless it is stuck."""

    def __init__(self) -> None:
        self.beats = 0
        self.storing = False
        self.stuck = False

    def wake(self) -> None:
        """Look round."""
        self.beats += not self.stuck


@asynccontextmanager
async def watched(directory: Path) -> AsyncIterator[tuple[Beating, Listener]]:
    """Watch something with ten seconds between signs, and hear of them."""
    listener, beating = Listener.below(directory), Beating()
    with closing(listener):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, beating, Manager(listener.address).alive, 10.0)
            await wait_all_tasks_blocked()
            yield beating, listener
            nursery.cancel_scope.cancel()


async def listen(listener: Listener, seconds: float) -> list[list[str]]:
    """Return what comes in that time; a queue holds a few messages only."""
    heard = []
    until = trio.current_time() + seconds
    while trio.current_time() < until:
        await trio.sleep(1)
        heard += listener.heard()
    return heard


async def test_signs_come_at_less_than_half_of_the_time(tmp_path, autojump_clock):
    """sd_watchdog_enabled(3) asks for every half of it; there is a look to spare."""
    async with watched(tmp_path) as (_, listener):
        assert await listen(listener, 41) == [["WATCHDOG=1"]] * 16


async def test_one_that_is_stuck_gives_no_sign(tmp_path, autojump_clock, logged):
    """The timer goes on and the dispatcher does not: that is told once in the log, and never to the manager."""
    async with watched(tmp_path) as (beating, listener):
        assert await listen(listener, 6)
        beating.stuck = True
        await listen(listener, 3)  # the look under way has knocked before
        logged.clear()
        assert await listen(listener, 60) == []
        assert [entry["event"] for entry in logged] in ([], ["watchdog.sign_withheld"])
        beating.stuck = False
        assert await listen(listener, 6)
        beating.stuck = True
        logged.clear()
        await listen(listener, 60)
        assert [entry["event"] for entry in logged] == ["watchdog.sign_withheld"]


async def test_waiting_for_the_disk_is_life(tmp_path, autojump_clock):
    """To end the daemon would not make the disk any faster."""
    async with watched(tmp_path) as (beating, listener):
        beating.stuck = beating.storing = True
        assert len(await listen(listener, 61)) == 24


async def test_a_dispatcher_that_has_ended_is_not_stuck(tmp_path, autojump_clock):
    """Nothing is left for it to move; the rest of the stop goes on, and is alive while the loop is."""
    listener, beating = Listener.below(tmp_path), Beating()
    beating.stuck, ended = True, False
    with closing(listener):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, beating, Manager(listener.address).alive, 10.0, lambda: ended)
            await wait_all_tasks_blocked()
            assert await listen(listener, 61) == []
            ended = True
            assert len(await listen(listener, 61)) == 24
            nursery.cancel_scope.cancel()


async def test_without_a_watchdog_nobody_watches(autojump_clock):
    """It returns at once where the manager wants no sign."""
    with trio.fail_after(1):
        await watch(Beating(), lambda: pytest.fail("nobody asked"), None)
