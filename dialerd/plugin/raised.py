"""What plugins raise, put into words, and told from what the user wants.

A plugin may raise anything, and its classes may fail at being shown: neither may end more than what it was asked for.
Ctrl-C at a terminal is not a plugin's, wherever it arrives.
"""

from collections.abc import Iterator
from typing import Final

import trio

_LONGEST: Final = 500  # characters of a plugin's words in a log line


def words(value: object) -> str:
    """Return an error, or whatever a plugin gave, as words for the log, whatever its class does.

    Args:
        value: an error is given as its kind and its message, all else, and groups of errors, as their `repr`.
    """
    kind = type(value).__name__
    try:
        if isinstance(value, BaseException) and not isinstance(value, BaseExceptionGroup):
            message = str(value)
            said = f"{kind}: {message}" if message else kind
        else:
            said = repr(value)
    except BaseException as error:  # noqa: BLE001  # a plugin's class may do anything here, and the log must go on
        spare_ctrl_c(error)
        return f"{kind}, which cannot be shown: that raises {type(error).__name__}"
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}... ({len(said)} characters)"


def spare_ctrl_c(error: BaseException) -> None:
    """Raise again what holds the user's Ctrl-C; to be called where anything a plugin raises is caught.

    Trio raises it itself, where it runs: what was raised elsewhere then is a plugin's. Outside of it the interpreter
    raises it in whatever line is being run, and nobody can tell the difference.

    Args:
        error: what was caught; may be a group.

    Raises:
        BaseException: `error`.
    """
    if any(_is_ctrl_c(leaf) for leaf in leaves(error)):
        raise error


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors of a group, however deep they lie in it; an error that is no group alone."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def _is_ctrl_c(error: BaseException) -> bool:
    if not isinstance(error, KeyboardInterrupt):
        return False
    if not trio.lowlevel.in_trio_run():
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is None or str(trace.tb_frame.f_globals.get("__name__", "")).startswith("trio.")
