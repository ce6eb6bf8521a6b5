"""The thread that notices an event loop that stands still, on real loops that are really blocked."""

import threading
import time

import pytest
import trio

from dialerd.daemon import stall
from dialerd.daemon.stall import Stall

PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Have the watcher look often."""
    monkeypatch.setattr(stall, "_LOOK_S", 0.02)
    monkeypatch.setattr(stall, "_BLOCKED_S", 0.8)
    monkeypatch.setattr(stall, "_STOPPED_S", 20.0)


def until(condition):
    """Wait, blocking, until a condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def run(work):
    """Run `work` under the eyes of a watcher."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Stall().run)
        await trio.sleep(0.1)
        await work()
        nursery.cancel_scope.cancel()


def names(logged):
    """Return the names of what was logged."""
    return [entry["event"] for entry in logged]


def test_a_loop_that_is_blocked_is_told_with_its_place(logged):
    """File, line and function of the culprit while it lasts, and that it is over afterwards."""

    async def work():
        until(lambda: "loop.blocked" in names(logged))
        with trio.fail_after(PATIENCE_S):
            while "loop.unblocked" not in names(logged):  # noqa: ASYNC110  # a thread logs it, and has no event
                await trio.sleep(0.02)

    trio.run(run, work)
    assert names(logged) == ["loop.blocked", "loop.unblocked"]
    assert logged[0]["at"].startswith(f"{__file__}:")
    assert logged[0]["at"].endswith(" in until") or logged[0]["at"].endswith(" in names")
    assert logged[0]["log_level"] == "error"
    assert logged[0]["blocked_s"] >= 0.8
    assert "report it" in logged[0]["remedy"]


def test_a_lock_is_told_with_who_waits_for_it(logged):
    """The innermost line of what is not Python's own, and besides it where exactly that stands."""
    freed = threading.Event()

    def free():
        until(lambda: "loop.blocked" in names(logged))
        freed.set()

    async def work():
        threading.Thread(target=free).start()
        freed.wait(PATIENCE_S)

    trio.run(run, work)
    assert logged[0]["at"].startswith(f"{__file__}:")
    assert logged[0]["at"].endswith(" in work")
    assert "threading.py" in logged[0]["inside"]


def test_it_is_told_again_while_it_goes_on(logged, monkeypatch):
    """Once a while, not at every look."""
    monkeypatch.setattr(stall, "_AGAIN_S", 0.3)

    async def work():
        until(lambda: names(logged).count("loop.blocked") == 3)

    began = time.monotonic()
    trio.run(run, work)
    assert time.monotonic() - began >= 0.8 + 2 * 0.3


def test_a_loop_that_is_idle_or_busy_is_left_alone(logged):
    """Nothing is said of a loop that sleeps, nor of one that works in short steps."""

    async def work():
        await trio.sleep(1.0)
        began = time.monotonic()
        while time.monotonic() < began + 1.0:
            time.sleep(0.05)  # noqa: ASYNC251  # a busy loop
            await trio.lowlevel.checkpoint()

    trio.run(run, work)
    assert logged == []


def test_the_thread_ends_with_the_task(logged):
    """Nothing is left of a watcher that was cancelled."""

    async def work():
        assert any(thread.name == "stall" for thread in threading.enumerate())

    trio.run(run, work)
    until(lambda: not any(thread.name == "stall" for thread in threading.enumerate()))
