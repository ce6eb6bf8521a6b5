"""Exit codes of `dialerctl`, the same for every command."""

from enum import IntEnum


class Exit(IntEnum):
    """What a script learns from the exit code."""

    DONE = 0
    FAILED = 1
    USAGE = 2  # click's own, for arguments that make no command
    NOT_FOUND = 3
    CONFLICT = 4  # the thing's state does not allow it, or several have the name
    UNREACHABLE = 5
