"""The tree of errors that dialerd raises, under `DialerdError`.

Messages are lower case, name the thing and the rule, and say what to do. A busy line is data, not an error.
"""

from collections.abc import Iterable

from attrs import frozen


class DialerdError(Exception):
    """Base of every error that dialerd raises on purpose."""


@frozen
class Fault:
    """One thing wrong with an input: where, what, and the remedy in the message.

    Args:
        path: where in the document, as `retry.busy.delay` or `windows[0].start`; empty for the whole.
        message: what is wrong and what to write instead.
        file: name of the file at fault, where several belong together.
        line: 1-based line in `file`, or None.
        column: 1-based column in `line`, or None.
    """

    path: str
    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place += f":{self.line}" if place else f"line {self.line}"
            if self.column is not None:
                place += f":{self.column}" if self.file else f", column {self.column}"
        return ": ".join(part for part in (place, self.path, self.message) if part)


class InvalidInput(DialerdError):
    """An input with faults; holds all of them.

    Args:
        faults: every fault found, in the input's order.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


class WrongState(DialerdError):
    """An operation that the thing's present state does not allow."""


class KeyReused(DialerdError):
    """An idempotency key that was used before, for another request."""


class NotFound(DialerdError):
    """A name or id that is not known here."""


class TooLarge(DialerdError):
    """More than is taken at once."""


class StoreError(DialerdError):
    """The store cannot be used; the message says why and the way out.

    Args:
        message: what is wrong.
        remedy: what to do about it, added to the message; None = the fault lies in what was asked for.

    Attributes:
        what: the message without its remedy.
    """

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message if remedy is None else f"{message}: {remedy}")
        self.what = message
        self.remedy = remedy


class StoreLost(StoreError):
    """What the store remembers cannot be relied on any more: nobody may be dialled by it, and waiting mends nothing."""


class PluginError(DialerdError):
    """A plugin broke its contract."""
