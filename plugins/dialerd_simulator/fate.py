"""The fate of a call: what the pretended network makes of it, as a pure function of seed and attempt.

There is no shared generator: after a restart the same attempt meets the same fate, and the order in which calls are
placed changes nothing. Each decision has 64 bits of its own from one hash of the attempt's id, so that an option
changes only what it is about.
"""

import struct
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b
from itertools import accumulate
from typing import Final, Generic, TypeVar

from attrs import frozen

from dialerd.model.instants import Duration
from dialerd.model.states import Amd, AnsweredBy, Outcome
from dialerd_simulator.options import SimulatorOptions, Span

T = TypeVar("T")

_WORDS: Final = struct.Struct("<5Q")
_WHOLE: Final = 2**64


class Loss(StrEnum):
    """How a call goes wrong between the caller and the network."""

    REFUSED = "refused"  # certainly not placed
    BEFORE = "before"  # nobody can tell at first; it was not placed
    AFTER = "after"  # nobody can tell at first; it was placed


@frozen
class Fate:
    """What becomes of a call that nobody hangs up, before the order's own bounds.

    Args:
        outcome: how it ends.
        ring_time: how long it rings; None = until the ring timeout; 0 for outcomes that come without ringing.
        talk_time: how long it lasts once answered.
        answered_by: who is found to have answered; None without detection.
        loss: how it goes wrong, or None.
    """

    outcome: Outcome
    ring_time: Duration | None
    talk_time: Duration
    answered_by: AnsweredBy | None = None
    loss: Loss | None = None


_RINGING_FIRST: Final = frozenset({Outcome.ANSWERED, Outcome.VOICEMAIL, Outcome.REJECTED})
_PICKED_UP: Final = frozenset({Outcome.ANSWERED, Outcome.VOICEMAIL})


class Fates:
    """Tells the fate of every attempt on one trunk.

    Args:
        options: the trunk's options.

    Attributes:
        certain: the fate of all ordinary calls where the options leave nothing to chance, otherwise None.
    """

    def __init__(self, options: SimulatorOptions) -> None:
        self._hash = blake2b(digest_size=_WORDS.size, key=options.seed.to_bytes(8, "little"))
        self._outcomes = _Lot(options.outcomes)
        self._answers = _Lot(options.amd)
        self._ring = _ends(options.ring_time)
        self._talk = _ends(options.talk_time)
        self._no_answer = None if options.no_answer_time is None else _ends(options.no_answer_time)
        self._refused_below = int(options.not_placed * _WHOLE)
        self._maybe_below = self._refused_below + int(options.maybe_placed * (_WHOLE - self._refused_below))
        self._placed_below = (self._refused_below + self._maybe_below) // 2
        self._numbers = options.numbers
        self.certain = self._drawn(b"") if self._nothing_is_drawn() else None

    def of(self, attempt_id: str, number: str, amd: Amd, nth: int = 0) -> Fate:
        """Return what becomes of an attempt.

        Args:
            attempt_id: UUIDv7 of the attempt.
            number: called number, E.164.
            amd: whether to listen for an answering machine.
            nth: how many calls the network took to this number before; counts only for scripted numbers.
        """
        script = self._numbers.get(number) if self._numbers else None
        if self.certain is not None and script is None and amd is Amd.OFF:
            return self.certain
        return self._drawn(attempt_id.encode(), amd, script, nth)

    def _nothing_is_drawn(self) -> bool:
        """Tell whether the options leave nothing to chance in a call without detection to a number without a script."""
        spans = (self._ring, self._talk, self._no_answer or (0, 0))
        return self._outcomes.certain and not self._maybe_below and all(least == most for least, most in spans)

    def _drawn(self, seed: bytes, amd: Amd = Amd.OFF, script: Sequence[Outcome] | None = None, nth: int = 0) -> Fate:
        """Draw a fate from the hash of an attempt's id."""
        state = self._hash.copy()
        state.update(seed)
        for_outcome, for_ring, for_talk, for_answer, for_loss = _WORDS.unpack(state.digest())
        loss = None
        answered_by = None
        if script is not None:
            outcome = script[min(nth, len(script) - 1)]
        else:
            outcome = self._outcomes.draw(for_outcome)
            if for_loss < self._maybe_below:
                loss = self._loss(for_loss)
        if amd is Amd.DETECT and outcome in _PICKED_UP:
            if outcome is Outcome.VOICEMAIL:
                answered_by = AnsweredBy.MACHINE
            else:
                answered_by = AnsweredBy.HUMAN if script is not None else self._answers.draw(for_answer)
        talk_time = _within(self._talk, for_talk) if outcome in _PICKED_UP else 0
        return Fate(outcome, self._ring_time(outcome, for_ring), talk_time, answered_by, loss)

    def _ring_time(self, outcome: Outcome, word: int) -> Duration | None:
        if outcome in _RINGING_FIRST:
            return _within(self._ring, word)
        if outcome is Outcome.NO_ANSWER:
            return None if self._no_answer is None else _within(self._no_answer, word)
        return 0

    def _loss(self, word: int) -> Loss:
        if word < self._refused_below:
            return Loss.REFUSED
        return Loss.AFTER if word < self._placed_below else Loss.BEFORE


class _Lot(Generic[T]):
    """A choice by weights, from a number that is uniform below 2**64."""

    def __init__(self, weights: Mapping[T, float]) -> None:
        self._choices = [choice for choice, weight in weights.items() if weight > 0]
        sums = list(accumulate(weights[choice] for choice in self._choices))
        # The last bound is left out: whatever rounding does to the others, every number finds a choice.
        self._bounds = [int(part / sums[-1] * _WHOLE) for part in sums[:-1]]

    @property
    def certain(self) -> bool:
        """Whether there is one choice only."""
        return not self._bounds

    def draw(self, word: int) -> T:
        return self._choices[bisect_right(self._bounds, word)]


def _ends(span: Span) -> tuple[Duration, Duration]:
    return span if isinstance(span, tuple) else (span, span)


def _within(ends: tuple[Duration, Duration], word: int) -> Duration:
    least, most = ends
    return least + ((most - least + 1) * word >> 64)
