"""Forecasts of campaigns that are not stored, made in a process of their own, one at a time."""

import os
import sys
from pathlib import Path
from typing import Final

import trio

import dialerd
from dialerd.model.errors import DialerdError, Fault, InvalidInput, WrongState
from dialerd.model.instants import Instant
from dialerd.model.plan_view import PlanView
from dialerd.operations import plan_process
from dialerd.operations.ground import Ground

PATIENCE_S: Final = 300.0
"""Seconds that a forecast may take: 10,000 people over ten days take some ten of them."""


MOST_WAITING: Final = 16
"""Forecasts that may wait for their turn; each holds its document."""


class PlanFailed(DialerdError):
    """The process that makes forecasts could not be started, or died."""


class Plans:
    """Makes forecasts.

    Args:
        ground: what it stands on.
        patience_s: seconds that one may take.
    """

    def __init__(self, ground: Ground, patience_s: float = PATIENCE_S) -> None:
        self._ground = ground
        self._patience_s = patience_s
        self._turn = trio.Lock()

    async def plan(self, document: bytes | Path, start: Instant | None = None) -> PlanView:
        """Forecast a campaign; nothing is stored, and the process that does it is killed when this is cancelled.

        Args:
            document: a campaign document in JSON as it is sent to be created, or the file that holds it.
            start: from when; None = from now.

        Raises:
            InvalidInput: the document has faults, all of which are told, or the forecast takes too long.
            WrongState: too many forecasts are waiting already.
            PlanFailed: there is no telling; the message says why.
        """
        if self._turn.statistics().tasks_waiting >= MOST_WAITING:
            raise WrongState(f"{MOST_WAITING} forecasts are waiting for their turn already; ask again later")
        async with self._turn:  # a second one at the same time would only make both slower, and the daemon with them
            start_at = self._ground.now() if start is None else start
            task = plan_process.task_body(document, self._ground.settings(), start_at)
            with trio.move_on_after(self._patience_s):
                return await _made(task)
        words = f"the forecast took more than {self._patience_s:g} s and was given up"
        raise InvalidInput([Fault("", f"{words}; forecast a part of the recipients")])


async def _made(task: bytes) -> PlanView:
    # the process finds the very package that runs here, installed or not
    root = str(Path(dialerd.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    try:
        ended = await trio.run_process(
            [sys.executable, "-m", "dialerd.operations.plan_process"],
            stdin=task,
            capture_stdout=True,
            check=False,
            deliver_cancel=_kill,
            env={**os.environ, "PYTHONPATH": path},
        )
    except OSError as error:
        raise PlanFailed(f"the forecasting process cannot be started: {error.strerror}") from error
    try:
        told = plan_process.read_told(ended.stdout)
    except ValueError as error:
        raise PlanFailed(f"the forecasting process ended with status {ended.returncode}; the log says more") from error
    if told.plan is None:
        raise InvalidInput(told.faults)
    return told.plan


async def _kill(process: trio.Process) -> None:
    process.kill()
