"""Complaints: what a plugin does wrong again and again, told at once and then once a minute with a count.

A plugin that fails at every call must not fill the log with it.
"""

from collections.abc import Callable

import trio

from dialerd.plugin.raised import words
from dialerd.rules.reminders import Reminder


class Complaints:
    """Keeps apart what is complained about, and about whom."""

    def __init__(self) -> None:
        self._reminders: dict[tuple[str, str], Reminder] = {}

    def tell(
        self,
        log: Callable[..., object],
        event: str,
        of: str,
        *,
        error: object = None,
        trace: bool = False,
        **fields: object,
    ) -> None:
        """Log a complaint, unless one like it was logged within the last minute; `more` counts those kept back.

        Args:
            log: method of a logger.
            event: what is complained about.
            of: about which trunk or plugin.
            error: what it raised or gave, or None.
            trace: whether the first line holds the traceback of `error`.
            fields: of the line.
        """
        reminder = self._reminders.get((event, of))
        if reminder is None:
            reminder = self._reminders[event, of] = Reminder()
        if not reminder.due(trio.current_time()):
            return
        if error is not None:
            fields["error"] = words(error)
        if trace:
            fields["exc_info"] = None if reminder.more else error
        log(event, more=reminder.more, **fields)
