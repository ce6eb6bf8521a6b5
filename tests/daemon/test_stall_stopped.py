"""A process that was stopped as a whole: nobody is blamed for it. The clock is made up, a real stop takes long."""

import pytest

from dialerd.daemon import stall
from dialerd.daemon.stall import Stall

STOPPED = (30.0, 0.0)
"""Half a minute for which nothing of the process ran."""


class Script:
    """The clocks of a process and the rests of the thread that looks, as they might be.

    Args:
        looks: before each look, for how many seconds the thread rested, and how many of them the processor was used.
    """

    def __init__(self, looks: list[tuple[float, float]]) -> None:
        self.now_s = self.cpu_s = 100.0
        self._looks = looks

    def wait(self, _seconds: float) -> bool:
        """Rest, and tell whether it is over."""
        if not self._looks:
            return True
        rested_s, used_s = self._looks.pop(0)
        self.now_s += rested_s
        self.cpu_s += used_s
        return False


@pytest.fixture
def play(monkeypatch, logged):
    """Return what plays looks at a loop that does not beat, and returns what was logged."""

    def play(*looks):
        script = Script(list(looks))
        monkeypatch.setattr(stall, "_now_s", lambda: script.now_s)
        monkeypatch.setattr(stall.time, "process_time", lambda: script.cpu_s)
        monkeypatch.setattr(stall.threading, "Event", lambda: script)
        logged.clear()
        Stall()._watch()
        return [entry["event"] for entry in logged]

    return play


def test_a_process_that_was_stopped_is_excused(play):
    """The loop could not beat either: it gets its time anew, and nobody is blamed before that is over."""
    looks = [(1.0, 0.0)] * 3
    assert play(STOPPED) == ["process.was_stopped"]
    assert play(STOPPED, *looks) == ["process.was_stopped"]
    assert play(STOPPED, *looks, *looks) == ["process.was_stopped", "loop.blocked"]


def test_who_keeps_the_thread_from_looking_is_not(play):
    """Whoever holds the interpreter's lock uses the processor meanwhile, and is told."""
    assert play((30.0, 29.0)) == ["loop.blocked"]
