"""What plugins should never raise."""

import trio
from phone import OUTAGE

from dialerd.plugin.provider import NotPlaced


class Odd(BaseException):
    """An exception that is nobody's."""


class Unspeakable(Exception):
    """An exception that cannot be shown."""

    def __str__(self):
        raise RuntimeError("no words")

    __repr__ = __str__


class Hollow(NotPlaced):
    """A refusal without a cause."""

    def __init__(self):
        Exception.__init__(self)


def stray():
    """Return a `trio.Cancelled` that belongs to no scope that is left."""

    async def catch():
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as error:
                caught.append(error)
                raise

    caught = []
    trio.run(catch)
    return caught[0]


NONSENSE = {
    "group": lambda: ExceptionGroup("two", [OSError("reset"), NotPlaced(OUTAGE)]),
    "group of odds": lambda: BaseExceptionGroup("odd", [Odd(), ValueError()]),
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "BaseException": lambda: Odd("what"),
    "Cancelled": stray,
    "group of Cancelled": lambda: BaseExceptionGroup("x", [stray(), OSError()]),
    "unspeakable": Unspeakable,
    "hollow": Hollow,
    "StopIteration": lambda: StopIteration(1),
    "long": lambda: OSError("x" * 100_000),
}
