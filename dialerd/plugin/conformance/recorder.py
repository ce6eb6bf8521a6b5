"""A `Report` that keeps what it is told, and what was wrong with when it was told."""

from collections.abc import Callable
from typing import Final, TypeVar

import trio
from attrs import define, field, frozen

from dialerd.plugin.provider import STATE_BYTES, Accepted, AmdResult, Answered, CallEvent, Digits, Ringing

E = TypeVar("E")

_RANKS: Final[dict[type, int]] = {Accepted: 0, Ringing: 1, Answered: 2, AmdResult: 3, Digits: 3}
_ONCE: Final = (Accepted, Ringing, Answered)


@frozen
class Told:
    """Something that was reported.

    Args:
        event: what.
        at_s: when, in trio's time.
    """

    event: CallEvent
    at_s: float


@define(eq=False)
class Recorder:
    """Keeps the reports of one call.

    Args:
        has_left: tells whether the order left already; None where it left in a former life.
        on_event: called with every event, to act at that instant.
    """

    has_left: Callable[[], bool] | None = None
    on_event: Callable[[CallEvent], None] | None = None
    told: list[Told] = field(factory=list, init=False)
    last_state: bytes | None = field(default=None, init=False)
    violations: list[str] = field(factory=list, init=False)
    opted_out: bool = field(default=False, init=False)
    over: bool = field(default=False, init=False)

    def __call__(self, event: CallEvent, /) -> None:
        """Keep `event`."""
        name = type(event).__name__
        if type(event) not in _RANKS:
            self.violations.append(f"{event!r} was reported, which is no CallEvent")
            return
        if self.over:
            self.violations.append(f"{name} was reported after the call was over")
        if self.has_left is not None and not self.has_left():
            self.violations.append(f"{name} was reported before order.leave() was called")
        self._check_order(event)
        self.told.append(Told(event, trio.current_time()))
        if self.on_event is not None:
            self.on_event(event)

    def state(self, state: bytes, /) -> None:
        """Keep `state`."""
        if not isinstance(state, bytes) or len(state) > STATE_BYTES:
            self.violations.append(f"report.state takes bytes, at most {STATE_BYTES}")
        elif self.over:
            self.violations.append("report.state was called after the call was over")
        else:
            self.last_state = state

    def notify_stored(self, told: Callable[[bool], None] | None, /) -> None:
        """Everything is kept already."""
        if self.over and told is not None:
            self.violations.append("report.notify_stored was called after the call was over")
        elif told is not None:
            told(True)

    async def opt_out(self) -> None:
        """Keep that the called person wants no further calls."""
        if self.over:
            self.violations.append("report.opt_out was called after the call was over; say it in CallEnd.opted_out")
        elif self.has_left is not None and not self.has_left():
            self.violations.append("report.opt_out was called before order.leave() was called")
        self.opted_out = True
        await trio.lowlevel.checkpoint()

    def find(self, kind: type[E]) -> E | None:
        """Return the first event of a kind, or None."""
        return next((told.event for told in self.told if isinstance(told.event, kind)), None)

    def at_s(self, kind: type[CallEvent]) -> float | None:
        """Return when an event of a kind was first reported, in trio's time, or None."""
        return next((told.at_s for told in self.told if isinstance(told.event, kind)), None)

    def _check_order(self, event: CallEvent) -> None:
        name, rank = type(event).__name__, _RANKS[type(event)]
        before = [told.event for told in self.told]
        if isinstance(event, _ONCE) and any(isinstance(known, type(event)) for known in before):
            self.violations.append(f"{name} was reported twice")
        late = [known for known in before if _RANKS[type(known)] > rank]
        if late:
            self.violations.append(f"{name} was reported after {type(late[0]).__name__}")
        if isinstance(event, AmdResult | Digits) and self.find(Answered) is None:
            self.violations.append(f"{name} was reported of a call that was not answered")
