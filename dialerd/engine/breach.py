"""What plugins raise, and what they mean by it.

A plugin may raise anything: groups (every nursery makes one), what ends a program, what it caught of trio's long ago.
None of it may end more than the one call. Two things are not a plugin's: the cancellation that the engine asked for,
and Ctrl-C at a terminal.
"""

import math
from collections.abc import Iterator

import trio

from dialerd.plugin.provider import MaybePlaced, NotPlaced, Throttled, Withdrawn

_CONTRACT = (Withdrawn, Throttled, NotPlaced, MaybePlaced)
_LONGEST = 500  # characters of a plugin's words in a log line
_AGAIN_S = 60.0  # how often the same complaint about the same trunk is logged


def meant(error: BaseException) -> BaseException:
    """Return what a plugin meant by what it raised; to be called where it was caught.

    A group that holds one kind of what the contract allows is taken for the first of that kind: a provider that
    places its calls in nurseries of its own says it in no other way.

    Args:
        error: what was caught.

    Raises:
        BaseException: what is not the plugin's: the cancellation that is in force here, or Ctrl-C at a terminal.
    """
    leaves = list(_leaves(error))
    if any(isinstance(leaf, trio.Cancelled) for leaf in leaves) and trio.current_effective_deadline() == -math.inf:
        if isinstance(error, BaseExceptionGroup):
            cancelled = error.subgroup(trio.Cancelled)
            assert cancelled is not None
            raise cancelled  # what else is in the group came of the cancellation
        raise error
    if any(_is_ctrl_c(leaf) for leaf in leaves):
        raise error
    for kind in _CONTRACT:
        if all(isinstance(leaf, kind) for leaf in leaves):
            return leaves[0]
    return error


def told(value: object) -> str:
    """Return an error, or whatever a plugin gave, as words for the log, whatever its `repr` does."""
    try:
        words = repr(value)
    except BaseException as error:  # noqa: BLE001  # a plugin's class may do anything here, and the log must go on
        return f"{type(value).__name__}, of which repr raises {type(error).__name__}"
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}... ({len(words)} characters)"


class Complaints:
    """Keeps a plugin that fails at every call from filling the log: the first time at once, then once a minute."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[float, int]] = {}  # when it was last told, and how many were kept back

    def due(self, event: str, of: str) -> int | None:
        """Count a complaint; return how many like it were kept back since the last, or None to keep this one back.

        Args:
            event: what is complained about.
            of: about which trunk or plugin.
        """
        now_s = trio.current_time()
        known = self._known.get((event, of))
        if known is not None and now_s < known[0] + _AGAIN_S:
            self._known[event, of] = known[0], known[1] + 1
            return None
        self._known[event, of] = now_s, 0
        return known[1] if known is not None else 0


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _is_ctrl_c(error: BaseException) -> bool:
    """Tell whether it came from the keyboard: then trio raised it, and no plugin."""
    if not isinstance(error, KeyboardInterrupt):
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is None or str(trace.tb_frame.f_globals.get("__name__", "")).startswith("trio.")
