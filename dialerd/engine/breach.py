"""What plugins mean by what they raise.

A plugin may raise anything: groups (every nursery makes one), what ends a program, what it caught of trio's long ago.
None of it may end more than the one call. Two things are not a plugin's: the cancellation that the engine asked for,
and Ctrl-C at a terminal.
"""

import math

import trio

from dialerd.plugin.provider import MaybePlaced, NotPlaced, Throttled, Withdrawn
from dialerd.plugin.raised import leaves, spare_ctrl_c

_CONTRACT = (Withdrawn, Throttled, NotPlaced, MaybePlaced)


def meant(error: BaseException) -> BaseException:
    """Return what a plugin meant by what it raised; to be called where it was caught.

    A group that holds one kind of what the contract allows is taken for the first of that kind: a provider that
    places its calls in nurseries of its own says it in no other way.

    Args:
        error: what was caught.

    Raises:
        BaseException: what is not the plugin's: the cancellation that is in force here, or Ctrl-C at a terminal.
    """
    raised = list(leaves(error))
    if any(isinstance(leaf, trio.Cancelled) for leaf in raised) and trio.current_effective_deadline() == -math.inf:
        if isinstance(error, BaseExceptionGroup):
            cancelled = error.subgroup(trio.Cancelled)
            assert cancelled is not None
            raise cancelled  # what else is in the group came of the cancellation
        raise error
    spare_ctrl_c(error)
    for kind in _CONTRACT:
        if all(isinstance(leaf, kind) for leaf in raised):
            return raised[0]
    return error
