"""The hang-up: whoever watches it, by waiting or by being told, learns of it once."""

import signal
from typing import Any

import pytest
import trio
import trio.testing
from dialerd_simulator.timers import Timers
from trio.testing import MockClock

from dialerd.plugin.hangup import HangUp


async def test_it_wakes_who_waits_and_tells_who_is_to_be_told() -> None:
    """Set twice, it is told once; who comes later finds it set."""
    hangup = HangUp()
    told: list[str] = []
    hangup.notify(lambda: told.append("first"))
    hangup.notify(lambda: told.append("second"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hangup.wait)
        nursery.start_soon(hangup.wait)
        await trio.testing.wait_all_tasks_blocked()
        hangup.set()
        hangup.set()
    assert told == ["second"]
    hangup.notify(lambda: told.append("late"))
    assert told == ["second", "late"]
    await hangup.wait()


async def test_who_wants_to_be_told_no_more_is_not() -> None:
    """A callback that was taken back stays silent."""
    hangup = HangUp()
    told: list[str] = []
    hangup.notify(lambda: told.append("x"))
    hangup.notify(None)
    hangup.set()
    assert told == []


async def test_a_plugin_that_fails_when_it_is_told_hurts_nobody() -> None:
    """Whatever it raises stays here: whoever hangs up tells the other calls too."""
    hangup = HangUp()

    def fail() -> None:
        raise SystemExit(3)

    hangup.notify(fail)
    hangup.set()
    hangup.notify(fail)
    assert hangup.is_set()


class Unspeakable(Exception):
    """An exception that cannot be shown."""

    def __repr__(self) -> str:
        """Fail."""
        raise ValueError("no words")

    __str__ = __repr__


async def test_many_calls_of_a_plugin_that_fails_are_told_once_a_minute(
    logged: list[dict[str, Any]], autojump_clock: MockClock
) -> None:
    """Each is told to hang up, though the error cannot even be shown; the log has a line, and a count."""
    hung_up = 0

    def fail() -> None:
        nonlocal hung_up
        hung_up += 1
        raise Unspeakable

    for _ in range(2):
        for _ in range(100):
            hangup = HangUp()
            hangup.notify(fail)
            hangup.set()
        await trio.sleep(61)
    assert hung_up == 200
    assert [(entry["event"], entry["more"]) for entry in logged] == [("provider.deaf", 0), ("provider.deaf", 99)]
    assert [bool(entry["exc_info"]) for entry in logged] == [True, False]
    assert "Unspeakable, which cannot be shown" in logged[0]["error"]


def test_ctrl_c_while_a_plugin_is_told_ends_the_program() -> None:
    """It comes from the keyboard, and is not the plugin's fault."""

    async def main() -> None:
        hangup = HangUp()
        hangup.notify(lambda: signal.raise_signal(signal.SIGINT))
        hangup.set()

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)


async def test_timers_wake_each_at_its_time(autojump_clock: MockClock) -> None:
    """Time, hang-up and cancellation: each ends its own wait and nobody else's."""
    timers, hung = Timers(), HangUp()
    ends: dict[str, tuple[float, bool]] = {}

    async def wait(name: str, seconds: float, hangup: HangUp) -> None:
        was_hung_up = await timers.wait(seconds, hangup)
        ends[name] = round(trio.current_time(), 3), was_hung_up

    async with trio.open_nursery() as clock:
        clock.start_soon(timers.run)
        async with trio.open_nursery() as calls:
            for i in range(20):
                calls.start_soon(wait, f"plain {i}", (i % 5 + 1) / 10, HangUp())
            calls.start_soon(wait, "hung up", 5, hung)
            with trio.move_on_after(0.25) as cancelled:
                await timers.wait(9, HangUp())
            hung.set()
        clock.cancel_scope.cancel()
    assert cancelled.cancelled_caught
    assert ends.pop("hung up") == (0.25, True)
    assert ends == {f"plain {i}": ((i % 5 + 1) / 10, False) for i in range(20)}


async def test_a_hang_up_in_the_instant_of_the_end(autojump_clock: MockClock) -> None:
    """A call that is woken by its time and hung up before it runs is woken once."""
    timers, hangup = Timers(), HangUp()
    async with trio.open_nursery() as clock:
        clock.start_soon(timers.run)

        async def hang_up() -> None:
            await trio.sleep(1)
            for _ in range(3):
                hangup.set()
                await trio.lowlevel.checkpoint()

        clock.start_soon(hang_up)
        await timers.wait(1, hangup)
        assert trio.current_time() == 1
        clock.cancel_scope.cancel()
