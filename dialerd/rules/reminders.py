"""Reminders: how often something that goes on failing is told again."""

from typing import Final

EVERY_S: Final = 60.0
"""Seconds between two log lines about the same trouble."""


class Reminder:
    """One trouble that may last: told when it begins, and then once a minute.

    Args:
        every_s: seconds between two tellings; a trouble that was not met for as long counts as new.

    Attributes:
        more: how often it was met, and not told, between the last two tellings.
    """

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._told_s: float | None = None
        self._since_s: float | None = None
        self.more = 0
        self._kept_back = 0

    @property
    def since_s(self) -> float | None:
        """When the trouble began, in the seconds that `due` was given; None = there is none."""
        return self._since_s

    def due(self, now_s: float) -> bool:
        """Take note that the trouble was met, and tell whether it is to be told now.

        Args:
            now_s: monotonic seconds.
        """
        if self._since_s is None:
            self._since_s = now_s
        if self._told_s is not None and now_s - self._told_s < self._every_s:
            self._kept_back += 1
            return False
        self._told_s = now_s
        self.more, self._kept_back = self._kept_back, 0
        return True

    def over(self) -> None:
        """Take note that the trouble has passed; the next one is told at once."""
        self._since_s = self._told_s = None
        self._kept_back = 0
