"""Troubles: what goes wrong with many files for one reason, put together so that it is told once a minute.

A full disk has as much to say about each of ten thousand files. Knows nothing of the log: who asks writes the line.
"""

from pathlib import Path
from typing import Any, Final

from attrs import define, field

from dialerd.intake import durable
from dialerd.intake.kinds import shown
from dialerd.model.errors import DialerdError
from dialerd.rules.reminders import EVERY_S, Reminder

_NAMED: Final = 3  # files named besides the first


@define
class _Trouble:
    """One reason, and whom it met since it was last told."""

    error: Exception
    folder: Path
    met_s: float
    reminder: Reminder = field(factory=Reminder)
    names: dict[str, None] = field(factory=dict)
    failures: int = 0


class Troubles:
    """What goes wrong with files, by its reason."""

    def __init__(self) -> None:
        self._troubles: dict[tuple[object, ...], _Trouble] = {}

    def meet(self, name: str, error: Exception, folder: Path, *, failures: int, now_s: float) -> None:
        """Take note that something failed.

        Args:
            name: of the file, or of what else it happened to.
            error: what was raised.
            folder: where that was.
            failures: how often it failed for this one, in a row.
            now_s: monotonic seconds.
        """
        key = (type(error), _reason(error), folder)
        trouble = self._troubles.get(key)
        if trouble is None:
            trouble = self._troubles[key] = _Trouble(error, folder, now_s)
        trouble.error, trouble.met_s = error, now_s
        trouble.names[name] = None
        trouble.failures = max(trouble.failures, failures)

    def due(self, now_s: float) -> list[dict[str, Any]]:
        """Return what is to be told now, as the fields of a log line each: when a trouble begins, then once a minute.

        Args:
            now_s: monotonic seconds.
        """
        for key in [key for key, trouble in self._troubles.items() if now_s - trouble.met_s > 2 * EVERY_S]:
            del self._troubles[key]
        told = []
        for trouble in self._troubles.values():
            if trouble.names and trouble.reminder.due(now_s):
                told.append(_fields(trouble))
                trouble.names.clear()
                trouble.failures = 0
        return told


def what_to_do(error: Exception, folder: Path) -> str:
    """Return what to do about an error that holds up a file.

    Args:
        error: what was raised.
        folder: where that was.
    """
    if (known := getattr(error, "remedy", None) or durable.remedy(error, folder)) is not None:
        return str(known)
    if isinstance(error, DialerdError | OSError):
        return "see the error; dialerd tries again by itself"
    return "report this line, it is a fault of dialerd; it tries again by itself"


def _reason(error: Exception) -> str:
    # the whole text of an OSError names a file
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _fields(trouble: _Trouble) -> dict[str, Any]:
    names = [shown(name) for name in list(trouble.names)[: _NAMED + 1]]
    error = trouble.error
    return {
        "file": names[0],
        "files": len(trouble.names),
        "others": names[1:],
        "error": _reason(error),
        "failures": trouble.failures,
        "remedy": what_to_do(error, trouble.folder),
        "exc_info": None if isinstance(error, DialerdError | OSError) else error,
    }
