"""Telling: whether what happens is written down for somebody outside. Asked at every call's end, so a plain switch."""


class Telling:
    """The switch.

    Args:
        listened: whether plugins listen, which is so for the daemon's whole life.

    Attributes:
        on: whether notices are written.
        followed: whether they are kept for followers of events.
    """

    __slots__ = ("_listened", "followed", "on")

    def __init__(self, *, listened: bool = False) -> None:
        self._listened = listened
        self.followed = False
        self.on = listened

    def follow(self, followed: bool) -> None:
        """Take note of whether notices are kept for followers."""
        self.followed = followed
        self.on = self._listened or followed
