"""A process whose children each add a large list to a campaign and kill themselves at another statement.

Usage: dying_additions.py TEMPLATE DIRECTORY. Leaves `N.db` and `N.told` in the directory: the store as the child left
it that died at its N-th statement, and whether it had been told that the list is published.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

from stored import NOW, batch, number

from dialerd.store import adding, recipients
from dialerd.store.counters import driver
from dialerd.store.database import connect

_LISTS = (range(100, 1_100), range(1_090, 2_100), range(20, 40), range(2_100, 3_000))


def work(path, told, last):
    """Add some lists, as one, to the campaign of key 1; die at the statement `last`."""
    engine = connect(f"sqlite:///{path}")
    connection = engine.connect()
    seen = 0

    def count(_):
        nonlocal seen
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)

    with connection.begin():
        driver(connection).set_trace_callback(count)
    with connection.begin():
        key = adding.begin(connection, 1, now=NOW)
    first = 1
    for numbers in _LISTS:
        with connection.begin():
            recipients.add(connection, key, batch([number(i) for i in numbers], first=first), into=1)
        first += len(numbers)
    with connection.begin():
        adding.publish(connection, key, 1)
    os.write(told, b"published")
    step = adding.Step.MOVED
    while step is adding.Step.MOVED:
        with connection.begin():
            step = adding.move_some(connection, key, now=NOW).step


def main(template, directory):
    """Let one child after the other die a statement later."""
    for last in range(1, 1_000):
        path = Path(directory, f"{last}.db")
        shutil.copyfile(template, path)
        told = os.open(path.with_suffix(".told"), os.O_WRONLY | os.O_CREAT)
        child = os.fork()
        if not child:
            work(path, told, last)
            os._exit(0)
        os.close(told)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            return
    raise SystemExit("the work never ends")


if __name__ == "__main__":
    main(*sys.argv[1:])
