"""The options of a simulated trunk, as they are written in `[trunks.NAME.options]`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from attrs import Attribute, Factory, field, frozen, validators

from dialerd.model.instants import MINUTE, SECOND, Duration, format_duration
from dialerd.model.states import AnsweredBy, Outcome
from dialerd.model.wording import shown

Span = Duration | tuple[Duration, Duration]
"""A duration, or a range of which each is equally likely: `"5s"`, `["2s", "10s"]`."""

End = Literal[
    Outcome.ANSWERED,
    Outcome.VOICEMAIL,
    Outcome.BUSY,
    Outcome.NO_ANSWER,
    Outcome.REJECTED,
    Outcome.INVALID_NUMBER,
    Outcome.UNREACHABLE,
    Outcome.CONGESTION,
    Outcome.FAILED,
]
"""What a network can make of a call: whether it is cancelled lies with the caller, and it is never uncertain."""

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")  # ITU-T E.164: at most 15 digits, the first of a code never 0

_Field = Attribute  # attrs calls a validator with the record, the attribute and the value


def _is_span(_record: object, _field: "_Field[Any]", span: Span) -> None:
    if isinstance(span, tuple) and span[0] > span[1]:
        least, most = map(format_duration, span)
        raise ValueError(f'is no range, as {least} is longer than {most}; write ["{most}", "{least}"]')


def _has_weight(_record: object, _field: "_Field[Any]", weights: Mapping[Any, float]) -> None:
    if any(weight < 0 for weight in weights.values()) or not sum(weights.values()) > 0:
        raise ValueError("must be weights of 0 or more, at least one of them more than 0")


def _are_scripts(_record: object, _field: "_Field[Any]", scripts: Mapping[str, tuple[End, ...]]) -> None:
    if odd := [number for number in scripts if not _E164.fullmatch(number)]:
        raise ValueError(
            f"has {', '.join(map(shown, odd))}; write full numbers with + and country code, without spaces, "
            'such as "+12125550123"'
        )
    if empty := [number for number, script in scripts.items() if not script]:
        raise ValueError(f"has no outcomes for {', '.join(empty)}; list at least one or leave the number out")


_PROBABILITY: Final = [validators.ge(0.0), validators.le(1.0)]


@frozen(kw_only=True)
class Outage:
    """`[[trunks.NAME.options.outages]]`: times at which the trunk takes no call.

    Args:
        every: time from the beginning of one outage to that of the next.
        lasts: how long each lasts; as long as `every` = from then on for good.
        after: when the first begins, from the start of the trunk.
        silent: True gives no answer at all until the order's ring timeout; False refuses at once.
    """

    every: Duration = field(default=10 * MINUTE, validator=validators.ge(1))
    lasts: Duration = field(validator=validators.ge(1))
    after: Duration = field(default=0, validator=validators.ge(0))
    silent: bool = False

    def left_at(self, since_start: Duration) -> Duration:
        """Return how long the outage still lasts at a time after the start of the trunk; 0 = there is none."""
        since_first = since_start - self.after
        return 0 if since_first < 0 else max(0, self.lasts - since_first % self.every)


@frozen(kw_only=True)
class SimulatorOptions:
    """`[trunks.NAME.options]` of a trunk whose provider is `simulator`.

    Args:
        seed: what becomes of an attempt follows from this and the attempt's id alone.
        ring_time: how long a phone rings before somebody answers or rejects; a duration or a range.
        talk_time: how long an answered call lasts; a duration or a range.
        no_answer_time: how long an unanswered phone rings before the network gives up; a duration or a range; absent =
            until the order's ring timeout.
        outcomes: weights by outcome. Busy, unreachable, invalid number, congestion and failed come without ringing.
        amd: with `amd = "detect"`, weights of who is found to have answered, for calls drawn as answered: a machine
            makes the call voicemail unless the agent is to continue, a fax makes it failed.
        numbers: by number in E.164 form, outcomes of the successive calls to it, the last one repeating; these calls
            are answered by humans, and neither `maybe_placed` nor `not_placed` touches them.
        capacity: calls per second that it takes, a second's worth at once; more are throttled; absent = no limit.
        max_channels: calls in progress that it bears; more are throttled; absent = no limit.
        outages: times at which it takes no call.
        maybe_placed: probability, 0 to 1, that a call is lost on the way and nobody can tell at first whether it was
            placed; half of these were.
        not_placed: probability, 0 to 1, that a call is refused and certainly not placed.
        ledger: file that gets one JSON line for each call the network took, durable before anything is reported; by
            it calls are known again after a restart; absent = no file is kept.
    """

    seed: int = field(default=0, validator=validators.ge(0))
    ring_time: Span = field(default=(3 * SECOND, 15 * SECOND), validator=_is_span)
    talk_time: Span = field(default=(10 * SECOND, 60 * SECOND), validator=_is_span)
    no_answer_time: Span | None = field(default=None, validator=validators.optional(_is_span))
    outcomes: dict[End, float] = field(
        default=Factory(
            lambda: {
                Outcome.ANSWERED: 60,
                Outcome.NO_ANSWER: 22,
                Outcome.BUSY: 8,
                Outcome.VOICEMAIL: 5,
                Outcome.REJECTED: 3,
                Outcome.UNREACHABLE: 1,
                Outcome.INVALID_NUMBER: 1,
            }
        ),
        validator=_has_weight,
    )
    amd: dict[AnsweredBy, float] = field(
        default=Factory(
            lambda: {AnsweredBy.HUMAN: 84, AnsweredBy.MACHINE: 10, AnsweredBy.FAX: 1, AnsweredBy.UNKNOWN: 5}
        ),
        validator=_has_weight,
    )
    numbers: dict[str, tuple[End, ...]] = field(factory=dict, validator=_are_scripts)
    capacity: float | None = field(default=None, validator=validators.optional(validators.gt(0)))
    max_channels: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    outages: tuple[Outage, ...] = ()
    maybe_placed: float = field(default=0.0, validator=_PROBABILITY)
    not_placed: float = field(default=0.0, validator=_PROBABILITY)
    ledger: Path | None = field(default=None, metadata={"written": True})
