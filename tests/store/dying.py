"""A process whose children each work on a copy of a store and kill themselves at another statement.

Usage: dying.py TEMPLATE DIRECTORY. Leaves `N.db` and `N.told` in the directory: the store as the child left it that
died at its N-th statement, and the ids of the attempts that had been handed to it. Ends when a child outlives its work.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

from stored import NO_REST, NOW, ask, claim, end, number

from dialerd.model.states import AttemptState, Final, Outcome
from dialerd.store import campaigns, suppressions
from dialerd.store.counters import driver
from dialerd.store.database import connect
from dialerd.store.ending import Progress
from dialerd.store.turn import Turn, take


def work(path, told, last):
    """Take turns of every kind; die at the statement `last`."""
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

    def tell(answers):
        for answer in answers:
            for one in answer.claimed:
                os.write(told, f"{one.uid}\n".encode())

    for i in range(3):
        now = NOW + i * 100_000
        with connection.begin():
            answers = claim(connection, ask(1, 4, "p"), ask(2, 4, "q"), now=now)
        tell(answers)
        p, q = (answer.claimed for answer in answers)
        ended = [end(one, 1, now=now, answered_at=now - 5) for one in p[:2]]
        ended += [end(one, 2, now=now, final=None, outcome=Outcome.BUSY) for one in q[:2]]
        ended += [end(one, 2, now=now, final=None, refunded=True, bounded=True, outcome="congestion") for one in q[2:3]]
        news = [
            Progress(
                attempt_id=one.attempt_id,
                state=AttemptState.RINGING,
                ringing_at=now,
                answered_at=None,
                reference="r",
                provider_state=None,
            )
            for one in p[2:]
        ]
        with connection.begin():
            turn = Turn(ended=ended, progress=news, asks=[ask(1, 2, "p")], limits=NO_REST, now=now)
            answers = take(connection, turn)
        tell(answers)
        with connection.begin():
            suppressions.add(connection, [number(20 + i)], now=now)
    with connection.begin():
        campaigns.finish_pending_some(connection, 1, Final.EXPIRED, now=NOW)


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
