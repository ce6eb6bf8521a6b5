"""Lines of one pass of the event loop go out together, in order, and never later than a warning."""

import os
import threading

import pytest
import trio

from dialerd.daemon.gathering import Gathering
from dialerd.daemon.outlet import MOST_WAITING, Outlet


class Paper:
    """A way that keeps what is sent, or refuses it."""

    def __init__(self):
        self.sent = []
        self.full = False

    def send(self, item):
        """Keep an item."""
        if self.full:
            raise OSError(28, os.strerror(28))
        self.sent.append(item)


@pytest.fixture
def paper():
    """Return a way."""
    return Paper()


@pytest.fixture
def gathering(paper):
    """Return a gathering that ends there."""
    return Gathering(Outlet(paper, lambda count: b"lost %d\n" % count))


async def test_lines_of_one_pass_are_one_write(paper, gathering):
    """Nothing is written before the tasks that run now have run; then all of it, without another line's help."""
    for i in range(10):
        gathering.put(b"%d\n" % i, False)
    assert paper.sent == []
    with trio.fail_after(60):
        while not paper.sent:  # the loop's own pass is what is waited for
            await trio.lowlevel.checkpoint()
    assert paper.sent == [b"".join(b"%d\n" % i for i in range(10))]


async def test_a_warning_waits_for_nothing_and_takes_the_others_along(paper, gathering):
    """What tells of a crash is out before the next statement, behind what was logged before it."""
    gathering.put(b"a\n", False)
    gathering.put(b"b\n", True)
    assert b"".join(paper.sent) == b"a\nb\n"
    gathering.put(b"c\n", False)
    gathering.release()
    assert b"".join(paper.sent) == b"a\nb\nc\n"


async def test_many_lines_do_not_pile_up(paper, gathering):
    """A pass that logs without end writes in between."""
    for i in range(1_000):
        gathering.put(b"%d\n" % i, False)
    assert len(b"".join(paper.sent).splitlines()) >= 900


def test_outside_an_event_loop_each_line_is_written_at_once(paper, gathering):
    """Nobody would come back to it: in another thread, before the start, after the end."""
    gathering.put(b"a\n", False)
    thread = threading.Thread(target=gathering.put, args=(b"b\n", False))
    thread.start()
    thread.join()
    assert paper.sent == [b"a\n", b"b\n"]


async def test_what_waits_is_counted_line_by_line(paper, gathering):
    """A reader that is gone costs bounded memory, and the count of what was dropped is true."""
    paper.full = True
    for i in range(MOST_WAITING + 500):
        gathering.put(b"%d\n" % i, False)
    gathering.release()
    paper.full = False
    gathering.put(b"warning\n", True)
    told = b"".join(paper.sent).splitlines()
    kept = [int(line) for line in told if line.isdigit()]
    (lost,) = [int(line.split()[1]) for line in told if line.startswith(b"lost")]
    assert kept == list(range(len(kept)))
    assert len(kept) + lost == MOST_WAITING + 500
    assert told[-1] == b"warning"
