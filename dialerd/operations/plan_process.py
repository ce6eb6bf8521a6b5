"""The process that makes one forecast for the daemon: `python -m dialerd.operations.plan_process`.

The task comes in pickled on its standard input, from the daemon to its own child; the forecast, or the faults of the
document, goes out as JSON, since a stranger's document was read here. A forecast takes over the event loop and a
processor, so it has a process of its own that the daemon can end.
"""

import os
import pickle
import signal
import sys
from pathlib import Path
from typing import Final

import msgspec
import structlog
from attrs import frozen

from dialerd.model.errors import Fault, InvalidInput
from dialerd.model.instants import Instant
from dialerd.model.plan_view import PlanView
from dialerd.model.settings import Settings
from dialerd.model.structuring import structure
from dialerd.model.unstructuring import unstructure
from dialerd.operations.forecast import simulated
from dialerd.operations.planned import plan_document

_NICE: Final = 15  # it takes a processor for seconds, and must not take it from calls
_NOBODY_ASKS_S: Final = 600  # after which it ends though nobody has ended it: its daemon is gone


@frozen(kw_only=True)
class Task:
    """What is to be forecast.

    Args:
        document: the campaign document in JSON, or the file that holds it.
        settings: the settings in force.
        start_at: from when.
    """

    document: bytes | Path
    settings: Settings
    start_at: Instant


@frozen(kw_only=True)
class Told:
    """What came of it: a plan, or why there is none.

    Args:
        plan: the forecast.
        faults: what is wrong with the document.
    """

    plan: PlanView | None = None
    faults: tuple[Fault, ...] = ()


def task_body(document: bytes | Path, settings: Settings, start_at: Instant) -> bytes:
    """Return what the process is given; of the trunks' options, which may hold secrets, only those of the simulator."""
    return pickle.dumps(Task(document=document, settings=simulated(settings), start_at=start_at))


def read_told(body: bytes) -> Told:
    """Return what the process said.

    Raises:
        ValueError: it said something else.
    """
    try:
        return structure(msgspec.json.decode(body), Told)
    except (InvalidInput, msgspec.DecodeError) as error:
        raise ValueError(str(error)) from error


def main() -> None:
    """Do the task on standard input, and tell what came of it on standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to every process; the daemon ends this one
    signal.alarm(_NOBODY_ASKS_S)
    os.nice(_NICE)
    # whatever a plugin prints goes to the log instead of into the answer
    outgoing = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # what a simulated engine has to say, of trunks that come up and calls that end, has not happened
    structlog.configure(processors=[_drop])
    task: Task = pickle.loads(sys.stdin.buffer.read())
    try:
        told = Told(plan=plan_document(task.document, task.settings, task.start_at))
    except InvalidInput as error:
        told = Told(faults=error.faults)
    with os.fdopen(outgoing, "wb") as out:
        out.write(msgspec.json.encode(unstructure(told)))


def _drop(*_: object) -> structlog.types.EventDict:
    raise structlog.DropEvent


if __name__ == "__main__":
    main()
