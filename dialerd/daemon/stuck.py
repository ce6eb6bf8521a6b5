"""The very end of a daemon whose stop a plugin holds up: everything is stored, and the process goes."""

import os

import structlog

from dialerd.daemon.logging import flush

_log = structlog.get_logger()


def leave() -> None:
    """End the process at once, without waiting for tasks and threads that do not end; only when all is stored."""
    _log.warning("daemon.stopped", left_behind=True, remedy="what the plugin held is asked about at the next start")
    flush()
    os._exit(0)  # trio would wait for the plugin's task, and the interpreter for nothing else
