"""What the author of a provider tells the suite: whom to call for what to happen, and how fast it should."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from attrs import field, frozen

from dialerd.model.instants import SECOND, Duration


class Violation(AssertionError):
    """A provider breaks the contract; the message names the rule."""


def require(held: bool, rule: str) -> None:
    """Raise `Violation` unless a rule was held. Works under `python -O`, where `assert` does not."""
    if not held:
        raise Violation(rule)


@frozen
class Scenario:
    """A call to which something certain happens.

    Args:
        number: the number to call, E.164.
        options: options of the trunk under which it happens, over those of `ProviderConformance.options`.
    """

    number: str
    options: Mapping[str, Any] = field(factory=dict, kw_only=True)


@frozen(kw_only=True)
class Tempo:
    """How long things may take on the suite's clock.

    Args:
        patience: for a call of the scenario `answered` to be over, and for anything else to happen at all.
        soon: for a call to end after it was hung up or its time was over.
        bound: ring timeout and maximum duration of the orders that must run into them.
        linger: how long the suite listens for reports that come after the end.
        longest_step_s: seconds of real time for which a provider may hold the event loop at one stretch.
    """

    patience: Duration = 60 * SECOND
    soon: Duration = 2 * SECOND
    bound: Duration = SECOND
    linger: Duration = SECOND
    longest_step_s: float = 0.2


C = TypeVar("C", bound=Callable[..., Awaitable[None]])


def needs(*scenarios: str) -> Callable[[C], C]:
    """Mark a check with the attributes of `ProviderConformance` without which it cannot be made."""

    def mark(check: C) -> C:
        check.needs = scenarios  # type: ignore[attr-defined]  # functions take attributes, their types have none
        return check

    return mark
