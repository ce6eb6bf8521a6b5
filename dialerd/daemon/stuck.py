"""The very end of a daemon whose stop something holds up that does not end by itself: the process goes."""

import os

import structlog

from dialerd.daemon.logging import flush

_log = structlog.get_logger()


def leave(stored: bool = True) -> None:
    """End the process at once, without waiting for tasks and threads that do not end.

    Args:
        stored: whether everything is stored; if not, the exit status is 1.
    """
    remedy = "what was held up is asked about, or written, at the next start"
    if not stored:
        remedy = "mend the disk of the database; the carriers are asked about what is not stored at the next start"
    _log.warning("daemon.stopped", left_behind=True, stored=stored, remedy=remedy)
    flush()
    os._exit(0 if stored else 1)  # trio would wait for the task, and the interpreter for the thread
